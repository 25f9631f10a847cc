"""A gate for everybody: while its znode exists, all wait.

Guarantee: `wait` returns only after the barrier was seen to be gone, and soon after it is removed.
On SUSPENDED waiting goes on; on LOST too, for the barrier is not tied to a session.
"""

from __future__ import annotations

from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import NodeExistsError, NoNodeError
from zoo.recipes.waiting import Wake, across_sessions, in_time


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
        async with in_time(timeout, "the barrier stayed closed", "wait", self.path):
            await across_sessions(self._wait)

    async def _wait(self) -> None:
        while True:
            changed = Wake()
            try:
                await self._zk.with_data(BYTES).get(self.path, watch=changed)
                await changed.wait()
            except NoNodeError:
                return
            finally:
                self._zk._forget(self.path, changed)
