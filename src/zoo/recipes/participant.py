"""Participant: does its part of two-phase commits; see `zoo.recipes.two_phase` for the protocol.

Guarantee: what was prepared is committed or rolled back as the one decision says, however often the
process is killed on the way, as soon as it serves again. Transactions are dealt with side by side.
One process at a time may serve under a name: wait in an Election with it where several could.

SUSPENDED and LOST need nothing: a participant acts on what is decided, never on being connected.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.recipes.two_phase_ledger import Ledger, Record
from zoo.recipes.waiting import Wake

_LOG = logging.getLogger(__name__)
_PAUSE = 0.1


class Refused(Exception):
    """Raised by `prepare`: we vote no. The text tells everybody why."""


class Resource(Protocol):
    """What takes part: a database, a file, a ledger. Any call may come twice, after a crash."""

    async def prepare(self, txid: str, part: bytes) -> None:
        """Check, reserve, and make durable under `txid` all that `commit` needs, and that it was
        prepared; from the return on `commit` must be possible, after any crash. It may be called
        again for the same txid until we have voted. Raise Refused to vote no; any other exception
        means no, too.
        """

    async def commit(self, txid: str) -> None:
        """Apply it, make that durable, and delete what `prepare` noted: in one local transaction.

        When nothing is noted it was committed before: do nothing. It is tried until it succeeds.
        """

    async def rollback(self, txid: str) -> None:
        """Give up what was reserved and delete the note, durably; do nothing when there is none."""


class Participant:
    """`async with Participant(zk, "/transfers", "bank-a", resource): ...` serves meanwhile.

    What a former process has left undone comes first.
    """

    def __init__(self, zk: AsyncClient[Any], path: str, name: str, resource: Resource) -> None:
        self.name = name
        self._zk = zk
        self._ledger = Ledger(zk, path)
        self._resource = resource
        self._task: asyncio.Task[None] | None = None
        self._at_work: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Participant {self._ledger.path} {self.name} {len(self._at_work)} under way>"

    @property
    def under_way(self) -> list[str]:
        """The transactions it is dealing with."""
        return sorted(self._at_work)

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Wherever it is; the next start goes on from there."""
        task, self._task = self._task, None
        tasks = [*([task] if task else []), *self._at_work.values()]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Participant:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self) -> None:
        while not self._zk.state.is_final:
            try:
                # A former self may have seen more than the server that we are connected to now.
                await self._ledger.catch_up()
                while True:
                    changed = Wake()
                    for txid in await self._ledger.to_do(self.name, changed):
                        self._deal_with(txid)
                    await changed.wait()
            except ClientError as error:
                _LOG.info("%r: %s", self, error)
                await asyncio.sleep(_PAUSE)

    def _deal_with(self, txid: str) -> None:
        if txid not in self._at_work:
            task = asyncio.create_task(self._until_dealt_with(txid))
            self._at_work[txid] = task
            task.add_done_callback(lambda _: self._at_work.pop(txid))

    async def _until_dealt_with(self, txid: str) -> None:
        while not self._zk.state.is_final:
            try:
                await self._take_part(txid)
                return
            except ClientError as error:
                _LOG.info("%r: transaction %s: %s", self, txid, error)
            except Exception:
                _LOG.exception("%r: transaction %s is tried again", self, txid)
            await asyncio.sleep(_PAUSE)

    async def _take_part(self, txid: str) -> None:
        part = await self._ledger.part(self.name, txid)
        if part is None:
            return
        record = await self._ledger.read(txid)
        if record is not None and record.is_open:
            if not await self._ledger.voted(txid, self.name):
                await self._vote(txid, part)
            record = await self._decision(txid)
        if record is not None and record.is_committed:
            await self._resource.commit(txid)
        else:
            await self._resource.rollback(txid)
        await self._ledger.dealt_with(self.name, txid)

    async def _vote(self, txid: str, part: bytes) -> None:
        try:
            await self._resource.prepare(txid, part)
        except Refused as why:
            await self._ledger.abort(txid, f"{self.name}: {why}")
        except Exception as error:
            _LOG.exception("%r: transaction %s cannot be prepared", self, txid)
            await self._ledger.abort(txid, f"{self.name}: {error!r}")
        else:
            await self._ledger.vote(txid, self.name)

    async def _decision(self, txid: str) -> Record | None:
        """The coordinator's, or ours when none comes in time."""
        while True:
            changed = Wake()
            record = await self._ledger.read(txid, changed)
            if record is None or not record.is_open:
                return record
            try:
                async with asyncio.timeout(record.timeout):
                    await changed.wait()
            except TimeoutError:
                await self._ledger.abort(txid, f"{self.name} waited {record.timeout:g} s in vain")
