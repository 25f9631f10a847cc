"""Who is to be told of which change.

Theory of operation. As in ZooKeeper there are two tables: `data` (created, data changed, deleted)
and `children` (child list changed, deleted). A watcher (any hashable object, in practice a client
connection) may hold several modes on one path; the modes are bits:

* STANDARD is used up by the first event of its path,
* PERSISTENT stays, and hears of its own path only,
* PERSISTENT_RECURSIVE stays, and hears of its path and everything below. It lives in the data table
  alone, which is why it never hears of a changed child list (ZOOKEEPER-4475): a created or deleted
  child is an event of its own.

A deletion asks the data table, then the children table about the same path; who was told by the
first is not told again by the second. The parent's child list comes last. Nothing is sent from
here: the functions return `(watcher, event type, path)` in sending order, and events that share
type and path stand together, so that the caller may encode each of them once.

Most znodes have one watcher or none. Therefore a path with a single watcher maps to that watcher
itself, and only from the second on to a dict (used as an ordered set); a write to an unwatched path
costs one failed dict lookup. Recursive watchers stand a second time in `recursive`, so that the
walk to the root touches nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from zoo.errors import Code, KeeperError
from zoo.jute.constants import AddWatchMode, EventType, WatcherType

# As plain ints: they end up in every event.
NODE_CREATED: Final = int(EventType.NODE_CREATED)
NODE_DELETED: Final = int(EventType.NODE_DELETED)
NODE_DATA_CHANGED: Final = int(EventType.NODE_DATA_CHANGED)
NODE_CHILDREN_CHANGED: Final = int(EventType.NODE_CHILDREN_CHANGED)

# Modes: bits, so that one watcher can hold several on one path.
STANDARD: Final = 1
PERSISTENT: Final = 2
PERSISTENT_RECURSIVE: Final = 4

_ADD_WATCH_MODES: dict[int, int] = {
    AddWatchMode.PERSISTENT: PERSISTENT,
    AddWatchMode.PERSISTENT_RECURSIVE: PERSISTENT_RECURSIVE,
}
# Watcher type -> the mode asked of (the data table, the children table); 0: none, None: any.
_REMOVE: dict[int, tuple[int | None, int | None]] = {
    WatcherType.CHILDREN: (0, STANDARD),
    WatcherType.DATA: (STANDARD, 0),
    WatcherType.ANY: (None, None),
    WatcherType.PERSISTENT: (PERSISTENT, PERSISTENT),
    WatcherType.PERSISTENT_RECURSIVE: (PERSISTENT_RECURSIVE, 0),
}
_SIGNED_TO_UNSIGNED = (1 << 64) - 1

W = TypeVar("W", bound=Hashable)
Lookup: TypeAlias = Callable[[bytes], "tuple[int, int] | None"]


class WatchSummary(NamedTuple):
    connections: int
    paths: int
    watches: int


class WatchManager(Generic[W]):
    """One table of watches. A watch is a (path, watcher) pair, whatever modes it has.

    `paths` and `recursive` are never replaced, so a caller may bind them once and skip `trigger`
    when `path not in paths and not recursive`. Their values are private to this class.
    """

    __slots__ = ("_modes", "paths", "recursive")

    def __init__(self) -> None:
        self.paths: dict[bytes, W | dict[W, None]] = {}
        self.recursive: dict[bytes, dict[W, None]] = {}
        self._modes: dict[W, dict[bytes, int]] = {}

    def add(self, path: bytes, watcher: W, mode: int = STANDARD) -> bool:
        """Register; True unless the watcher already had this mode on this path."""
        modes = self._modes.get(watcher)
        if modes is None:
            modes = self._modes[watcher] = {}
        held = modes.get(path, 0)
        if held & mode:
            return False
        modes[path] = held | mode
        if not held:
            entry = self.paths.get(path)
            if entry is None:
                self.paths[path] = watcher
            elif isinstance(entry, dict):
                entry[watcher] = None
            else:
                self.paths[path] = {entry: None, watcher: None}
        if mode == PERSISTENT_RECURSIVE:
            self.recursive.setdefault(path, {})[watcher] = None
        return True

    def contains(self, path: bytes, watcher: W, mode: int | None = None) -> bool:
        """Does the watcher hold `mode` (None: any) on exactly this path?"""
        modes = self._modes.get(watcher)
        held = 0 if modes is None else modes.get(path, 0)
        return held != 0 if mode is None else held & mode != 0

    def remove(self, path: bytes, watcher: W, mode: int | None = None) -> bool:
        """Drop `mode` (None: every mode) of the watcher on this path; True if it was there."""
        modes = self._modes.get(watcher)
        held = 0 if modes is None else modes.get(path, 0)
        gone = held if mode is None else held & mode
        if modes is None or not gone:
            return False
        if held == gone:
            self._forget(path, watcher)
            del modes[path]
            if not modes:
                del self._modes[watcher]
        else:
            modes[path] = held & ~gone
        if gone & PERSISTENT_RECURSIVE:
            self._forget_recursive(path, watcher)
        return True

    def remove_watcher(self, watcher: W) -> None:
        """Forget everything about a watcher: its connection is gone."""
        for path, held in self._modes.pop(watcher, {}).items():
            self._forget(path, watcher)
            if held & PERSISTENT_RECURSIVE:
                self._forget_recursive(path, watcher)

    def trigger(self, path: bytes, suppress: dict[W, None] | None = None) -> dict[W, None]:
        """Who hears of an event at `path`, in order; their STANDARD watches on it are used up.

        Watchers in `suppress` have their watches used up too, but are left out of the answer.
        """
        entry = self.paths.get(path)
        fired = {} if entry is None else self._fire(path, entry)
        if self.recursive:
            parent = path
            while len(parent) > 1:
                parent = parent[: parent.rfind(b"/")] or b"/"
                above = self.recursive.get(parent)
                if above is not None:
                    fired.update(above)
        if suppress and fired:
            return {watcher: None for watcher in fired if watcher not in suppress}
        return fired

    def _fire(self, path: bytes, entry: W | dict[W, None]) -> dict[W, None]:
        fired = entry if isinstance(entry, dict) else {entry: None}
        kept: dict[W, None] = {}
        for watcher in fired:
            modes = self._modes[watcher]
            held = modes[path] & ~STANDARD
            if held:
                modes[path] = held
                kept[watcher] = None
            else:
                del modes[path]
                if not modes:
                    del self._modes[watcher]
        if kept:
            self.paths[path] = kept
        else:
            del self.paths[path]
        return fired

    def _forget(self, path: bytes, watcher: W) -> None:
        entry = self.paths[path]
        if isinstance(entry, dict):
            del entry[watcher]
            if entry:
                return
        del self.paths[path]

    def _forget_recursive(self, path: bytes, watcher: W) -> None:
        watchers = self.recursive[path]
        del watchers[watcher]
        if not watchers:
            del self.recursive[path]

    def __len__(self) -> int:
        """Number of watches."""
        return sum(map(len, self._modes.values()))

    def summary(self) -> WatchSummary:
        return WatchSummary(len(self._modes), len(self.paths), len(self))

    def by_path(self) -> list[tuple[bytes, list[W]]]:
        return [(p, list(e) if isinstance(e, dict) else [e]) for p, e in self.paths.items()]

    def by_watcher(self) -> list[tuple[W, list[bytes]]]:
        return [(watcher, list(modes)) for watcher, modes in self._modes.items()]


class Watches(Generic[W]):
    """Both tables of one server, with the order in which one change is told.

    Every answer is for the caller to send: it still has to hold each event back from those who
    may not READ the znode the event is about (for a deleted one: by the ACL it had).
    """

    __slots__ = ("children", "data")

    def __init__(self) -> None:
        self.data: WatchManager[W] = WatchManager()
        self.children: WatchManager[W] = WatchManager()

    def __len__(self) -> int:
        """Number of watches in both tables: what `mntr` calls zk_watch_count."""
        return len(self.data) + len(self.children)

    def node_created(self, path: bytes, parent: bytes) -> list[tuple[W, int, bytes]]:
        events: list[tuple[W, int, bytes]] = []
        data = self.data
        if path in data.paths or data.recursive:
            events += [(w, NODE_CREATED, path) for w in data.trigger(path)]
        if parent in self.children.paths:
            events += [(w, NODE_CHILDREN_CHANGED, parent) for w in self.children.trigger(parent)]
        return events

    def node_deleted(self, path: bytes, parent: bytes) -> list[tuple[W, int, bytes]]:
        events: list[tuple[W, int, bytes]] = []
        data, children = self.data, self.children
        told: dict[W, None] = {}
        if path in data.paths or data.recursive:
            told = data.trigger(path)
            events += [(w, NODE_DELETED, path) for w in told]
        if path in children.paths:
            events += [(w, NODE_DELETED, path) for w in children.trigger(path, told)]
        if parent in children.paths:
            events += [(w, NODE_CHILDREN_CHANGED, parent) for w in children.trigger(parent)]
        return events

    def data_changed(self, path: bytes) -> list[tuple[W, int, bytes]]:
        data = self.data
        if path in data.paths or data.recursive:
            return [(w, NODE_DATA_CHANGED, path) for w in data.trigger(path)]
        return []

    def add_watch(self, path: bytes, watcher: W, wire_mode: int) -> None:
        """The addWatch operation; `wire_mode` as on the wire. The znode need not exist.

        KeeperError(MARSHALLINGERROR) for a mode that does not exist.
        """
        mode = _ADD_WATCH_MODES.get(wire_mode)
        if mode is None:
            raise KeeperError(Code.MARSHALLINGERROR, f"no such watch mode: {wire_mode}")
        self.data.add(path, watcher, mode)
        if mode != PERSISTENT_RECURSIVE:
            self.children.add(path, watcher, mode)

    def contains(self, path: bytes, watcher: W, watcher_type: int) -> bool:
        """The question of checkWatches. KeeperError(MARSHALLINGERROR) for an unknown type."""
        if watcher_type == WatcherType.PERSISTENT:  # ZooKeeper looks into the data table alone
            return self.data.contains(path, watcher, PERSISTENT)
        in_data, in_children = _modes_of_type(watcher_type)
        return self.data.contains(path, watcher, in_data) or self.children.contains(
            path, watcher, in_children
        )

    def remove(self, path: bytes, watcher: W, watcher_type: int) -> bool:
        """removeWatches: True if a watch was there. KeeperError as for `contains`."""
        in_data, in_children = _modes_of_type(watcher_type)
        from_children = self.children.remove(path, watcher, in_children)
        return self.data.remove(path, watcher, in_data) or from_children

    def remove_watcher(self, watcher: W) -> None:
        self.data.remove_watcher(watcher)
        self.children.remove_watcher(watcher)

    def set_watches(
        self,
        watcher: W,
        seen_zxid: int,
        lookup: Lookup,
        data: Sequence[bytes],
        exist: Sequence[bytes],
        child: Sequence[bytes],
        persistent: Sequence[bytes] = (),
        recursive: Sequence[bytes] = (),
    ) -> list[tuple[int, bytes]]:
        """Arm a reconnected client's watches again; the (event type, path) it missed, in order.

        `lookup(path)` gives (mzxid, pzxid) or None. These events go to this watcher alone, with
        zxid -1 in their header and, as in ZooKeeper, without an ACL check.
        """
        missed: list[tuple[int, bytes]] = []
        for path in data:
            node = lookup(path)
            if node is None:
                missed.append((NODE_DELETED, path))
            elif node[0] > seen_zxid:
                missed.append((NODE_DATA_CHANGED, path))
            else:
                self.data.add(path, watcher)
        for path in exist:
            if lookup(path) is not None:
                missed.append((NODE_CREATED, path))
            else:
                self.data.add(path, watcher)
        for path in child:
            node = lookup(path)
            if node is None:
                missed.append((NODE_DELETED, path))
            elif node[1] > seen_zxid:
                missed.append((NODE_CHILDREN_CHANGED, path))
            else:
                self.children.add(path, watcher)
        for path in persistent:
            self.children.add(path, watcher, PERSISTENT)
            self.data.add(path, watcher, PERSISTENT)
        for path in recursive:
            self.data.add(path, watcher, PERSISTENT_RECURSIVE)
        return missed

    # Texts of the four-letter words. Like ZooKeeper's they show the data table only.

    def wchs(self) -> str:
        connections, paths, watches = self.data.summary()
        return f"{connections} connections watching {paths} paths\nTotal watches:{watches}"

    def wchp(self, session_id: Callable[[W], int]) -> str:
        """Watchers by path; `session_id` maps a watcher to its signed 64-bit session id."""
        lines: list[str] = []
        for path, watchers in self.data.by_path():
            lines.append(_text(path))
            lines += [f"\t0x{session_id(w) & _SIGNED_TO_UNSIGNED:x}" for w in watchers]
        return "".join(line + "\n" for line in lines)

    def wchc(self, session_id: Callable[[W], int]) -> str:
        """Paths by session."""
        lines: list[str] = []
        for watcher, paths in self.data.by_watcher():
            lines.append(f"0x{session_id(watcher) & _SIGNED_TO_UNSIGNED:x}")
            lines += ["\t" + _text(path) for path in paths]
        return "".join(line + "\n" for line in lines)


def _modes_of_type(watcher_type: int) -> tuple[int | None, int | None]:
    modes = _REMOVE.get(watcher_type)
    if modes is None:
        raise KeeperError(Code.MARSHALLINGERROR, f"no such watcher type: {watcher_type}")
    return modes


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
