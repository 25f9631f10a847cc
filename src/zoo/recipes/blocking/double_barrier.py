"""The blocking twin of the double barrier."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking import Client
from zoo.recipes import double_barrier
from zoo.recipes.blocking.base import Twin, run


class DoubleBarrier(Twin[double_barrier.DoubleBarrier], of=double_barrier.DoubleBarrier):
    """See `zoo.recipes.DoubleBarrier`."""

    def __init__(self, zk: Client[Any], path: str, members: int, *, name: str = "") -> None:
        super().__init__(double_barrier.DoubleBarrier(zk._client, path, members, name=name))

    def enter(self, timeout: float | None = None) -> None:
        run(self._recipe.enter(timeout))

    def leave(self, timeout: float | None = None) -> None:
        run(self._recipe.leave(timeout))

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()
