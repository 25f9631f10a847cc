"""At most so many holders at a time.

Guarantee: never more than `leases` holders in ZooKeeper's eyes, served in the order in which they
asked. All users of a path must agree on `leases`. SUSPENDED, LOST and `guarded` are as for Lock;
the tokens of holders differ, but of two of them the greater one is not the only valid one.

Whoever is first in line looks for a free lease, the others wait behind it, so a release wakes one.
The znodes (`locks` and `leases`) are those of Curator's InterProcessSemaphoreV2, or of kazoo's
Semaphore (`layout=KAZOO`).
"""

from __future__ import annotations

from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError, OperationTimeoutError, SessionExpiredError
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.lock import Lock, NotHeldError
from zoo.recipes.places import Place, take_place
from zoo.recipes.waiting import Deadline, Wake


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
        self._held: list[Place] = []

    def __repr__(self) -> str:
        return f"<Semaphore {self.path} {len(self._ours())} held of {self.leases}>"

    def _ours(self) -> list[Place]:
        """Without those that were lost, or left one by one."""
        return [place for place in self._held if not place.lost.is_set()]

    async def acquire(self, timeout: float | None = None) -> Place:
        """A lease; `place.leave()` or `release` gives it back. Raises OperationTimeoutError."""
        deadline = Deadline(timeout)
        lock = Lock(self._zk, self._layout.turns.format(self.path), layout=self._layout)
        await lock.acquire(timeout)
        place: Place | None = None
        try:
            async with deadline.limit():
                place = await take_place(self._zk, self._folder, "lease-", self._data)
                await self._wait_for_a_lease(place)
        except BaseException as error:
            if place is not None:
                place.leave_in_background()
            if isinstance(error, TimeoutError) and not isinstance(error, OperationTimeoutError):
                raise OperationTimeoutError(
                    f"all {self.leases} leases are taken", operation="acquire", path=self.path
                ) from None
            raise
        finally:
            await self._release(lock, place)
        self._held = [*self._ours(), place]
        return place

    async def _release(self, lock: Lock, place: Place | None) -> None:
        """The next one's turn to look for a lease. If that fails nobody knows of ours."""
        try:
            await lock.release()
        except BaseException:
            if place is not None:
                place.leave_in_background()
            raise

    async def _wait_for_a_lease(self, place: Place) -> None:
        while True:
            changed = Wake()
            try:
                names = await self._zk.children(self._folder, watch=changed)
                if place.name not in names:
                    raise SessionExpiredError("our lease is gone", path=place.path)
                if len(names) <= self.leases:
                    return
                await changed.wait()
            finally:
                self._zk._forget(self._folder, changed)

    async def release(self) -> None:
        """Give back the lease that was acquired first. Raises NotHeldError when there is none."""
        if not self._held:
            raise NotHeldError(f"no lease of {self.path} is held")
        place = (self._ours() or self._held)[0]
        self._held.remove(place)
        await place.leave()

    async def holders(self) -> int:
        """How many leases are taken, by anybody."""
        try:
            return len(await self._zk.children(self._folder))
        except NoNodeError:
            return 0

    async def __aenter__(self) -> Place:
        return await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        if self._held:  # not: lost, and forgotten when another was acquired
            await self.release()
