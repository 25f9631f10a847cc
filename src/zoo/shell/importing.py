"""import: the znodes of an exported file into a tree."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError, TransactionFailedError
from zoo.client.results import Node
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.records import ACL
from zoo.shell.problems import Problem
from zoo.shell.progress import bar
from zoo.shell.session import Shell
from zoo.shell.subtree_file import Record, SubtreeFile
from zoo.shell.walking import AT_ONCE, below, together

_BATCH_BYTES = 256 * 1024
_SHOWN_CONFLICTS = 10


class Step(NamedTuple):
    """What shall be done with a record."""

    kind: str
    """created, same, conflict or omitted."""
    path: str
    record: Record
    version: int = -1
    """The znode's, where there is one."""


async def import_(
    shell: Shell,
    *,
    source: str,
    path: str | None,
    dry_run: bool,
    conflict: str,
    no_acl: bool,
    ephemerals: bool,
) -> None:
    """The file is checked from end to end before anything is written."""
    with await asyncio.to_thread(SubtreeFile, source) as file:
        work = _Import(shell.zk, path or file.root, not no_acl, ephemerals)
        if dry_run or conflict == "fail":
            planned = await work.plan(file)
            _report_conflicts(shell, planned)
            if dry_run or planned.conflicts:
                _finish(shell, work, planned.counts, conflict, dry_run)
                return
        with bar(f"import {work.root}", file.count) as advance:
            counts: Counter[str] = Counter()
            await work.make_way()
            for batch in batches(file):
                counts += await work.apply(batch, conflict)
                advance(len(batch))
    _finish(shell, work, counts, conflict, dry_run)


class Plan(NamedTuple):
    counts: Counter[str]
    conflicts: list[str]


class _Import:
    def __init__(self, zk: AsyncClient[bytes], root: str, with_acl: bool, ephemerals: bool) -> None:
        self._zk = zk
        self.root = root
        self._with_acl = with_acl
        self._ephemerals = ephemerals

    async def plan(self, records: Iterable[Record]) -> Plan:
        plan = Plan(Counter(), [])
        for batch in batches(records):
            for step in await self._steps(batch):
                plan.counts[step.kind] += 1
                if step.kind == "conflict":
                    plan.conflicts.append(step.path)
        return plan

    async def make_way(self) -> None:
        """What is above the root."""
        above = self.root.rpartition("/")[0]
        if above:
            await self._zk.ensure_path(above)

    async def apply(self, records: list[Record], conflict: str) -> Counter[str]:
        """One transaction, and the ACLs of what was there before."""
        counts: Counter[str] = Counter()
        transaction = self._zk.transaction()
        acls: list[Step] = []
        for step in await self._steps(records):
            kind, path, record, version = step
            if kind == "created":
                transaction.create(path, record.data, acl=self._acl(record) or OPEN_ACL_UNSAFE)
            elif kind == "conflict" and conflict == "overwrite":
                kind = "overwritten"
                transaction.set(path, record.data, version=version)
                acls.append(step)
            elif kind == "conflict":
                kind = "skipped"
            counts[kind] += 1
        try:
            await transaction.commit()
        except TransactionFailedError as error:
            raise Problem(f"{error}; run it again to go on from there") from None
        for step in acls:
            if (acl := self._acl(step.record)) is not None:
                await self._zk.set_acl(step.path, acl)
        return counts

    def _acl(self, record: Record) -> list[ACL] | None:
        return record.acl if self._with_acl else None

    async def _steps(self, records: Iterable[Record]) -> list[Step]:
        return await together(self._step(record) for record in records)

    async def _step(self, record: Record) -> Step:
        path = below(self.root, record.path)
        if path == "/" or (record.is_ephemeral and not self._ephemerals):
            return Step("omitted", path, record)
        try:
            node, acl = await self._there(path, record)
        except NoNodeError:
            return Step("created", path, record)
        is_same = node.data == record.data and acl == self._acl(record)
        return Step("same" if is_same else "conflict", path, record, node.version)

    async def _there(self, path: str, record: Record) -> tuple[Node[bytes], list[ACL] | None]:
        if self._acl(record) is None:
            return await self._zk.get(path), None
        node, (acl, _) = await asyncio.gather(self._zk.get(path), self._zk.get_acl(path))
        return node, acl


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Of bounded number and size, for a transaction each."""
    batch: list[Record] = []
    size = 0
    for record in records:
        weight = len(record.data) + len(record.path) + 100
        if batch and (len(batch) >= AT_ONCE or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield batch


def _report_conflicts(shell: Shell, plan: Plan) -> None:
    for path in islice(plan.conflicts, _SHOWN_CONFLICTS):
        shell.out.note(f"conflict: {path} exists with other data or ACL")
    if len(plan.conflicts) > _SHOWN_CONFLICTS:
        shell.out.note(f"... and {len(plan.conflicts) - _SHOWN_CONFLICTS} more conflicts")


def _finish(
    shell: Shell, work: _Import, counts: Counter[str], conflict: str, dry_run: bool
) -> None:
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "nothing"
    text = f"{work.root}: {told}"
    if dry_run:
        text += " (a dry run: nothing was written)"
    shell.out.show({"path": work.root, **counts, "dryRun": dry_run}, text)
    if counts["conflict"] and conflict == "fail":
        raise Problem(
            f"{work.root}: {counts['conflict']} conflicts; nothing was written "
            "(--on-conflict skip or overwrite)"
        )
