"""The blocking twin of the barrier."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking import Client
from zoo.recipes import barrier
from zoo.recipes.blocking.base import Twin, run


class Barrier(Twin[barrier.Barrier], of=barrier.Barrier):
    """See `zoo.recipes.Barrier`."""

    def __init__(self, zk: Client[Any], path: str) -> None:
        super().__init__(barrier.Barrier(zk._client, path))

    def create(self) -> bool:
        return run(self._recipe.create())

    def remove(self) -> bool:
        return run(self._recipe.remove())

    def wait(self, timeout: float | None = None) -> None:
        run(self._recipe.wait(timeout))
