"""The znodes of two-phase commit, and the few writes that move a transaction on.

The protocol is told in `zoo.recipes.two_phase`. Each write here is either safe to repeat or
compares a version, so whoever lost the connection meanwhile does it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    TransactionFailedError,
)
from zoo.errors import Code
from zoo.recipes.waiting import Wake

OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"
YES = b"yes"
_VOTED = 1  # the version of a vote's znode after the only write to it


@dataclass(frozen=True)
class Record:
    """What the transaction's znode says."""

    coordinator: str
    participants: list[str]
    timeout: float
    """Seconds."""
    state: str = OPEN
    reason: str = ""
    version: int = field(default=0, compare=False)

    @property
    def is_open(self) -> bool:
        return self.state == OPEN

    @property
    def is_committed(self) -> bool:
        return self.state == COMMITTED

    def to_bytes(self) -> bytes:
        fields = asdict(self)
        del fields["version"]
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, data: bytes, version: int) -> Record:
        return cls(**json.loads(data), version=version)


class Ledger:
    """All transactions below a path."""

    def __init__(self, zk: AsyncClient[Any], path: str) -> None:
        self.path = path
        self._zk = zk.with_data(BYTES)

    def _transaction(self, txid: str) -> str:
        return f"{self.path}/transactions/{txid}"

    def _seat(self, txid: str, party: str) -> str:
        return f"{self._transaction(txid)}/{party}"

    def inbox(self, party: str) -> str:
        return f"{self.path}/parties/{party}"

    async def catch_up(self) -> None:
        """See at least what everybody has written until now."""
        await self._zk.sync(self.path)

    async def begin(
        self, txid: str, coordinator: str, parts: Mapping[str, bytes], timeout: float
    ) -> None:
        """Open a transaction. Nothing happens when this coordinator has begun it already; raises
        NodeExistsError when another one has.
        """
        everybody = {**parts, coordinator: b""}
        record = Record(coordinator, sorted(parts), timeout)
        try:
            await self._create(txid, record, everybody)
        except TransactionFailedError as error:
            if error.code is Code.NONODE:
                await self._zk.ensure_path(f"{self.path}/transactions")
                for party in everybody:
                    await self._zk.ensure_path(self.inbox(party))
                return await self.begin(txid, coordinator, parts, timeout)
            if error.code is not Code.NODEEXISTS:
                raise
            found = await self.read(txid)
            if found is not None and found.coordinator != coordinator:
                raise NodeExistsError(
                    f"{found.coordinator} has begun it", operation="begin", path=error.path
                ) from None

    async def _create(self, txid: str, record: Record, parts: Mapping[str, bytes]) -> None:
        transaction = self._zk.transaction()
        # A container, for who takes off the last party may die before it deletes the transaction.
        transaction.create(self._transaction(txid), record.to_bytes(), container=True)
        for party, part in parts.items():
            transaction.create(self._seat(txid, party))
            transaction.create(f"{self.inbox(party)}/{txid}", part)
        await transaction.commit()

    async def read(self, txid: str, changed: Wake | None = None) -> Record | None:
        """None: unknown. `changed` is set when what was read is so no more."""
        try:
            node = await self._zk.get(self._transaction(txid), watch=changed)
        except NoNodeError:
            return None
        return Record.from_bytes(node.data, node.version)

    async def vote(self, txid: str, party: str) -> None:
        """Yes. It counts as long as the transaction is open."""
        try:
            await self._zk.set(self._seat(txid, party), YES, version=_VOTED - 1)
        except (BadVersionError, NoNodeError):
            return  # said before, or too late: the record tells

    async def voted(self, txid: str, party: str, changed: Wake | None = None) -> bool:
        try:
            node = await self._zk.get(self._seat(txid, party), watch=changed)
        except NoNodeError:
            return False
        return node.data == YES

    async def commit(self, txid: str, record: Record) -> None:
        """The decision, if the record is still the newest and all have voted; else nothing."""
        transaction = self._zk.transaction()
        for party in record.participants:
            transaction.check(self._seat(txid, party), version=_VOTED)
        decided = replace(record, state=COMMITTED)
        transaction.set(self._transaction(txid), decided.to_bytes(), version=record.version)
        try:
            await transaction.commit()
        except TransactionFailedError:
            return  # somebody was faster: the record tells

    async def abort(self, txid: str, reason: str) -> Record | None:
        """The decision, if there is none yet; returns the one that holds (None: unknown)."""
        while (record := await self.read(txid)) is not None and record.is_open:
            decided = replace(record, state=ABORTED, reason=reason)
            try:
                await self._zk.set(
                    self._transaction(txid), decided.to_bytes(), version=record.version
                )
            except (BadVersionError, NoNodeError):
                continue
            return decided
        return record

    async def to_do(self, party: str, changed: Wake | None = None) -> list[str]:
        """The transactions that a party must still deal with."""
        await self._zk.ensure_path(self.inbox(party))
        return await self._zk.children(self.inbox(party), watch=changed)

    async def part(self, party: str, txid: str) -> bytes | None:
        """What the coordinator asks of it; None: it was dealt with."""
        try:
            return (await self._zk.get(f"{self.inbox(party)}/{txid}")).data
        except NoNodeError:
            return None

    async def dealt_with(self, party: str, txid: str) -> None:
        """Take it off the party's list; with the last party the transaction goes."""
        transaction = self._zk.transaction()
        transaction.delete(f"{self.inbox(party)}/{txid}")
        transaction.delete(self._seat(txid, party))
        try:
            await transaction.commit()
        except TransactionFailedError as error:
            if error.code is not Code.NONODE:
                raise
        try:
            await self._zk.delete(self._transaction(txid))
        except (NotEmptyError, NoNodeError):
            return  # others are still at it
