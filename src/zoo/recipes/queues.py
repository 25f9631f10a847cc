"""Queues of work: Queue, PriorityQueue, and WorkQueue for items that must not be lost.

Guarantee of Queue and PriorityQueue: an item is handed out once at most, oldest (of the most
urgent) first. `put` is protected, so a broken connection does not put twice. `get` deletes the item
before it returns: when the connection breaks during that, ConnectionLossError says that the item
may be gone; and what the taker does not finish is lost.

Guarantee of WorkQueue: an item stays until it is acknowledged. Taking it creates an ephemeral
claim, so an item whose taker dies is handed out again: at least once, to one taker at a time. `ack`
removes item and claim in one transaction that is refused once the claim is not ours, so no item is
acknowledged twice. When the session is lost, drop what was taken.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import (
    ClientError,
    ConnectionLossError,
    NoNodeError,
    OperationTimeoutError,
    TransactionFailedError,
)
from zoo.client.results import Node
from zoo.client.watches import Event
from zoo.errors import Code

T = TypeVar("T")
R = TypeVar("R")
HIGHEST, LOWEST = 0, 999
_ITEM = re.compile(r".*item-(\d{3})-(-?\d{10,})").fullmatch


def _in_order(names: list[str]) -> list[str]:
    """The items by priority and number: `_c_<id>-item-500-0000000001`. Other children: left out."""
    matches = filter(None, map(_ITEM, names))
    found = [(match[1], int(match[2]) & 0xFFFFFFFF, match[0]) for match in matches]
    return [name for _, _, name in sorted(found)]


class PriorityQueue(Generic[T]):
    """Items leave by priority (0 the most urgent), and within one in the order they came."""

    def __init__(self, zk: AsyncClient[T], path: str) -> None:
        self.path = path
        self._zk = zk

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    async def put(self, item: T, priority: int = 500) -> str:
        """The item's path."""
        if not HIGHEST <= priority <= LOWEST:
            raise ValueError(f"priority {priority} is not in {HIGHEST}..{LOWEST}")
        node = await self._zk.create(
            f"{self.path}/item-{priority:03}-",
            item,
            sequence=True,
            protected=True,
            make_parents=True,
        )
        return node.path

    async def size(self) -> int:
        return len(await self._items())

    async def _items(self, watch: Callable[[Event], None] | None = None) -> list[str]:
        try:
            names = await self._zk.children(self.path, watch=watch)
        except NoNodeError:
            if watch is not None:
                await self._zk.ensure_path(self.path)
                return await self._items(watch)
            return []
        return _in_order(names)

    async def get(self, timeout: float | None = None) -> T:
        """Take the first item. Raises OperationTimeoutError when none came for so many seconds."""
        return (await self._when_there_is(self._take, timeout)).data

    async def _take(self, name: str) -> Node[T] | None:
        try:
            node = await self._zk.get(f"{self.path}/{name}")
            await self._zk.delete(node.path)
        except NoNodeError:
            return None  # another was faster
        return node

    async def _when_there_is(
        self, take: Callable[[str], Awaitable[R | None]], timeout: float | None
    ) -> R:
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        while True:
            changed = asyncio.Event()

            def wake(_: Event, changed: asyncio.Event = changed) -> None:
                changed.set()

            for name in await self._items(wake):
                taken = await take(name)
                if taken is not None:
                    return taken
            try:
                # The deadline ends the waiting only: it must not come between taking and returning.
                async with asyncio.timeout(None if end is None else end - loop.time()):
                    await changed.wait()
            except TimeoutError:
                raise OperationTimeoutError(
                    f"no item came for {timeout:g} s", operation="get", path=self.path
                ) from None


class Queue(PriorityQueue[T]):
    """First in, first out."""

    async def put(self, item: T, priority: int = 500) -> str:
        if priority != 500:
            raise ValueError("a Queue has no priorities: use a PriorityQueue")
        return await super().put(item)


class Taken(NamedTuple, Generic[T]):
    """An item that is ours until it is acknowledged, put back, or our session ends."""

    data: T
    path: str
    claim: str
    taker: str
    token: int
    """Greater than that of every earlier taker of this item."""


class WorkQueue(PriorityQueue[T]):
    """`item = await q.take(); ...; await q.ack(item)`; see the guarantee above."""

    async def take(self, timeout: float | None = None) -> Taken[T]:
        """The first item that nobody works on."""
        for folder in ("claims", "takers"):
            await self._zk.ensure_path(f"{self.path}/{folder}")
        return await self._when_there_is(self._take_claim, timeout)

    async def _items(self, watch: Callable[[Event], None] | None = None) -> list[str]:
        items = await super()._items(watch)
        if not items:
            return items
        try:
            claimed = set(await self._zk.children(f"{self.path}/claims", watch=watch))
        except NoNodeError:
            return items
        return [name for name in items if name not in claimed]

    async def _take_claim(self, name: str) -> Taken[T] | None:
        """The claim keeps others away; the taker, whose name is unique, says that it is ours."""
        claim, taker = f"{self.path}/claims/{name}", f"{self.path}/takers/{uuid.uuid4()}"
        try:
            token = await self._claim(claim, taker)
            if token is None:
                return None
            node = await self._zk.get(f"{self.path}/{name}")
        except NoNodeError:
            await self._drop(claim, taker)  # it was acknowledged just before
            return None
        except BaseException:
            self._drop_in_background(claim, taker)
            raise
        return Taken(node.data, node.path, claim, taker, token)

    async def _claim(self, claim: str, taker: str) -> int | None:
        """The taker's czxid, or None when another has the claim."""
        transaction = self._zk.transaction()
        transaction.create(taker, ephemeral=True)
        transaction.create(claim, ephemeral=True)
        try:
            made: int = (await transaction.commit())[0].stat.czxid
            return made
        except TransactionFailedError as error:
            if error.code is Code.NODEEXISTS:
                return None
            raise
        except ConnectionLossError:
            await self._zk.sync(self.path)
            stat = await self._zk.exists(taker)  # was it applied?
            return None if stat is None else stat.czxid

    async def _drop(self, claim: str, taker: str) -> None:
        session_id = self._zk.session_id
        while self._zk.session_id == session_id and not self._zk.state.is_final:
            transaction = self._zk.transaction()
            transaction.delete(taker)
            transaction.delete(claim)
            try:
                await transaction.commit()
                return
            except (ConnectionLossError, OperationTimeoutError):
                continue
            except ClientError:
                return  # not ours, or gone already

    def _drop_in_background(self, claim: str, taker: str) -> None:
        tasks = self._zk._session.tasks
        task = asyncio.get_running_loop().create_task(self._drop(claim, taker))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def ack(self, item: Taken[T]) -> bool:
        """It is done: remove it. False when it was not ours any more; another may do it again."""
        return await self._finish(item, is_done=True)

    async def put_back(self, item: Taken[T]) -> bool:
        """Let another take it. False when it was not ours any more."""
        return await self._finish(item, is_done=False)

    async def _finish(self, item: Taken[T], is_done: bool) -> bool:
        transaction = self._zk.transaction()
        transaction.delete(item.taker)
        transaction.delete(item.claim)
        if is_done:
            transaction.delete(item.path)
        try:
            await transaction.commit()
        except TransactionFailedError as error:
            if error.code is Code.NONODE:
                return False
            raise
        return True
