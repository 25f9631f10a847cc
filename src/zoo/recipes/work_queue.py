"""WorkQueue: items that must not be lost.

Guarantee: an item stays until it is acknowledged. Taking it creates an ephemeral claim, so an item
whose taker dies is handed out again: at least once, to one taker at a time. `ack` removes item and
claim in one transaction that is refused once the claim is not ours, so no item is acknowledged
twice. On SUSPENDED the claim may still be ours: go on, ack tells. On LOST drop what was taken,
another has it by now.

The claim has the item's name and keeps others away; the taker has a name of its own, and what we do
with the item depends on it. An operator who deletes the claim of a taker that hangs hands its item
on: whoever claims it next ends that taker first. (Should the connection of the former one break
while it acknowledges what the next has acknowledged, both are told that it is done.)
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from zoo.client.converters import BYTES
from zoo.client.errors import (
    BadVersionError,
    ConnectionLossError,
    NoNodeError,
    TransactionFailedError,
)
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.client.transaction import Transaction
from zoo.errors import Code
from zoo.recipes.queues import USUAL, Items
from zoo.recipes.waiting import Deadline, Wake, take_back

T = TypeVar("T")


class Taken(NamedTuple, Generic[T]):
    """An item that is ours until it is acknowledged, put back, or our session ends."""

    data: T
    path: str
    claim: str
    taker: str
    token: int
    """Greater than that of every earlier taker of this item."""


class WorkQueue(Items[T]):
    """`item = await q.take(); ...; await q.ack(item)`; see the guarantee above."""

    async def put(self, item: T, priority: int = USUAL) -> str:
        """The item's path; 0 is the most urgent priority."""
        return await self._put_by_priority(item, priority)

    async def take(self, timeout: float | None = None) -> Taken[T]:
        """The first item that nobody works on. Raises OperationTimeoutError."""
        return await self._when_there_is(self._take_claim, timeout)

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        claimed = set(await self._names(f"{self.path}/claims", wake))  # first: none is overlooked
        names, _ = await super()._ready(wake)
        return [name for name in names if name not in claimed], None

    def _forget(self, wake: Wake) -> None:
        super()._forget(wake)
        self._zk._forget(f"{self.path}/claims", wake)

    async def _take_claim(self, name: str, deadline: Deadline) -> Taken[T] | None:
        """The claim keeps others away; the taker, whose name is unique, says that it is ours."""
        claim = f"{self.path}/claims/{name}"
        taker = f"{self.path}/takers/{name}.{outside().unique_name()}"
        try:
            async with deadline.of_requests():
                token = await self._claim(claim, taker)
                if token is None:
                    return None
                node = await self._once_it_is_ours_alone(name, claim, taker)
        except NoNodeError:
            take_back(self._zk, partial(self._drop, claim, taker))
            return None  # it was acknowledged just before, or an operator took it from us
        except BaseException:
            take_back(self._zk, partial(self._drop, claim, taker))
            raise
        return Taken(node.data, node.path, claim, taker, token)

    async def _claim(self, claim: str, taker: str) -> int | None:
        """The taker's czxid, or None when another has the claim."""
        is_in_doubt = False
        while True:
            transaction = self._zk.with_data(BYTES).transaction()
            transaction.create(taker, ephemeral=True)
            transaction.create(claim, taker.encode(), ephemeral=True)
            try:
                made: int = (await transaction.commit())[0].stat.czxid
                return made
            except TransactionFailedError as error:
                if error.code is Code.NODEEXISTS:
                    if is_in_doubt:
                        take_back(self._zk, partial(self._drop, claim, taker))
                    return None
                if error.code is not Code.NONODE:
                    raise
                for path in (taker, claim):
                    await self._zk.ensure_path(path.rpartition("/")[0])
            except ConnectionLossError:
                await self._zk.sync(self.path)
                stat = await self._zk.exists(taker)  # was it applied?
                if stat is not None:
                    return stat.czxid
                is_in_doubt = True  # an operator may have deleted it

    async def _once_it_is_ours_alone(self, name: str, claim: str, taker: str) -> Node[T]:
        """The item. Where it has other takers, an operator took the claim from them: they go before
        we begin, and what they would still do with the item is refused. Raises NoNodeError."""
        folder, path = f"{self.path}/takers", f"{self.path}/{name}"
        names, claimed, node = await asyncio.gather(  # answered in this order
            self._names(folder), self._zk.with_data(BYTES).get(claim), self._zk.get(path)
        )
        if claimed.data != taker.encode():
            raise NoNodeError("another has claimed it since", path=claim)
        former = [
            each for each in names if each.startswith(f"{name}.") and not taker.endswith(each)
        ]
        for each in former:
            with contextlib.suppress(NoNodeError):
                await self._zk.delete(f"{folder}/{each}")
        return await self._zk.get(path) if former else node  # acknowledged until then?

    async def _drop(self, claim: str, taker: str) -> None:
        """Both of them, or what an operator left of them; no claim of another's."""
        raw = self._zk.with_data(BYTES)
        with contextlib.suppress(NoNodeError):
            await raw.delete(taker)
        with contextlib.suppress(NoNodeError, BadVersionError):
            node = await raw.get(claim)
            if node.data == taker.encode():
                await raw.delete(claim, version=node.version)

    def guarded(self, item: Taken[T]) -> Transaction[Any]:
        """A transaction that commits only while the item is ours."""
        transaction = self._zk.transaction()
        transaction.check(item.taker)
        return transaction

    def acking(self, item: Taken[T]) -> Transaction[Any]:
        """A transaction that acknowledges the item: what the work changes in this service, added to
        it, happens exactly once. Refused (NONODE) when the item was not ours any more. When its
        outcome is unknown (ConnectionLossError) `put_back`: that does nothing if it was applied."""
        return self._closing(item, is_done=True)

    async def ack(self, item: Taken[T]) -> bool:
        """It is done: remove it. False when it was not ours any more; another may do it again."""
        return await self._finish(item, is_done=True)

    async def put_back(self, item: Taken[T]) -> bool:
        """Let another take it. False when it was not ours any more."""
        return await self._finish(item, is_done=False)

    def _closing(self, item: Taken[T], is_done: bool) -> Transaction[Any]:
        transaction = self._zk.transaction()
        transaction.delete(item.taker)
        transaction.delete(item.claim)
        if is_done:
            transaction.delete(item.path)
        return transaction

    async def _finish(self, item: Taken[T], is_done: bool) -> bool:
        session_id, is_again = self._zk.session_id, False
        while True:
            try:
                await self._closing(item, is_done).commit()
                return True
            except ConnectionLossError:
                is_again = True  # the next try tells
            except TransactionFailedError as error:
                if error.code is not Code.NONODE:
                    raise
                take_back(self._zk, partial(self._drop, item.claim, item.taker))
                was_ours = is_again and self._zk.session_id == session_id
                return was_ours and not (is_done and await self._is_there(item))

    async def _is_there(self, item: Taken[T]) -> bool:
        """Then our taker went before it could acknowledge it: an operator has deleted it."""

        async def look() -> bool:
            await self._zk.sync(self.path)
            return await self._zk.exists(item.path) is not None

        return await self._zk.retrying(look)
