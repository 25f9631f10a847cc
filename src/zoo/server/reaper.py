"""Containers that have been emptied and nodes past their time to live: found now and then, deleted
at a pace.

As ZooKeeper does: every check interval look at all containers and TTL nodes; a container goes once
it has had children and has none, a TTL node once it has no children and was not written for its
TTL. At most so many a minute are deleted, so that a mass of them does not crowd out the clients'
writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from zoo.jute.ephemeral import EphemeralKind, kind, ttl_of
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
    """Names the paths to delete; whoever asks deletes each at once, before asking for the next.

    `newest` gives a record with every prepared change in it. A path may wait in the queue for
    minutes; by its turn it may have been written, or be another node of the same name.
    """

    def __init__(
        self, config: ReaperConfig, tree: DataTree, newest: Callable[[bytes], bytes | None]
    ) -> None:
        self._config = config
        self._tree = tree
        self._newest = newest
        self._next_check: int | None = None
        self._next_delete = 0
        self._queue: deque[bytes] = deque()

    def due(self, now_ms: int, wall_ms: int) -> Iterator[bytes]:
        """Paths that may be deleted now; `now_ms` is monotonic, `wall_ms` Unix time."""
        config = self._config
        if self._next_check is None:
            self._next_check = now_ms + config.container_check_interval_ms
        if now_ms >= self._next_check and not self._queue:
            self._next_check = now_ms + config.container_check_interval_ms
            self._queue.extend(self._candidates(wall_ms))
        pace = 60_000 / max(1, config.container_max_per_minute)
        self._next_delete = max(self._next_delete, int(now_ms - 1000))
        while self._queue and self._next_delete <= now_ms:
            path = self._queue.popleft()
            record = self._newest(path)
            if record is not None and self._has_had_its_time(record, wall_ms):
                self._next_delete += max(1, int(pace))
                yield path

    def _candidates(self, wall_ms: int) -> Iterator[bytes]:
        nodes = self._tree.nodes
        for paths in (self._tree.containers, self._tree.ttls):
            for path in paths:
                if self._has_had_its_time(nodes[path], wall_ms):
                    yield path

    def _has_had_its_time(self, record: bytes, wall_ms: int) -> bool:
        stat = stat_of(record)
        if stat.num_children:
            return False
        age = wall_ms - stat.mtime
        what = kind(stat.ephemeral_owner, self._tree.extended_types)
        if what is EphemeralKind.CONTAINER:
            never_used = self._config.container_max_never_used_interval_ms
            return stat.creates > 0 or (never_used > 0 and age > never_used)
        return what is EphemeralKind.TTL and age > ttl_of(stat.ephemeral_owner)
