"""A znode tree as plain objects, to compare the real one with; and a leader that drives both.

`Model` knows what ZooKeeper does, written as simply as possible: no overlay, no records, every
count taken anew. `Leader` prepares operations over an `Outstanding`, logs them, and commits when
told; it keeps one model of the newest state and one of the committed state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from struct import Struct
from typing import Any

from zoo.jute.ephemeral import CONTAINER_OWNER, EphemeralKind, kind, ttl_owner
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.jute.txn_records import (
    CloseSessionTxn,
    CreateContainerTxn,
    CreateTTLTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    Txn,
    TxnDigest,
    TxnHeader,
)
from zoo.jute.txns import encode_txn
from zoo.persistence.snapshot import SnapshotDecoder, SnapshotEncoder
from zoo.tree import changes
from zoo.tree.acl import OPEN_ACL, Acl
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Edit, Outstanding
from zoo.tree.record import creates_under, node_digest, stat_of

STAT = Struct(">qqqqiiiqiiq")
ACLS: list[Acl] = [
    OPEN_ACL,
    (ACL(31, "world", "anyone"),),  # equal to the first, but another object
    (ACL(1, "world", "anyone"),),
    (ACL(31, "digest", "u:hash"), ACL(1, "ip", "10.0.0.0/8")),
]
TTL = 5000
TTL_OWNER, CONTAINER = ttl_owner(TTL), CONTAINER_OWNER
SYSTEM = (b"/", b"/zookeeper", b"/zookeeper/quota", b"/zookeeper/config")
QUOTA = b"/zookeeper/quota"
# ("create", path, data, index in ACLS, owner), ("delete", path), ("set", path, data),
# ("acl", path, index in ACLS), ("close", session)
Operation = tuple[Any, ...]


def parent_of(path: bytes) -> bytes:
    return path.rpartition(b"/")[0] or b"/"


def blob(data: bytes | None) -> bytes:
    return Struct(">i").pack(-1 if data is None else len(data)) + (data or b"")


@dataclass
class Node:
    data: bytes | None = b""
    acl: Acl = OPEN_ACL
    owner: int = 0
    czxid: int = 0
    mzxid: int = 0
    pzxid: int = 0
    ctime: int = 0
    mtime: int = 0
    version: int = 0
    aversion: int = 0
    creates: int = 0
    children: list[bytes] = field(default_factory=list)

    def record(self) -> bytes:
        n = len(self.children)
        return blob(self.data) + STAT.pack(
            self.czxid, self.mzxid, self.ctime, self.mtime, self.version, 2 * self.creates - n,
            self.aversion, self.owner, len(self.data or b""), n, self.pzxid,
        )  # fmt: skip


class Model:
    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {path: Node() for path in SYSTEM}
        self.nodes[b"/"].children.append(b"/zookeeper")
        self.nodes[b"/zookeeper"].children += (b"/zookeeper/quota", b"/zookeeper/config")
        self.nodes[b"/zookeeper/config"].acl = ACLS[2]
        self.nodes[b"/zookeeper/config"].aversion = -1

    def permits(self, op: Operation) -> bool:
        """Whether preparation would let it pass."""
        if op[0] == "close":
            return True
        path = op[1]
        if op[0] == "create":
            parent = self.nodes.get(parent_of(path))
            return path not in self.nodes and parent is not None and not parent.owner > 0
        if op[0] == "delete":
            node = self.nodes.get(path)
            return node is not None and not node.children and path not in SYSTEM
        return path in self.nodes

    def apply(self, op: Operation, zxid: int, time: int) -> None:
        getattr(self, "_" + op[0])(zxid, time, *op[1:])

    def _create(
        self, zxid: int, time: int, path: bytes, data: bytes | None, acl: int, owner: int
    ) -> None:
        parent = self.nodes[parent_of(path)]
        parent.creates += 1
        parent.pzxid = zxid
        parent.children.append(path)
        self.nodes[path] = Node(data, ACLS[acl], owner, zxid, zxid, zxid, time, time)
        if path.endswith(b"/zookeeper_stats"):
            below = path[len(QUOTA) : -len("/zookeeper_stats")]
            inside = [n for p, n in self.nodes.items() if p == below or p.startswith(below + b"/")]
            size = sum(len(n.data or b"") for n in inside)
            self.nodes[path].data = b"count=%d,bytes=%d" % (len(inside), size)
        self._count(path, 1, len(data or b""))

    def _delete(self, zxid: int, time: int, path: bytes) -> None:
        node = self.nodes.pop(path)
        parent = self.nodes[parent_of(path)]
        parent.pzxid = zxid
        parent.children.remove(path)
        self._count(path, -1, -len(node.data or b""))

    def _set(self, zxid: int, time: int, path: bytes, data: bytes | None) -> None:
        node = self.nodes[path]
        grown = len(data or b"") - len(node.data or b"")
        node.data, node.mzxid, node.mtime = data, zxid, time
        node.version += 1
        self._count(path, 0, grown)

    def _acl(self, zxid: int, time: int, path: bytes, acl: int) -> None:
        self.nodes[path].acl = ACLS[acl]
        self.nodes[path].aversion += 1

    def _close(self, zxid: int, time: int, session: int) -> None:
        for path in self.owned_by(session):
            self._delete(zxid, time, path)

    def owned_by(self, session: int) -> list[bytes]:
        return [path for path, node in self.nodes.items() if node.owner == session]

    def _count(self, path: bytes, count: int, size: int) -> None:
        at = path
        while at != b"/":
            if QUOTA + at + b"/zookeeper_limits" in self.nodes:
                stats = self.nodes.get(QUOTA + at + b"/zookeeper_stats")
                if stats is not None:
                    pairs = dict(pair.split(b"=") for pair in (stats.data or b"").split(b","))
                    totals = int(pairs[b"count"]) + count, int(pairs[b"bytes"]) + size
                    stats.data = b"count=%d,bytes=%d" % totals
                return
            at = parent_of(at)

    def digest(self) -> int:
        return sum(node_digest(path, node.record()) for path, node in self.nodes.items())


class Leader:
    """Prepares, logs and, when told, commits; `events` are what watchers were told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, int, bytes, int, Acl]] = []
        self.tree = new_tree(self.events)
        self.view = Outstanding(self.tree)
        self.newest, self.settled = Model(), Model()
        self.queue: deque[tuple[int, tuple[Edit, ...], int, list[Operation]]] = deque()
        self.log: list[tuple[int, bytes]] = []
        self.zxid = 0

    @property
    def time(self) -> int:
        return 1_000_000 + self.zxid

    def write(self, op: Operation) -> bool:
        """Prepare one operation; a refused one is logged as an error. True if it passed."""
        self.zxid += 1
        if not self.newest.permits(op):
            self._log(0, Op.error, ErrorTxn(-101), None)
            self.queue.append((self.zxid, (), self.view.digest, []))
            return False
        edits, session, kind, txn = self._prepare(op)
        self._log(session, kind, txn, self.view.digest)
        self.queue.append((self.zxid, tuple(edits), self.view.digest, [op]))
        self.newest.apply(op, self.zxid, self.time)
        return True

    def multi(self, ops: list[Operation], fail: bool = False) -> bool:
        """All of them, or none: where one is refused, or the end is told to `fail`."""
        self.zxid += 1
        view, session = self.view, 0
        view.begin()
        edits: list[Edit] = []
        parts: list[Txn] = []
        done: list[Operation] = []
        trial = _copy(self.newest)
        for op in ops:
            owner = op[4] if op[0] == "create" and op[4] > 0 else 0
            if (
                op[0] in ("close", "acl")
                or not trial.permits(op)
                or owner not in (0, session or owner)
            ):
                continue
            session = session or owner
            new, _, kind, txn = self._prepare(op)
            edits += new
            parts.append(Txn(kind, encode(txn)))
            trial.apply(op, self.zxid, self.time)
            done.append(op)
        if fail:
            view.rollback()
            parts.append(Txn(Op.error, encode(ErrorTxn(-101))))
            edits, done = [], []
        else:
            view.keep()
            self.newest = trial
        self._log(session, Op.multi, MultiTxn(parts), view.digest)
        self.queue.append((self.zxid, tuple(edits), view.digest, done))
        return not fail

    def commit(self, count: int = 1 << 30) -> None:
        while self.queue and count:
            count -= 1
            zxid, edits, digest, ops = self.queue.popleft()
            self.tree.commit(zxid, edits)
            self.view.committed(edits)
            self.tree.digest = digest
            for op in ops:
                self.settled.apply(op, zxid, 1_000_000 + zxid)

    def _log(self, session: int, kind: int, txn: Any, digest: int | None) -> None:
        header = TxnHeader(session, 0, self.zxid, self.time, kind)
        tail = None if digest is None else TxnDigest(2, digest)
        self.log.append((self.zxid, encode_txn(header, txn, tail)))

    def _prepare(self, op: Operation) -> tuple[list[Edit], int, int, Any]:
        """Edits, session, type and body of the transaction."""
        view, zxid, time = self.view, self.zxid, self.time
        if op[0] == "close":
            paths = list(view.ephemerals_of(op[1]))
            edits = [changes.delete(view, path, zxid) for path in paths]
            return edits, op[1], Op.closeSession, CloseSessionTxn(paths)
        kind, path = op[:2]
        if kind == "delete":
            return [changes.delete(view, path, zxid)], 0, Op.delete, DeleteTxn(path)
        old = view.get(parent_of(path) if kind == "create" else path)
        assert old is not None
        if kind == "set":
            version = stat_of(old).version + 1
            edit = changes.set_data(view, path, blob(op[2]), version, zxid, time)
            return [edit], 0, Op.setData, SetDataTxn(path, op[2], version)
        if kind == "acl":
            aversion = stat_of(old).aversion + 1
            edit = changes.set_acl(view, path, ACLS[op[2]], aversion)
            return [edit], 0, Op.setACL, SetACLTxn(path, list(ACLS[op[2]]), aversion)
        _, _, data, acl, owner = op
        creates = creates_under(old) + 1
        edit = changes.create(view, path, blob(data), ACLS[acl], owner, creates, zxid, time)
        entries = list(ACLS[acl])
        if owner == TTL_OWNER:
            return [edit], 0, Op.createTTL, CreateTTLTxn(path, data, entries, creates, TTL)
        if owner == CONTAINER:
            container = CreateContainerTxn(path, data, entries, creates)
            return [edit], 0, Op.createContainer, container
        number = Op.create2 if zxid & 1 else Op.create
        return [edit], owner, number, CreateTxn(path, data, entries, owner != 0, creates)


