"""The blocking twin of the semaphore."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking import Client
from zoo.recipes import semaphore
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.blocking.places import Place
from zoo.recipes.layouts import CURATOR, Layout


class Semaphore(Twin[semaphore.Semaphore], of=semaphore.Semaphore):
    """See `zoo.recipes.Semaphore`."""

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        leases: int,
        *,
        name: str = "",
        layout: Layout = CURATOR,
    ) -> None:
        super().__init__(semaphore.Semaphore(zk._client, path, leases, name=name, layout=layout))

    def acquire(self, timeout: float | None = None) -> Place:
        return Place(run(self._recipe.acquire(timeout)))

    def release(self) -> None:
        run(self._recipe.release())

    def holders(self) -> int:
        return run(self._recipe.holders())

    def __enter__(self) -> Place:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
