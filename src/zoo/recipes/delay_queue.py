"""DelayQueue: items that nobody may take before their time.

Guarantee: that of Queue (once at most, put once), and an item is not handed out before `delay`
seconds have passed since it was put, by the clock of the service: the clocks of those who put and
take do not matter. Items leave in the order in which they fall due. SUSPENDED and LOST need
nothing, as for Queue.
"""

from __future__ import annotations

from typing import TypeVar

from zoo.client.async_client import AsyncClient
from zoo.recipes.clock import ServiceClock
from zoo.recipes.queues import Queue, in_order
from zoo.recipes.waiting import Wake

T = TypeVar("T")


class DelayQueue(Queue[T]):
    """`await q.put(order, delay=30.0)`; `get` then waits until the first item is due."""

    def __init__(self, zk: AsyncClient[T], path: str) -> None:
        super().__init__(zk, path)
        self._clock = ServiceClock(zk, f"{path}/clock")

    async def put(self, item: T, delay: float = 0.0) -> str:
        """The item's path. `delay` in seconds."""
        if delay < 0:
            raise ValueError(f"a delay of {delay} s has passed already")
        due = await self._clock.measure() + delay
        # Up, and one more: the reading may be behind the clock, but what is due must not be early.
        return await self._put(item, f"{int(due * 1000) + 1:015}")

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        items = in_order(await self._names(self.path, wake))
        if not items:
            return [], None
        now = await self._clock.now() * 1000
        later = next((item.rank for item in items if item.rank > now), None)
        pause = None if later is None else (later - now) / 1000
        return [item.name for item in items if item.rank <= now], pause