def _copy(model: Model) -> Model:
    copied = Model()
    copied.nodes = {
        path: Node(**{**vars(node), "children": list(node.children)})
        for path, node in model.nodes.items()
    }
    return copied


def new_tree(events: list[tuple[Any, int, bytes, int, Acl]] | None = None) -> DataTree:
    told: list[tuple[Any, int, bytes, int, Acl]] = [] if events is None else events
    return DataTree(lambda *event: told.append(event), extended_types=True)


def state(tree: DataTree) -> dict[str, Any]:
    """Everything a tree holds; ACLs as the lists they are, orders that mean nothing sorted."""
    return {
        "zxid": tree.last_zxid,
        "nodes": dict(sorted(tree.nodes.items())),
        "children": {path: sorted(kids) for path, kids in sorted(tree.children.items())},
        "acls": {path: tree.acl_of(path) for path in sorted(tree.acls)},
        "veiled": sorted(tree.veiled),
        "ephemerals": {owner: sorted(paths) for owner, paths in sorted(tree.ephemerals.items())},
        "containers": sorted(tree.containers),
        "ttls": sorted(tree.ttls),
        "quotas": sorted(tree.quotas.paths()),
        "data_size": tree.data_size,
        "digest": tree.digest,
    }


def assert_consistent(tree: DataTree) -> None:
    """Everything that can be derived from the nodes is what deriving it anew gives."""
    kids: dict[bytes, list[bytes]] = {}
    for at, path in enumerate(tree.nodes):
        if at:
            parent = parent_of(path)
            assert parent in kids, f"{path!r} stands before its parent"
            kids[parent].append(path)
        kids[path] = []
    assert {p: sorted(k) for p, k in tree.children.items()} == {
        p: sorted(k) for p, k in kids.items() if k
    }
    owners: dict[Any, dict[bytes, None]] = {EphemeralKind.CONTAINER: {}, EphemeralKind.TTL: {}}
    for path, record in tree.nodes.items():
        stat = stat_of(record)
        assert stat.num_children == len(kids[path]), path
        assert stat.data_length == len(record) - 72, path
        what = kind(stat.ephemeral_owner)
        if what is not EphemeralKind.VOID:
            owner = stat.ephemeral_owner if what is EphemeralKind.NORMAL else what
            owners.setdefault(owner, {})[path] = None
    assert tree.containers == owners.pop(EphemeralKind.CONTAINER)
    assert tree.ttls == owners.pop(EphemeralKind.TTL)
    assert tree.ephemerals == owners
    assert tree.veiled.keys() == tree.acls.keys() | tree.containers.keys() | tree.ttls.keys()
    assert tree.acl_table._uses == Counter(tree.acls.values())
    assert {acl_id for acl_id, _ in tree.acl_table.items()} == set(tree.acls.values())
    assert tree.data_size == sum(len(p) + len(r) - 72 for p, r in tree.nodes.items())
    assert tree.digest == sum(node_digest(p, r) for p, r in tree.nodes.items())


