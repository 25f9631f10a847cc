"""The blocking twin of the semaphore."""

from __future__ import annotations

from threading import get_ident
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
        return Place(run(self._recipe._acquire(get_ident(), timeout)))

    def release(self, place: Place | None = None) -> None:
        """Give back this lease; None: of those that this thread has acquired the first, and when it
        has acquired none, the first that another has. Raises NotHeldError when there is none.
        """
        run(self._recipe._release(get_ident(), None if place is None else place._recipe))

    def holders(self) -> int:
        return run(self._recipe.holders())

    def __enter__(self) -> Place:
        return Place(run(self._recipe._acquire(get_ident(), for_a_block=True)))

    def __exit__(self, *_: object) -> None:
        run(self._recipe._leave_block(get_ident()))
