"""The blocking twin of the znode that is kept in place."""

from __future__ import annotations

from typing import Generic, Self, TypeVar

from zoo.client.blocking import Client
from zoo.recipes import persistent_node
from zoo.recipes.blocking.base import Twin, run

T = TypeVar("T")


class PersistentNode(
    Twin[persistent_node.PersistentNode[T]], Generic[T], of=persistent_node.PersistentNode
):
    """See `zoo.recipes.PersistentNode`."""

    def __init__(
        self, zk: Client[T], path: str, data: T | None = None, *, ephemeral: bool = True
    ) -> None:
        super().__init__(
            persistent_node.PersistentNode(zk._client, path, data, ephemeral=ephemeral)
        )

    @property
    def is_there(self) -> bool:
        return self._recipe.is_there

    def start(self, timeout: float | None = 30.0) -> None:
        run(self._recipe.start(timeout))

    def stop(self) -> None:
        run(self._recipe.stop())

    def set_data(self, data: T) -> None:
        run(self._recipe.set_data(data))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
