"""Containers that have been emptied and nodes past their time to live: found now and then, deleted
at a pace.

As ZooKeeper does: every check interval look at all containers and TTL nodes; a container goes once
it has had children and has none, a TTL node once it has no children and was not written for its
TTL. At most so many a minute are deleted, so that a mass of them does not crowd out the clients'
writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from zoo.jute.ephemeral import ttl_of
from zoo.tree.data_tree import DataTree
from zoo.tree.record import stat_of


class ReaperConfig(Protocol):
    @property
    def container_check_interval_ms(self) -> int: ...
    @property
    def container_max_per_minute(self) -> int: ...
    @property
    def container_max_never_used_interval_ms(self) -> int: ...


class Reaper:
    """Names the paths to delete; whoever asks deletes them by a transaction, which checks again."""

    def __init__(self, config: ReaperConfig, tree: DataTree) -> None:
        self._config = config
        self._tree = tree
        self._next_check: int | None = None
        self._next_delete = 0
        self._queue: deque[bytes] = deque()

    def due(self, now_ms: int, wall_ms: int) -> Iterator[bytes]:
        """Paths that may be deleted now; `now_ms` is monotonic, `wall_ms` the clock of Stats."""
        config = self._config
        if self._next_check is None:
            self._next_check = now_ms + config.container_check_interval_ms
        if now_ms >= self._next_check and not self._queue:
            self._next_check = now_ms + config.container_check_interval_ms
            self._queue.extend(self._candidates(wall_ms))
        pace = 60_000 / max(1, config.container_max_per_minute)
        self._next_delete = max(self._next_delete, int(now_ms - 1000))
        while self._queue and self._next_delete <= now_ms:
            self._next_delete += max(1, int(pace))
            yield self._queue.popleft()

    def _candidates(self, wall_ms: int) -> Iterator[bytes]:
        never_used = self._config.container_max_never_used_interval_ms
        nodes = self._tree.nodes
        for path in self._tree.containers:
            stat = stat_of(nodes[path])
            if stat.num_children:
                continue
            if stat.creates > 0 or (never_used and wall_ms - stat.mtime > never_used):
                yield path
        for path in self._tree.ttls:
            stat = stat_of(nodes[path])
            if not stat.num_children and wall_ms - stat.mtime > ttl_of(stat.ephemeral_owner):
                yield path
