"""The clock of the service: one that all clients share, whatever their own clocks say.

Every write is stamped by the leader's clock, so a client that writes learns what time it is there.
The reading is never ahead of that clock, and behind it by less than the write took (and by what two
clocks drift apart in `good_for` seconds). When another member becomes the leader the time jumps by
the difference of their clocks: keep the servers synchronised (NTP).
"""

from __future__ import annotations

import asyncio
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import NodeExistsError, NoNodeError


class ServiceClock:
    """`path` is a znode of its own, made when needed; what it holds is not looked at."""

    def __init__(self, zk: AsyncClient[Any], path: str, good_for: float = 60.0) -> None:
        self._zk = zk.with_data(BYTES)
        self._path = path
        self._good_for = good_for
        self._offset = 0.0
        self._measured = float("-inf")

    async def now(self) -> float:
        """Seconds since 1970; a write in `good_for` seconds."""
        if asyncio.get_running_loop().time() > self._measured + self._good_for:
            await self.measure()
        return asyncio.get_running_loop().time() + self._offset

    async def measure(self) -> float:
        """The same, by a write right now."""
        stamp = await self._zk.retrying(self._stamp)
        self._measured = asyncio.get_running_loop().time()
        self._offset = stamp - self._measured
        return stamp

    async def _stamp(self) -> float:
        while True:
            try:
                return (await self._zk.set(self._path, b"")).mtime / 1000
            except NoNodeError:
                try:
                    node = await self._zk.create(self._path, make_parents=True)
                    return node.stat.mtime / 1000
                except NodeExistsError:
                    continue
