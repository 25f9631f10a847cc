"""The blocking twins of the elections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from zoo.client.blocking import Client
from zoo.recipes import election
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.blocking.places import Place
from zoo.recipes.layouts import CURATOR, Layout

R = TypeVar("R")


class Election(Twin[election.Election], of=election.Election):
    """See `zoo.recipes.Election`. A function that `run` calls cannot be cancelled: it must look at
    `leadership.is_held`, and write through `leadership.guarded()`."""

    def __init__(
        self, zk: Client[Any], path: str, *, name: str = "", layout: Layout = CURATOR
    ) -> None:
        super().__init__(election.Election(zk._client, path, name=name, layout=layout))

    @property
    def is_leader(self) -> bool:
        return self._recipe.is_leader

    def lead(self, timeout: float | None = None) -> Place:
        return Place(run(self._recipe.lead(timeout)))

    def resign(self) -> None:
        run(self._recipe.resign())

    def run(self, function: Callable[[Place], R]) -> R:
        """Call it once, in this thread, as soon as we lead."""
        with self as leadership:
            return function(leadership)

    def candidates(self) -> list[str]:
        return run(self._recipe.candidates())

    def leader(self) -> str | None:
        return run(self._recipe.leader())

    def __enter__(self) -> Place:
        return self.lead()

    def __exit__(self, *_: object) -> None:
        self.resign()


class LeaderLatch(Twin[election.LeaderLatch], of=election.LeaderLatch):
    """See `zoo.recipes.LeaderLatch`."""

    def __init__(
        self, zk: Client[Any], path: str, *, name: str = "", layout: Layout = CURATOR
    ) -> None:
        super().__init__(election.LeaderLatch(zk._client, path, name=name, layout=layout))

    @property
    def is_leader(self) -> bool:
        return self._recipe.is_leader

    @property
    def leadership(self) -> Place | None:
        place = self._recipe.leadership
        return None if place is None else Place(place)

    def start(self) -> None:
        run(self._recipe.start())

    def wait_until_leader(self, timeout: float | None = None) -> Place:
        return Place(run(self._recipe.wait_until_leader(timeout)))

    def stop(self) -> None:
        run(self._recipe.stop())

    def __enter__(self) -> LeaderLatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