def assert_same(tree: DataTree, model: Model) -> None:
    assert {p: n.record() for p, n in model.nodes.items()} == tree.nodes
    assert {p: n.acl for p, n in model.nodes.items()} == {p: tree.acl_of(p) for p in tree.nodes}
    assert {p: n.children for p, n in model.nodes.items() if n.children} == {
        p: list(kids) for p, kids in tree.children.items()
    }
    assert tree.digest == model.digest()


def assert_view_same(view: Outstanding, model: Model, paths: list[bytes]) -> None:
    """The overlay shows the newest state, but for the data of quota statistics: those follow
    commits."""
    for path in {*paths, *model.nodes}:
        record, node = view.get(path), model.nodes.get(path)
        if path.endswith(b"/zookeeper_stats"):
            assert (record is None) == (node is None), path
            continue
        assert record == (None if node is None else node.record()), path
        if node is not None:
            assert view.acl(path) == node.acl, path
    assert view.digest == model.digest()
    for session in {node.owner for node in model.nodes.values() if node.owner > 0} | {1, 2}:
        assert sorted(view.ephemerals_of(session)) == sorted(model.owned_by(session))


def encoded(
    acls: Iterable[tuple[int, Acl]], nodes: Iterable[tuple[bytes, bytes, int]], zxid: int
) -> bytes:
    """A snapshot file."""
    return b"".join(SnapshotEncoder({}, dict(acls), nodes, zxid).chunks())


def restored(content: bytes) -> DataTree:
    """A tree from a snapshot file."""
    tree = new_tree()
    decoder = SnapshotDecoder(BytesIO(content).read)
    tree.restore(decoder.acls.items(), decoder.nodes(), 0)
    assert decoder.last_zxid is not None
    tree.last_zxid = decoder.last_zxid
    return tree
