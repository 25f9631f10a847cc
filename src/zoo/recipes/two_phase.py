"""Two-phase commit: Coordinator and Participant, for changes in several places or in none.

Guarantee: a transaction has exactly one outcome, the same for everybody, for ever. It is one write:
the data of the transaction's znode changes once, from open to committed or aborted, by comparing
its version; the server makes the commit part of a `multi` that checks the vote of every
participant, so it cannot happen without all of them. Nothing is tied to a session or a process:
whoever crashes at whatever point finds out afterwards, and nobody is blocked by the others' crash.

The protocol, in znodes below the path:

    transactions/<txid>            a container: open, then committed or aborted, with the reason
    transactions/<txid>/<party>    one per participant: empty, then its vote, "yes"
    parties/<party>/<txid>         to do: what this party must still deal with, its part as data

The coordinator creates all of them in one transaction. A participant prepares, and votes; a no is
no vote but the abort itself, which anybody may write as long as the transaction is open: the
coordinator after `timeout`, a participant that waited for so long after its vote, a coordinator
that comes back. With all votes there the coordinator commits. A party that has dealt with the
outcome deletes its two znodes, the last one the transaction. The coordinator is a party too: the
outcome stays until it says `forget`. What is not found is aborted, or was dealt with by all: abort
is presumed, nothing must be written down before `execute`.

What a participant must make durable, and when, is told at `Resource`.

SUSPENDED and LOST need nothing: all goes on with the next connection or session.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.client.outside import outside
from zoo.recipes.two_phase_ledger import Ledger, Record
from zoo.recipes.waiting import PATIENT, Wake, in_background

DEFAULT_TIMEOUT = 10.0


class Decision(NamedTuple):
    """The outcome of a transaction; it never changes."""

    txid: str
    committed: bool
    reason: str = ""
    """Why it was aborted."""


class InDoubtError(RuntimeError):
    """No connection long enough to learn the outcome. It is settled without us; ask
    `outcome(error.txid)` later, or call `execute` again with this txid.
    """

    def __init__(self, txid: str) -> None:
        super().__init__(f"transaction {txid}: the outcome is not known yet")
        self.txid = txid


class Coordinator:
    """`await Coordinator(zk, "/transfers", "teller-1").execute({"bank-a": b"-5", "bank-b": b"+5"})`

    The name is this coordinator's among all parties, and the same after a restart. When it starts
    again: `recover`.
    """

    def __init__(self, zk: AsyncClient[Any], path: str, name: str) -> None:
        self.name = name
        self._zk = zk
        self._ledger = Ledger(zk, path)

    def __repr__(self) -> str:
        return f"<Coordinator {self._ledger.path} {self.name}>"

    async def execute(
        self,
        parts: Mapping[str, bytes],
        *,
        txid: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Decision:
        """Let each participant do its part, or none. Returns when the outcome is decided: those
        who prepared will commit, or roll back, when they next can.

        Aborted when not all have voted within `timeout` seconds. With a `txid` of yours (an order
        number that you have stored before) the call may be repeated after a crash, and goes on with
        what it finds; say `forget` when you have stored the outcome. One without is aborted when
        the call is cancelled, unless it is committed by then. Raises InDoubtError.
        """
        if not parts or self.name in parts:
            raise ValueError(f"participants other than {self.name} are needed, not {list(parts)}")
        number = txid or outside().unique_name()
        try:
            await self._zk.retrying(
                lambda: self._ledger.begin(number, self.name, parts, timeout=timeout)
            )
            decision = await self._zk.retrying(lambda: self._decide(number))
            if txid is None:
                await self._zk.retrying(lambda: self.forget(number))
        except ClientError as error:
            raise InDoubtError(number) from error  # the caller knows the number, and may ask
        except BaseException:
            if txid is None:  # nobody will ever ask for it
                in_background(self._zk, self._give_up(number))
            raise
        return decision

    async def _give_up(self, txid: str) -> None:
        with contextlib.suppress(ClientError):  # the client is closed
            await self._zk.retrying(self._ledger.catch_up, PATIENT)
            why = f"{self.name} has given it up"
            await self._zk.retrying(lambda: self._ledger.abort(txid, why), PATIENT)
            await self._zk.retrying(lambda: self.forget(txid), PATIENT)

    async def _decide(self, txid: str) -> Decision:
        loop = asyncio.get_running_loop()
        end: float | None = None
        missing: list[str] | None = None
        while True:
            changed = Wake()
            record = await self._ledger.read(txid, changed)
            if record is None or not record.is_open:
                return _decision(txid, record)
            end = loop.time() + record.timeout if end is None else end
            missing = record.participants if missing is None else missing
            missing = [
                party for party in missing if not await self._ledger.voted(txid, party, changed)
            ]
            if not missing:
                await self._ledger.commit(txid, record)
                continue
            try:
                async with asyncio.timeout_at(end):
                    await changed.wait()
            except TimeoutError:
                who = ", ".join(missing)
                await self._ledger.abort(txid, f"no vote of {who} within {record.timeout:g} s")

    async def outcome(self, txid: str) -> Decision | None:
        """None while it is open. One that is unknown was not begun, or forgotten: presumed aborted.

        Ask only for what you did not `forget`.
        """
        await self._ledger.catch_up()
        record = await self._ledger.read(txid)
        return None if record is not None and record.is_open else _decision(txid, record)

    async def recover(self) -> list[Decision]:
        """The outcomes of all that a former self began and did not forget; what it left open is
        aborted. Say `forget` for each when you have dealt with it.
        """
        await self._ledger.catch_up()
        decisions = []
        for txid in await self._ledger.to_do(self.name):
            record = await self._ledger.abort(txid, f"{self.name} was started again")
            decisions.append(_decision(txid, record))
        return decisions

    async def forget(self, txid: str) -> None:
        """We know the outcome and shall not ask again."""
        await self._ledger.dealt_with(self.name, txid)


def _decision(txid: str, record: Record | None) -> Decision:
    if record is None:
        return Decision(txid, False, "not known: presumed aborted")
    return Decision(txid, record.is_committed, record.reason)
