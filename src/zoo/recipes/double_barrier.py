"""DoubleBarrier: so many begin together, and all end together.

Guarantee: `enter` returns once `members` were inside at one moment; `leave` returns once every one
that was inside when it began has left, or died. The same path may be used round after round. On
SUSPENDED both go on waiting. On LOST our znode is gone: `enter` raises SessionExpiredError (enter
anew), and `leave` waits for the others all the same. One object is one member.

The znodes are those of kazoo's DoubleBarrier and Curator's DistributedDoubleBarrier: one per
member and `ready`, which tells that the round is open and goes when somebody leaves. That is too
early for a member that was cut off meanwhile, so ours also look at the barrier's own znode: opening
writes it, in a transaction that is refused unless those whom it counted are inside. A write later
than our entry (by zxid) means that a round was opened, and ours if our znode is still there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    ConnectionLossError,
    NoNodeError,
    SessionExpiredError,
    TransactionFailedError,
)
from zoo.client.results import Node
from zoo.errors import Code
from zoo.jute.constants import EventType
from zoo.recipes.places import Place
from zoo.recipes.waiting import Wake, across_sessions, in_time

READY = "ready"


def _gone(place: Place) -> SessionExpiredError:
    return SessionExpiredError("our znode is gone", path=place.path)


class DoubleBarrier:
    """`async with DoubleBarrier(zk, "/round", 3): ...`: three work, and wait for each other."""

    def __init__(self, zk: AsyncClient[Any], path: str, members: int, *, name: str = "") -> None:
        """All must agree on `members`. `name` becomes the znode's data, for people who look."""
        if members < 1:
            raise ValueError(f"a barrier has at least one member, not {members}")
        self.path = path
        self.members = members
        self._zk = zk.with_data(BYTES)
        self._data = name.encode()
        self._place: Place | None = None
        self._is_entering = False

    def __repr__(self) -> str:
        return f"<DoubleBarrier {self.path} {'inside' if self._place else 'outside'}>"

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    # --- in

    async def enter(self, timeout: float | None = None) -> None:
        """Wait until all are inside. Raises OperationTimeoutError after `timeout` seconds; then we
        are not inside any more."""
        if self._place is not None or self._is_entering:
            where = "another task is entering" if self._is_entering else "already inside"
            raise RuntimeError(f"{where} {self.path}: one DoubleBarrier is one member")
        self._is_entering = True
        opened = Wake()
        try:
            async with in_time(timeout, f"fewer than {self.members} came", "enter", self.path):
                await self._until_open(await self._come_in(opened), opened)
        except BaseException:
            if self._place is not None:
                self._place.leave_in_background()
                self._place = None
            raise
        finally:
            self._is_entering = False
            self._zk._forget(f"{self.path}/{READY}", opened)

    async def _come_in(self, opened: Wake) -> Place:
        """The watch comes first: whoever counts us may open, and leave, before we look."""
        await self._zk.exists(f"{self.path}/{READY}", watch=opened)
        node = await self._zk.create(
            f"{self.path}/member", self._data, ephemeral=True, protected=True, make_parents=True
        )
        # At once: whoever gives up later finds what is to be deleted.
        place = Place(self._zk, node.path, node.stat.czxid, node.stat.ephemeral_owner)
        self._place = place
        if opened.is_set():  # by an earlier round
            opened.clear()
            await self._zk.exists(f"{self.path}/{READY}", watch=opened)
        return place

    async def _until_open(self, place: Place, opened: Wake) -> None:
        ready = f"{self.path}/{READY}"
        while True:
            if opened.event is not None and opened.event.type is EventType.NODE_CREATED:
                if await self._zk.exists(place.path) is None:
                    raise _gone(place)
                return  # others may have left since, and `ready` with them
            opened.clear()
            try:
                barrier = await self._zk.get(self.path, watch=opened)
                stat = await self._zk.exists(ready, watch=opened)
                names = await self._inside()
                if place.name not in names:
                    raise _gone(place)
                if max(barrier.stat.mzxid, stat.czxid if stat else 0) > place.token:
                    return
                if len(names) >= self.members:
                    await self._open(barrier, names)
                else:
                    await opened.wait()
            finally:
                self._zk._forget(self.path, opened)

    async def _inside(self) -> list[str]:
        return [name for name in await self._zk.children(self.path) if name != READY]

    async def _open(self, barrier: Node[bytes], names: list[str]) -> None:
        """If all these are inside. Whether it was us who opened shows when we look again."""
        for makes_ready in (True, False):
            transaction = self._zk.transaction()
            transaction.set(self.path, barrier.data, version=barrier.version)
            if makes_ready:
                transaction.create(f"{self.path}/{READY}")
            for name in names[: self.members]:
                transaction.check(f"{self.path}/{name}")
            try:
                await transaction.commit()
                return
            except ConnectionLossError:
                return
            except TransactionFailedError as error:
                if error.code is not Code.NODEEXISTS:  # of an earlier round whose opener died
                    return

    # --- out

    async def leave(self, timeout: float | None = None) -> None:
        """Wait until all others have left. Raises OperationTimeoutError after `timeout` seconds;
        then we are leaving and others have not left. Does nothing when we are not inside."""
        place, self._place = self._place, None
        if place is None:
            return
        try:
            async with in_time(timeout, "others are still inside", "leave", self.path):
                await self._leave(place)
                await place.leave()
        except BaseException:
            place.leave_in_background()
            raise

    async def _leave(self, place: Place) -> None:
        await across_sessions(partial(self._zk.retrying, self._close))
        inside = await across_sessions(self._inside)  # who comes later belongs to the next round
        while inside:
            if inside[0] != place.name:  # the first is the last to go
                await place.leave()
                await across_sessions(partial(self._until_gone, inside[0]))
            elif len(inside) > 1:
                await across_sessions(partial(self._until_gone, inside[-1]))
            else:
                return
            there = set(await across_sessions(self._inside))
            inside = [name for name in inside if name in there]

    async def _close(self) -> None:
        try:
            await self._zk.delete(f"{self.path}/{READY}")
        except NoNodeError:
            return

    async def _until_gone(self, name: str) -> None:
        gone = Wake()
        try:
            await self._zk.get(f"{self.path}/{name}", watch=gone)
            await gone.wait()
        except NoNodeError:
            return
        finally:
            self._zk._forget(f"{self.path}/{name}", gone)
