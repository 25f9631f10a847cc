"""A gate for everybody: while its znode exists, all wait.

Guarantee: `wait` returns only after the barrier was seen to be gone, and soon after it is removed.
On SUSPENDED waiting goes on; on LOST too, for the barrier is not tied to a session.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NodeExistsError, NoNodeError, OperationTimeoutError
from zoo.client.watches import Event


class Barrier:
    def __init__(self, zk: AsyncClient[Any], path: str) -> None:
        self.path = path
        self._zk = zk

    def __repr__(self) -> str:
        return f"<Barrier {self.path}>"

    async def create(self) -> bool:
        """Close it; False when it was closed already."""
        try:
            await self._zk.create(self.path, make_parents=True)
        except NodeExistsError:
            return False
        return True

    async def remove(self) -> bool:
        """Open it; False when it was open already."""
        try:
            await self._zk.delete(self.path)
        except NoNodeError:
            return False
        return True

    async def wait(self, timeout: float | None = None) -> None:
        """Until it is open. Raises OperationTimeoutError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._wait()
        except TimeoutError:
            raise OperationTimeoutError(
                "the barrier stayed closed", operation="wait", path=self.path
            ) from None

    async def _wait(self) -> None:
        while True:
            changed = asyncio.Event()

            def wake(_: Event, changed: asyncio.Event = changed) -> None:
                changed.set()

            if await self._zk.exists(self.path, watch=wake) is None:
                return
            await changed.wait()
