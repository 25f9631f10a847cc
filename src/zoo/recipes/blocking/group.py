"""The blocking twin of the group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from zoo.client.blocking import Client
from zoo.recipes import group
from zoo.recipes.blocking.base import Twin, iterate, run

T = TypeVar("T")


class Group(Twin[group.Group[T]], Generic[T], of=group.Group):
    """See `zoo.recipes.Group`."""

    def __init__(
        self, zk: Client[T], path: str, name: str | None = None, data: T | None = None
    ) -> None:
        super().__init__(group.Group(zk._client, path, name, data))

    @property
    def is_member(self) -> bool:
        return self._recipe.is_member

    def join(self, timeout: float = 0.0) -> None:
        run(self._recipe.join(timeout))

    def leave(self) -> None:
        run(self._recipe.leave())

    def set_data(self, data: T) -> None:
        run(self._recipe.set_data(data))

    def members(self) -> dict[str, T]:
        return run(self._recipe.members())

    def changes(self) -> Iterator[dict[str, T]]:
        """The members now, and again after each change; blocks meanwhile."""
        return iterate(self._recipe.changes())

    def __enter__(self) -> Group[T]:
        self.join()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
