"""At most so many holders at a time.

Guarantee: never more than `leases` holders in ZooKeeper's eyes, served in the order in which they
asked. All users of a path must agree on `leases`. SUSPENDED, LOST and `guarded` are as for Lock;
the tokens of holders differ, but of two of them the greater one is not the only valid one.

Whoever is first in line looks for a free lease, the others wait behind it, so a release wakes one.
The layout (`locks` and `leases`) is that of Curator's InterProcessSemaphoreV2.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError, OperationTimeoutError
from zoo.client.watches import Event
from zoo.recipes.lock import Lock
from zoo.recipes.places import Place, contenders, take_place


class Semaphore:
    """`async with Semaphore(zk, "/pool", 3) as place: ...`; one object may hold several leases."""

    def __init__(self, zk: AsyncClient[Any], path: str, leases: int, *, name: str = "") -> None:
        if leases < 1:
            raise ValueError(f"a semaphore has at least one lease, not {leases}")
        self.path = path
        self.leases = leases
        self._zk = zk
        self._data = name.encode()
        self._held: list[Place] = []

    def __repr__(self) -> str:
        return f"<Semaphore {self.path} {len(self._held)} held of {self.leases}>"

    async def acquire(self, timeout: float | None = None) -> Place:
        """A lease; `place.leave()` or `release` gives it back. Raises OperationTimeoutError."""
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        lock = Lock(self._zk, f"{self.path}/locks")
        await lock.acquire(timeout)
        place: Place | None = None
        try:
            async with asyncio.timeout(None if end is None else end - loop.time()):
                place = await take_place(self._zk, f"{self.path}/leases", "lease-", self._data)
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
            await lock.release()
        self._held.append(place)
        return place

    async def _wait_for_a_lease(self, place: Place) -> None:
        while True:
            changed = asyncio.Event()

            def wake(_: Event, changed: asyncio.Event = changed) -> None:
                changed.set()

            names = await self._zk.children(f"{self.path}/leases", watch=wake)
            line = contenders(names, ("lease",))
            if all(each.name != place.name for each in line):
                raise NoNodeError("our lease is gone: the session expired", path=place.path)
            if len(line) <= self.leases:
                return
            await changed.wait()

    async def release(self) -> None:
        """Give back the lease that was acquired first. Raises ValueError when there is none."""
        if not self._held:
            raise ValueError(f"no lease of {self.path} is held")
        await self._held.pop(0).leave()

    async def holders(self) -> int:
        """How many leases are taken, by anybody."""
        try:
            return len(contenders(await self._zk.children(f"{self.path}/leases"), ("lease",)))
        except NoNodeError:
            return 0

    async def __aenter__(self) -> Place:
        return await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        await self.release()
