"""The watches a client has, on the paths of the wire, and who is told of an event.

Theory of operation. The server keeps one watch per session, kind and path; here each may have many
watchers. A one-shot watcher leaves with its event, a persistent one stays. After a reconnection the
server must be told of all of them again: `rearm` cuts the list into requests of bounded size. What
fell in between, the server tells of one-shot watches (it compares zxids) but not of persistent
ones: those are given a gap event, so that their owner reads again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple, Protocol

from zoo import paths
from zoo.jute.client_records import SetWatches, SetWatches2
from zoo.jute.constants import EventType, KeeperState

MAX_REARM_BYTES = 128 * 1024
"""Of paths in one setWatches; a server's limit on a request is 1 MiB."""


class Kind(Enum):
    DATA = "data"
    EXIST = "exist"
    CHILD = "child"
    PERSISTENT = "persistent"
    RECURSIVE = "recursive"


class Event(NamedTuple):
    """What a watcher is told. `type` NONE is about the watch itself, and `gap` then says why
    events may be missing (read the znode again), or that the watch is over (`state` EXPIRED)."""

    type: EventType
    path: str
    zxid: int = 0
    state: KeeperState = KeeperState.SYNC_CONNECTED
    gap: str = ""

    @property
    def is_gap(self) -> bool:
        return self.type is EventType.NONE


class Removal(NamedTuple):
    """What a removeWatches takes off, once the server has done so."""

    kinds: tuple[Kind, ...]
    path: bytes


class Watcher(Protocol):
    """Told on the wire's paths; must neither block nor raise."""

    def notify(self, kind: EventType, path: bytes, zxid: int) -> None: ...

    def missed(self, path: bytes, why: str) -> None:
        """Events may have been lost; only persistent watchers hear this."""

    def ended(self, path: bytes, state: KeeperState, why: str) -> None:
        """The watch is gone for good."""


_ONE_SHOT: dict[EventType, tuple[Kind, ...]] = {
    EventType.NODE_CREATED: (Kind.DATA, Kind.EXIST),
    EventType.NODE_DATA_CHANGED: (Kind.DATA, Kind.EXIST),
    EventType.NODE_DELETED: (Kind.DATA, Kind.EXIST, Kind.CHILD),
    EventType.NODE_CHILDREN_CHANGED: (Kind.CHILD,),
}
_REMOVED: dict[EventType, tuple[Kind, ...]] = {
    EventType.DATA_WATCH_REMOVED: (Kind.DATA, Kind.EXIST),
    EventType.CHILD_WATCH_REMOVED: (Kind.CHILD,),
    EventType.PERSISTENT_WATCH_REMOVED: (Kind.PERSISTENT, Kind.RECURSIVE),
}

Watchers = dict[Watcher, None]  # an ordered set
Watching = tuple[Kind, bytes, Watcher]
"""What a request begins to watch, if it succeeds."""


class WatchTable:
    """Who watches what. Paths are bytes as on the wire, chroot included."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, dict[bytes, Watchers]] = {kind: {} for kind in Kind}

    def __len__(self) -> int:
        return sum(len(each) for table in self._by_kind.values() for each in table.values())

    def add(self, kind: Kind, path: bytes, watcher: Watcher) -> None:
        self._by_kind[kind].setdefault(path, {})[watcher] = None

    def discard(self, kind: Kind, path: bytes, watcher: Watcher | None = None) -> bool:
        """Take one watcher (or all) off; True when none of this kind is left on the path."""
        table = self._by_kind[kind]
        watchers = table.get(path, {})
        if watcher is None:
            watchers.clear()
        else:
            watchers.pop(watcher, None)
        if not watchers:
            table.pop(path, None)
        return not watchers

    def has(self, path: bytes) -> bool:
        return any(path in table for table in self._by_kind.values())

    def dispatch(self, kind: EventType, path: bytes, zxid: int) -> None:
        """Tell all whom an event concerns, each once; one-shot watchers for the last time."""
        if kind in _REMOVED:
            for removed in _REMOVED[kind]:
                self.end(removed, path, "the watch was removed at the server")
            return
        told: Watchers = {}
        for one_shot in _ONE_SHOT.get(kind, ()):
            told |= self._by_kind[one_shot].pop(path, {})
        told |= self._by_kind[Kind.PERSISTENT].get(path, {})
        recursive = self._by_kind[Kind.RECURSIVE]
        if recursive and kind is not EventType.NODE_CHILDREN_CHANGED:
            for above in _and_ancestors(path):
                told |= recursive.get(above, {})
        for watcher in told:
            watcher.notify(kind, path, zxid)

    def end(self, kind: Kind, path: bytes, why: str) -> None:
        for watcher in self._by_kind[kind].pop(path, {}):
            watcher.ended(path, KeeperState.SYNC_CONNECTED, why)

    def expire(self, state: KeeperState, why: str) -> None:
        """The session is over, and with it every watch."""
        tables = list(self._by_kind.values())
        self._by_kind = {kind: {} for kind in Kind}
        for table in tables:
            for path, watchers in table.items():
                for watcher in watchers:
                    watcher.ended(path, state, why)

    def drop_persistent(self, why: str) -> None:
        """The server does not know persistent watches."""
        for kind in (Kind.PERSISTENT, Kind.RECURSIVE):
            for path in list(self._by_kind[kind]):
                self.end(kind, path, why)

    def tell_gap(self, why: str) -> None:
        for kind in (Kind.PERSISTENT, Kind.RECURSIVE):
            for path, watchers in list(self._by_kind[kind].items()):
                for watcher in list(watchers):
                    watcher.missed(path, why)

    def rearm(self, zxid: int) -> Iterator[SetWatches | SetWatches2]:
        """The requests that arm everything anew after a reconnection; `zxid` is the last one seen.

        One without persistent watches is a plain setWatches, which servers before 3.6 know too.
        """
        batch: dict[Kind, list[bytes]] = {kind: [] for kind in Kind}
        size = 0
        for kind, table in self._by_kind.items():
            for path in table:
                if size and size + len(path) + 4 > MAX_REARM_BYTES:
                    yield _request(zxid, batch)
                    batch, size = {kind: [] for kind in Kind}, 0
                batch[kind].append(path)
                size += len(path) + 4
        if size:
            yield _request(zxid, batch)


def _request(zxid: int, batch: dict[Kind, list[bytes]]) -> SetWatches | SetWatches2:
    data, exist, child = batch[Kind.DATA], batch[Kind.EXIST], batch[Kind.CHILD]
    persistent, recursive = batch[Kind.PERSISTENT], batch[Kind.RECURSIVE]
    if persistent or recursive:
        return SetWatches2(zxid, data, exist, child, persistent, recursive)
    return SetWatches(zxid, data, exist, child)


def _and_ancestors(path: bytes) -> Iterator[bytes]:
    while path != paths.ROOT:
        yield path
        path = paths.parent(path)
    yield paths.ROOT
