"""The checker of watches: each event owed arrives, in order, before the reply that shows it.

Theory of operation. A `WatchBook` says from ZooKeeper's rules, without a look at zoo.tree.watches,
which events the watches of one connection catch. Every reply carries a zxid Z; by then the
connection must have received exactly the events that the transactions up to Z owe to the watches
that stood, in order and with their zxids. So an event that is late, missing, doubled, invented or
out of order is seen at the next reply.
"""

from __future__ import annotations

from typing import Any

from zoo.errors import Code
from zoo.jute.client_records import SetWatches2, WatcherEvent
from zoo.jute.constants import AddWatchMode, EventType
from zoo.jute.operations import Op
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient
from zoo.sim.history import Event, History, parent_of
from zoo.sim.schedule import Schedule

_READS = (Op.getData, Op.exists, Op.getChildren, Op.getChildren2)


class WatchBook:
    """The watches of one connection."""

    def __init__(self) -> None:
        self.data: dict[bytes, bool] = {}  # path -> was it set on a missing znode?
        self.children: dict[bytes, None] = {}
        self.persistent: dict[bytes, None] = {}
        self.recursive: dict[bytes, None] = {}

    def catches(self, kind: int, path: bytes) -> bool:
        """Is this event for us? Uses up the one-shot watches that it fires."""
        caught = path in self.persistent
        if kind != EventType.NODE_CHILDREN_CHANGED:
            caught |= self.data.pop(path, None) is not None
            caught |= self._below_recursive(path)
        if kind in (EventType.NODE_CHILDREN_CHANGED, EventType.NODE_DELETED) and (
            path in self.children
        ):
            del self.children[path]
            caught = True
        return caught

    def _below_recursive(self, path: bytes) -> bool:
        if not self.recursive:
            return False
        while path not in self.recursive:
            if path == b"/":
                return False
            path = parent_of(path)
        return True

    def register(self, op: Op, record: Any, err: int) -> None:
        """What an answered request leaves behind."""
        if op in _READS and record.watch:
            if not err or (op == Op.exists and err == Code.NONODE):
                if op in (Op.getData, Op.exists):
                    self.data.setdefault(record.path, bool(err))
                else:
                    self.children[record.path] = None
        elif op == Op.addWatch and not err:
            table = self.persistent if record.mode == AddWatchMode.PERSISTENT else self.recursive
            table[record.path] = None
        elif op == Op.removeWatches and not err:
            for watches in (self.data, self.children, self.persistent, self.recursive):
                watches.pop(record.path, None)

    def is_empty(self) -> bool:
        return not (self.data or self.children or self.persistent or self.recursive)

    def as_request(self, zxid: int) -> SetWatches2:
        """What a client sends after it has connected anew, having seen `zxid`."""
        return SetWatches2(
            zxid,
            [path for path, missing in self.data.items() if not missing],
            [path for path, missing in self.data.items() if missing],
            list(self.children),
            list(self.persistent),
            list(self.recursive),
        )


class Watches(Checker):
    """See the module's theory of operation."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.books: dict[SimClient, WatchBook] = {}
        self._cursor: dict[SimClient, int] = {}
        self._received: dict[SimClient, list[Event]] = {}
        self._missed: dict[SimClient, list[tuple[int, bytes]]] = {}

    def connected(self, client: SimClient, response: Any) -> None:
        self.books[client] = WatchBook()
        self._received[client] = []
        self._missed[client] = []
        self._cursor.pop(client, None)

    def notified(self, client: SimClient, zxid: int, event: WatcherEvent) -> None:
        if zxid == -1:
            self._missed[client].append((event.type, event.path))
        else:
            self._received[client].append((zxid, event.type, event.path))

    def ponged(self, client: SimClient, zxid: int) -> None:
        self._settle(client, zxid)

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        if zxid < 0 or request.op in (Op.auth, Op.sasl):  # their replies carry no zxid
            return
        self._settle(client, zxid)
        if request.op == Op.setWatches2 and not err:
            self._set_watches(client, request.record, zxid)
        elif self._missed[client]:
            self.violated(f"{client} was told of {self._missed[client]} that it did not ask for")
        self.books[client].register(request.op, request.record, err)

    def _settle(self, client: SimClient, zxid: int) -> None:
        """Compare what was owed up to `zxid` with what came."""
        book, cursor = self.books[client], self._cursor.get(client, zxid)
        self._cursor[client] = max(zxid, cursor)
        owed: list[Event] = []
        if zxid > cursor and not book.is_empty():
            owed = [
                event
                for event in self.history.events_between(cursor, zxid)
                if book.catches(event[1], event[2])
            ]
        received = self._received[client]
        if owed != received:
            self.violated(f"{client} by 0x{zxid:x}: owed {owed}, received {received}")
        received.clear()

    def _set_watches(self, client: SimClient, request: SetWatches2, zxid: int) -> None:
        """Events missed between two connections, then the watches that are left."""
        book, seen = self.books[client], request.relative_zxid
        owed: list[tuple[int, bytes]] = []
        for path in request.data_watches:
            state = self.history.at(path, zxid)
            if state is None:
                owed.append((EventType.NODE_DELETED, path))
            elif state.mzxid > seen:
                owed.append((EventType.NODE_DATA_CHANGED, path))
            else:
                book.data[path] = False
        for path in request.exist_watches:
            if self.history.at(path, zxid) is not None:
                owed.append((EventType.NODE_CREATED, path))
            else:
                book.data[path] = True
        for path in request.child_watches:
            state = self.history.at(path, zxid)
            if state is None:
                owed.append((EventType.NODE_DELETED, path))
            elif state.pzxid > seen:
                owed.append((EventType.NODE_CHILDREN_CHANGED, path))
            else:
                book.children[path] = None
        book.persistent.update(dict.fromkeys(request.persistent_watches))
        book.recursive.update(dict.fromkeys(request.persistent_recursive_watches))
        missed = self._missed[client]
        if sorted(missed) != sorted(owed):
            self.violated(f"{client} after setWatches2: owed {owed}, received {missed}")
        missed.clear()
