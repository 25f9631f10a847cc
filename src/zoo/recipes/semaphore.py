"""At most so many holders at a time.

Guarantee: never more than `leases` holders in ZooKeeper's eyes, served in the order in which they
asked. All users of a path must agree on `leases`. SUSPENDED, LOST and `guarded` are as for Lock;
the tokens of holders differ, but of two of them the greater one is not the only valid one.

Whoever is first in line looks for a free lease, the others wait behind it, so a release wakes one.
The znodes (`locks` and `leases`) are those of Curator's InterProcessSemaphoreV2, or of kazoo's
Semaphore (`layout=KAZOO`).

Tasks may share a Semaphore: it knows who acquired which lease, and whoever leaves gives back their
own, or nothing when that was lost meanwhile, never somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.lock import Lock, NotHeldError
from zoo.recipes.places import Place, contenders, index_of, take_place
from zoo.recipes.waiting import Deadline, Wake, in_time


class _Held(NamedTuple):
    place: Place
    owner: Hashable
    """The task, or the thread of a blocking twin."""
    is_of_a_block: bool

    def is_over(self, owner: Hashable) -> bool:
        """Nobody will ask for it any more, now that this owner has acquired another."""
        is_over = self.place.lost.is_set() if self.owner == owner else self.place.is_left
        return is_over and not self.is_of_a_block


class Semaphore:
    """`async with Semaphore(zk, "/pool", 3) as place: ...`; one object may hold several leases."""

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        leases: int,
        *,
        name: str = "",
        layout: Layout = CURATOR,
    ) -> None:
        if leases < 1:
            raise ValueError(f"a semaphore has at least one lease, not {leases}")
        self.path = path
        self.leases = leases
        self._zk = zk
        self._data = name.encode()
        self._layout = layout
        self._folder = layout.leases.format(path)
        self._held: list[_Held] = []

    def __repr__(self) -> str:
        return f"<Semaphore {self.path} {len(self._ours())} held of {self.leases}>"

    def _ours(self) -> list[Place]:
        """Without those that were lost, or left one by one."""
        return [each.place for each in self._held if not each.place.lost.is_set()]

    async def acquire(self, timeout: float | None = None) -> Place:
        """A lease; `place.leave()` or `release` gives it back. Raises OperationTimeoutError."""
        return await self._acquire(asyncio.current_task(), timeout)

    async def _acquire(
        self, owner: Hashable, timeout: float | None = None, *, for_a_block: bool = False
    ) -> Place:
        place = await self._find_a_lease(timeout)
        self._held = [each for each in self._held if not each.is_over(owner)]
        self._held.append(_Held(place, owner, for_a_block))
        return place

    async def _find_a_lease(self, timeout: float | None) -> Place:
        deadline = Deadline(timeout)
        lock = Lock(self._zk, self._layout.turns.format(self.path), layout=self._layout)
        turn = await lock.acquire(timeout)
        place: Place | None = None
        why = f"all {self.leases} leases are taken"
        try:
            async with in_time(deadline.left, why, "acquire", self.path):
                place = await take_place(self._zk, self._folder, "lease-", self._data)
                await self._wait_for_a_lease(place)
        except BaseException:
            turn.leave_in_background()
            if place is not None:
                place.leave_in_background()
            raise
        await self._next_ones_turn(turn, place, deadline)
        return place

    async def _next_ones_turn(self, turn: Place, place: Place, deadline: Deadline) -> None:
        """To look for a lease: ours is found, so that goes on behind the deadline if need be. When
        it fails nobody knows of ours."""
        left = turn.leave_in_background()
        try:
            await asyncio.wait((left,), timeout=deadline.left)
            if left.done():
                left.result()
        except BaseException:
            place.leave_in_background()
            raise

    async def _wait_for_a_lease(self, place: Place) -> None:
        while True:
            changed = Wake()
            try:
                names = await self._zk.children(self._folder, watch=changed)
                if self._before(place, names) >= self.leases:
                    await changed.wait()
                elif place.take():
                    return
            finally:
                self._zk._forget(self._folder, changed)

    def _before(self, place: Place, names: list[str]) -> int:
        """How many leases come before this one: of those that wait at once (an operator may delete
        the znode of somebody's turn) the first goes on. kazoo's have no number, and are held."""
        line = contenders(names, ("lease",))
        return index_of(place, line) + len(names) - len(line)

    async def release(self, place: Place | None = None) -> None:
        """Give back this lease; None: of those that this task has acquired the first, and when it
        has acquired none, the first that another has. Raises NotHeldError when there is none.
        """
        await self._release(asyncio.current_task(), place)

    async def _release(self, owner: Hashable, place: Place | None = None) -> None:
        held = self._to_release(owner, place)
        if held is None:
            raise NotHeldError(f"no such lease of {self.path}")
        if not held.is_of_a_block:
            self._held.remove(held)
        await held.place.leave()

    def _to_release(self, owner: Hashable, place: Place | None) -> _Held | None:
        """Of one's own even a lost one; of others only what no block has."""
        held = [each for each in self._held if not each.place.is_left]
        if place is not None:
            return next((each for each in held if each.place is place), None)
        mine = [each for each in held if each.owner == owner]
        others = [each for each in held if not each.is_of_a_block]
        there = [each for each in mine or others if not each.place.lost.is_set()]
        return next(iter(there or mine), None)

    async def _leave_block(self, owner: Hashable) -> None:
        """What this owner has entered with last. (Entered by a task that handed the block on: the
        last that anybody has.)"""
        entered = [each for each in self._held if each.is_of_a_block]
        mine = [each for each in entered if each.owner == owner]
        for held in (mine or entered)[-1:]:
            self._held.remove(held)
            await held.place.leave()

    async def holders(self) -> int:
        """How many leases are taken, by anybody."""
        try:
            return len(await self._zk.children(self._folder))
        except NoNodeError:
            return 0

    async def __aenter__(self) -> Place:
        return await self._acquire(asyncio.current_task(), for_a_block=True)

    async def __aexit__(self, *_: object) -> None:
        await self._leave_block(asyncio.current_task())
