"""import: the znodes of an exported file into a tree.

A znode with children whose ACL lets nobody create below it gets, to begin with, an entry for the
import behind its own: for the identities of the session, or for the world when it has none. At the
end these entries are taken away, deepest first. An import that was interrupted leaves some; the
next one knows them, on a znode that nobody has written since, and takes them away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import NamedTuple

from zoo.client.errors import ClientError, NoAuthError, NoNodeError, TransactionFailedError
from zoo.client.results import Node
from zoo.errors import Code
from zoo.jute.constants import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, Perms
from zoo.jute.records import ACL
from zoo.shell.blocking import aside
from zoo.shell.problems import Problem
from zoo.shell.progress import bar
from zoo.shell.session import Shell
from zoo.shell.subtree_file import Record, SubtreeFile
from zoo.shell.walking import AT_ONCE, below, together

_BATCH_BYTES = 256 * 1024
_SHOWN = 10


class Step(NamedTuple):
    """What shall be done with a record."""

    kind: str
    """created, same, completed, unreadable, conflict or omitted."""
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
    with await aside(lambda: SubtreeFile(source)) as file:
        work = _Import(shell, path or file.root, not no_acl, ephemerals, file.parents)
        try:
            if dry_run or conflict == "fail":
                planned = await work.plan(file)
                _report(shell, planned.conflicts, "conflict", "exists with other data or ACL")
                if dry_run or planned.conflicts:
                    _finish(shell, work, planned.counts, conflict, dry_run)
                    return
            with bar(f"import {work.root}", file.count) as advance:
                counts: Counter[str] = Counter()
                await work.make_way()
                for batch in batches(file):
                    counts += await work.apply(batch, conflict)
                    advance(len(batch))
                await work.settle()
        except (NoAuthError, TransactionFailedError) as error:
            raise Problem(work.advice(error)) from None
    _finish(shell, work, counts, conflict, dry_run)


class Plan(NamedTuple):
    counts: Counter[str]
    conflicts: list[str]


class _Import:
    def __init__(
        self, shell: Shell, root: str, with_acl: bool, ephemerals: bool, parents: AbstractSet[str]
    ) -> None:
        self._zk = shell.zk
        self.root = root
        self._with_acl = with_acl
        self._ephemerals = ephemerals
        self._parents = parents
        self._ours = (CREATOR_ALL_ACL if shell.has_identity else OPEN_ACL_UNSAFE)[0]
        self.unreadable: dict[str, None] = {}
        """What is there and cannot be compared: it stays as it is."""
        self._unsettled: dict[str, list[ACL]] = {}
        """The ACLs that are to be set at the end; parents come before children."""

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
        begun: list[Step] = []
        acls: list[Step] = []
        for step in await self._steps(records):
            kind, path, record, version = step
            if kind == "created":
                transaction.create(path, record.data, acl=self._first_acl(record))
                begun.append(step)
            elif kind == "completed":
                begun.append(step)
            elif kind == "conflict" and conflict == "overwrite":
                kind = "overwritten"
                transaction.set(path, record.data, version=version)
                acls.append(step)
            elif kind == "conflict":
                kind = "skipped"
            counts[kind] += 1
        await transaction.commit()
        for step in acls:
            if self._acl(step.record) is not None:
                await self._zk.set_acl(step.path, self._first_acl(step.record))
        for step in (*begun, *acls):
            if self._lets_us_in_first(step.record):
                self._unsettled[step.path] = step.record.acl or []
        return counts

    async def settle(self) -> None:
        """Give those their ACLs that had another one, to let us create what is below them."""
        todo = list(reversed(self._unsettled.items()))
        for start in range(0, len(todo), AT_ONCE):
            batch = todo[start : start + AT_ONCE]
            await together(self._zk.set_acl(path, acl) for path, acl in batch)
        self._unsettled.clear()

    def advice(self, error: ClientError) -> str:
        """The error, and how to go on."""
        if error.code is Code.NOAUTH:
            way = "give --auth of an identity that may or of the superuser, or --no-acl"
        else:
            way = "run it again to go on from there"
        open_ones = len(self._unsettled)
        left = (
            f"; until one has ended, {open_ones} znodes have a more open ACL" if open_ones else ""
        )
        return f"{error}; {way}{left}"

    def _first_acl(self, record: Record) -> Sequence[ACL]:
        acl = self._acl(record)
        if acl is None:
            return OPEN_ACL_UNSAFE
        return [*acl, self._ours] if self._lets_us_in_first(record) else acl

    def _lets_us_in_first(self, record: Record) -> bool:
        """Has it children, and an ACL that may keep us from creating them?"""
        acl = self._acl(record)
        return (
            acl is not None
            and record.path in self._parents
            and not any(each.scheme == "world" and each.perms & Perms.CREATE for each in acl)
        )

    def _is_unfinished(self, record: Record, node: Node[bytes], acl: list[ACL]) -> bool:
        """Has an import that was interrupted left it?"""
        own = record.acl or []
        return (
            self._lets_us_in_first(record)
            and (node.stat.version, node.stat.aversion) == (0, 0)
            and _are_same(acl[: len(own)], own)
            and all(each.perms == Perms.ALL for each in acl[len(own) :])
        )

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
        except NoAuthError:
            self.unreadable[path] = None
            return Step("unreadable", path, record)
        kind = "conflict"
        if node.data == record.data:
            if acl is None or _are_same(acl, self._acl(record) or []):
                kind = "same"
            elif self._is_unfinished(record, node, acl):
                kind = "completed"
        return Step(kind, path, record, node.version)

    async def _there(self, path: str, record: Record) -> tuple[Node[bytes], list[ACL] | None]:
        if self._acl(record) is None:
            return await self._zk.get(path), None
        node, (acl, _) = await asyncio.gather(self._zk.get(path), self._zk.get_acl(path))
        return node, acl


def _are_same(seen: list[ACL], own: list[ACL]) -> bool:
    """To those who may not administer a znode its server shows `user:x` for a digest."""
    return len(seen) == len(own) and all(
        one == other
        or (one.scheme == "digest" and one == other._replace(id=f"{other.id.split(':')[0]}:x"))
        for one, other in zip(seen, own)
    )


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


def _report(shell: Shell, paths: Collection[str], what: str, why: str) -> None:
    for path in islice(paths, _SHOWN):
        shell.out.note(f"{what}: {path} {why}")
    if len(paths) > _SHOWN:
        shell.out.note(f"... and {len(paths) - _SHOWN} more {what}s")


def _finish(
    shell: Shell, work: _Import, counts: Counter[str], conflict: str, dry_run: bool
) -> None:
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "nothing"
    text = f"{work.root}: {told}"
    if dry_run:
        text += " (a dry run: nothing was written)"
    shell.out.show({"path": work.root, **counts, "dryRun": dry_run}, text)
    _report(shell, work.unreadable, "unreadable znode", "exists and is left as it is")
    if counts["conflict"] and conflict == "fail":
        raise Problem(
            f"{work.root}: {counts['conflict']} conflicts; nothing was written "
            "(--on-conflict skip or overwrite)"
        )
    if work.unreadable:
        count = len(work.unreadable)
        raise Problem(f"{work.root}: {count} znodes exist and may not be read, see --auth")
