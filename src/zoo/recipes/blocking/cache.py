"""The blocking twins of the local copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

from zoo.client.blocking import Client
from zoo.client.results import Node
from zoo.recipes import cache
from zoo.recipes.blocking.base import Twin, on_loop, run

T = TypeVar("T")


class TreeCache(Twin[cache.TreeCache[T]], Generic[T], of=cache.TreeCache):
    """See `zoo.recipes.TreeCache`. The listener is called in the client's thread for callbacks."""

    def __init__(self, zk: Client[T], path: str, listener: cache.Listener | None = None) -> None:
        def forward(path: str, node: Node[T] | None) -> None:
            if listener is not None:
                zk._dispatcher.call(lambda: listener(path, node))

        super().__init__(self._twin(zk, path, forward))

    def _twin(self, zk: Client[T], path: str, listener: cache.Listener) -> cache.TreeCache[T]:
        return cache.TreeCache(zk._client, path, listener)

    def __len__(self) -> int:
        return len(self._recipe)

    @property
    def is_current(self) -> bool:
        return self._recipe.is_current

    @property
    def is_following(self) -> bool:
        return self._recipe.is_following

    @property
    def unreadable(self) -> dict[str, str]:
        """Path -> why, of the znodes that are there and not in the copy: their data do not decode,
        or we may not read them (as of the last connection: servers tell no events of those)."""
        return on_loop(lambda: self._recipe.unreadable)

    def get(self, path: str) -> Node[T] | None:
        return self._recipe.get(path)

    def children(self, path: str) -> list[str]:
        return on_loop(lambda: self._recipe.children(path))

    def snapshot(self) -> dict[str, Node[T]]:
        """Path -> node, by path; of one moment."""
        return on_loop(self._recipe.snapshot)

    def wait_for(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """`condition` is called on the portal's thread: it may look at the cache and no more."""
        run(self._recipe.wait_for(condition, timeout))

    def start(self, timeout: float | None = 30.0) -> None:
        run(self._recipe.start(timeout))

    def stop(self) -> None:
        run(self._recipe.stop())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class NodeCache(TreeCache[T], of=cache.NodeCache):
    """See `zoo.recipes.NodeCache`."""

    def _twin(self, zk: Client[T], path: str, listener: cache.Listener) -> cache.TreeCache[T]:
        return cache.NodeCache(zk._client, path, listener)

    @property
    def node(self) -> Node[T] | None:
        return self._recipe.get(self._recipe.path)
