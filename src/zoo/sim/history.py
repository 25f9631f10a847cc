"""What really happened: the log's transactions, and the tree that they make by a second arithmetic.

Theory of operation. The simulator hears of every transaction when it is durable. `History` keeps
them and applies each to a tree of its own, written straight from ZooKeeper's rules without a look
at zoo.tree, and keeps of each path every version it ever had. So a checker can ask what any path
was at any zxid, and a power failure that loses the end of the log takes the end of the history
back.

`/zookeeper/quota` is left out: what stands there the server changes by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

from zoo.jute.constants import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, EventType
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Stat
from zoo.jute.txns import LoggedTxn, decode_body, decode_txn
from zoo.zab.history import follows

CREATES = (Op.create, Op.create2, Op.createContainer, Op.createTTL)
CONTAINER = -(1 << 63)
TTL_BASE = -(1 << 56)
_DIGESTED = Struct(">qqqqqiiiq")

# (zxid, event type, path): what watches would have been told
Event = tuple[int, int, bytes]


class NodeState(NamedTuple):
    """A znode at one moment. `owner` is the persisted ephemeralOwner, `creates` counts children."""

    data: bytes | None
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    creates: int
    aversion: int
    owner: int
    pzxid: int
    acl: tuple[ACL, ...]
    children: frozenset[bytes]

    @property
    def stat(self) -> Stat:
        """As clients see it: they are not shown the marks of containers and TTLs."""
        count = len(self.children)
        return Stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            2 * self.creates - count,
            self.aversion,
            self.owner if is_session(self.owner) else 0,
            len(self.data or b""),
            count,
            self.pzxid,
        )

    @property
    def is_open(self) -> bool:
        return self.acl == OPEN_ACL_UNSAFE


def is_session(owner: int) -> bool:
    return owner != CONTAINER and not TTL_BASE <= owner < 0


def parent_of(path: bytes) -> bytes:
    return path[: path.rfind(b"/")] or b"/"


def _digest(path: bytes, state: NodeState | None) -> int:
    if state is None or path.startswith(b"/zookeeper/"):
        return 0
    stat = _DIGESTED.pack(
        state.czxid,
        state.mzxid,
        state.pzxid,
        state.ctime,
        state.mtime,
        state.version,
        state.creates,
        state.aversion,
        state.owner,
    )
    return crc32((b"" if path == b"/" else path) + (state.data or b"") + stat)


_EMPTY = NodeState(b"", 0, 0, 0, 0, 0, 0, 0, 0, 0, OPEN_ACL_UNSAFE, frozenset())


class History:
    """All durable transactions since the world began, and the tree's versions they made."""

    def __init__(self) -> None:
        self.txns: dict[int, LoggedTxn] = {}
        self.last_zxid = 0
        self.events: list[Event] = []
        self.sessions: dict[int, list[tuple[int, int | None]]] = {}
        self.digests: dict[int, int] = {}
        self._versions: dict[bytes, list[tuple[int, NodeState | None]]] = {}
        self._digest = 0
        self._put(0, b"/", _EMPTY._replace(children=frozenset((b"zookeeper",))))
        below = frozenset((b"quota", b"config"))
        self._put(0, b"/zookeeper", _EMPTY._replace(children=below))
        self._put(0, b"/zookeeper/quota", _EMPTY)
        # ZooKeeper sets this ACL with version -1, and keeps that.
        config = _EMPTY._replace(acl=READ_ACL_UNSAFE, aversion=-1)
        self._put(0, b"/zookeeper/config", config)
        self.digests[0] = self._digest

    # --- looking

    def at(self, path: bytes, zxid: int) -> NodeState | None:
        """The znode as it was once `zxid` had been applied."""
        versions = self._versions.get(path or b"/")
        if not versions:
            return None
        index = bisect_right(versions, zxid, key=lambda version: version[0])
        return versions[index - 1][1] if index else None

    def versions(self, path: bytes) -> list[tuple[int, NodeState | None]]:
        """Every state it ever had: (zxid, state), None where it was deleted."""
        return self._versions.get(path, [])

    def paths(self) -> Iterator[bytes]:
        """All paths that ever were."""
        return iter(self._versions)

    def now(self, path: bytes) -> NodeState | None:
        versions = self._versions.get(path)
        return versions[-1][1] if versions else None

    def tree(self) -> dict[bytes, NodeState]:
        """All znodes as of the last transaction."""
        last = {path: versions[-1][1] for path, versions in self._versions.items() if versions}
        return {path: state for path, state in last.items() if state is not None}

    def events_between(self, after: int, upto: int) -> list[Event]:
        """What transactions with zxids in (after, upto] would have told watches, in order."""
        first = bisect_right(self.events, after, key=lambda event: event[0])
        last = bisect_right(self.events, upto, key=lambda event: event[0])
        return self.events[first:last]

    def paths_at(self, zxid: int) -> dict[bytes, NodeState]:
        """All znodes as they were once `zxid` had been applied."""
        found = ((path, self.at(path, zxid)) for path in self._versions)
        return {path: state for path, state in found if state is not None}

    def live_sessions(self) -> dict[int, int]:
        """Session id -> timeout (ms) of all that were opened and not closed."""
        return {sid: v[-1][1] for sid, v in self.sessions.items() if v and v[-1][1] is not None}

    def was_open(self, session_id: int, zxid: int) -> bool:
        """Was the session open right before `zxid`?"""
        changes = self.sessions.get(session_id, [])
        index = bisect_right(changes, zxid - 1, key=lambda change: change[0])
        return index > 0 and changes[index - 1][1] is not None

    def ephemerals_of(self, session_id: int) -> list[bytes]:
        return [path for path, state in self.tree().items() if state.owner == session_id]

    # --- growing and shrinking

    def append(self, entry: bytes) -> LoggedTxn:
        """Apply one transaction. AssertionError when it cannot follow or cannot be applied."""
        txn = decode_txn(entry)
        zxid = txn.header.zxid
        assert follows(zxid, self.last_zxid), f"0x{zxid:x} is logged after 0x{self.last_zxid:x}"
        self.last_zxid = zxid
        self.txns[zxid] = txn
        self._apply(txn)
        self.digests[zxid] = self._digest
        return txn

    def truncate(self, zxid: int) -> list[int]:
        """Forget what came after `zxid`; returns the zxids that are gone."""
        gone = [z for z in self.txns if z > zxid]
        for z in gone:
            del self.txns[z]
            del self.digests[z]
        for versions in self._versions.values():
            while versions and versions[-1][0] > zxid:
                versions.pop()
        for changes in self.sessions.values():
            while changes and changes[-1][0] > zxid:
                changes.pop()
        self.events = [event for event in self.events if event[0] <= zxid]
        self.last_zxid = min(self.last_zxid, zxid)
        self._digest = self.digests[self.last_zxid]
        return gone

    def _put(self, zxid: int, path: bytes, state: NodeState | None) -> None:
        self._digest += _digest(path, state) - _digest(path, self.now(path))
        versions = self._versions.setdefault(path, [])
        if versions and versions[-1][0] == zxid:
            versions[-1] = (zxid, state)
        else:
            versions.append((zxid, state))

    def _tell(self, zxid: int, kind: EventType, path: bytes) -> None:
        self.events.append((zxid, int(kind), path))

    # --- ZooKeeper's rules

    def _apply(self, txn: LoggedTxn) -> None:
        header, record = txn.header, txn.record
        if header.type == Op.createSession:
            changes = self.sessions.setdefault(header.client_id, [])
            changes.append((header.zxid, record.timeout))
        elif header.type == Op.closeSession:
            for path in record.paths_to_delete:
                self._delete(header.zxid, path)
            self.sessions.setdefault(header.client_id, []).append((header.zxid, None))
        elif header.type == Op.multi:
            if not any(part.type == Op.error for part in record.txns):
                for part in record.txns:
                    self._change(header, part.type, decode_body(part.type, part.data))
        else:
            self._change(header, header.type, record)

    def _change(self, header: Any, kind: int, record: Any) -> None:
        if kind in CREATES:
            self._create(header, kind, record)
        elif kind in (Op.delete, Op.deleteContainer):
            self._delete(header.zxid, record.path)
        elif kind in (Op.setData, Op.reconfig):
            old = self._existing(record.path)
            new = old._replace(
                data=record.data, version=record.version, mzxid=header.zxid, mtime=header.time
            )
            self._put(header.zxid, record.path, new)
            self._tell(header.zxid, EventType.NODE_DATA_CHANGED, record.path)
        elif kind == Op.setACL:
            old = self._existing(record.path)
            new = old._replace(acl=tuple(record.acl), aversion=record.version)
            self._put(header.zxid, record.path, new)

    def _existing(self, path: bytes) -> NodeState:
        state = self.now(path)
        assert state is not None, f"a transaction changes {path!r}, which does not exist"
        return state

    def _create(self, header: Any, kind: int, record: Any) -> None:
        zxid, path, parent = header.zxid, record.path, parent_of(record.path)
        assert self.now(path) is None, f"a transaction creates {path!r}, which exists"
        above = self._existing(parent)
        owner = 0
        if kind == Op.createContainer:
            owner = CONTAINER
        elif kind == Op.createTTL:
            owner = TTL_BASE + record.ttl
        elif record.ephemeral:
            owner = header.client_id
        acl, time = tuple(record.acl), header.time
        new = NodeState(record.data, zxid, zxid, time, time, 0, 0, 0, owner, zxid, acl, frozenset())
        self._put(zxid, path, new)
        children = above.children | {path[path.rfind(b"/") + 1 :]}
        above = above._replace(children=children, creates=record.parent_cversion, pzxid=zxid)
        self._put(zxid, parent, above)
        self._tell(zxid, EventType.NODE_CREATED, path)
        self._tell(zxid, EventType.NODE_CHILDREN_CHANGED, parent)

    def _delete(self, zxid: int, path: bytes) -> None:
        state, parent = self._existing(path), parent_of(path)
        assert not state.children, f"a transaction deletes {path!r}, which has children"
        above = self._existing(parent)
        self._put(zxid, path, None)
        children = above.children - {path[path.rfind(b"/") + 1 :]}
        self._put(zxid, parent, above._replace(children=children, pzxid=zxid))
        self._tell(zxid, EventType.NODE_DELETED, path)
        self._tell(zxid, EventType.NODE_CHILDREN_CHANGED, parent)
