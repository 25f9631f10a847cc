"""Two servers with the same history, one of which has a short way in front of Prep."""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Any

from hypothesis import strategies as st

from tests.pipeline.rig import OPEN, WALL, Rig
from zoo.jute import client_records as c
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.pipeline.plain_writes import PlainWrites
from zoo.pipeline.proposal import Proposal
from zoo.tree.record import MAX_INT32, VERSION_AT_END, node_digest

READ_WRITE = [ACL(3, "world", "anyone")]
READ_ONLY = [ACL(1, "world", "anyone")]
FRAME = Struct(">iii")  # length, xid, operation
FOREIGN = -(1 << 60)  # the session of a server whose number has the top bit set
QUOTA = b"/zookeeper/quota/q"
LIMITS, STATS = QUOTA + b"/zookeeper_limits", QUOTA + b"/zookeeper_stats"


def create(path: bytes, flags: int = 0, acl: list[ACL] = OPEN, data: bytes = b"") -> Any:
    return c.CreateRequest(path, data, list(acl), flags)


TREE: list[tuple[Op, Any]] = [
    *((Op.create, create(path)) for path in (b"/a", b"/a/b", b"/old", b"/q", b"/q/x")),
    (Op.create, create("/é".encode(), data=b"long" * 30)),
    (Op.create, create(b"/null")),
    (Op.setData, c.SetDataRequest(b"/null", None, -1)),
    (Op.create, create(b"/eph", 1)),
    (Op.create, create(b"/acl", acl=READ_WRITE)),
    (Op.create, create(b"/read", acl=READ_ONLY)),
    (Op.createContainer, create(b"/box", 4)),
    (Op.createTTL, c.CreateTTLRequest(b"/ttl", b"", OPEN, 5, 77)),
    (Op.create, create(QUOTA)),
    (Op.create, create(LIMITS, data=b"count=-1,bytes=60=;byteHardLimit=90")),
    (Op.create, create(STATS)),
]
PATHS = [
    *(b"/a", b"/a/b", b"/old", b"/q", b"/q/x", "/é".encode(), b"/null", b"/eph", b"/acl", b"/read"),
    *(b"/box", b"/ttl", b"/foreign", QUOTA, LIMITS, STATS, b"/zookeeper", b"/zookeeper/config"),
    *(b"/", b"", b"/none", b"bad", b"/a/", b"/a/../a", b"/\xff"),
]


class Server:
    """A rig with TREE in it, and a queue of what waits for its commit."""

    def __init__(
        self,
        short: type[PlainWrites] | None,
        *,
        enforce_quota: bool = False,
        extended: bool = True,
    ) -> None:
        self.rig = rig = Rig(enforce_quota=enforce_quota, extended=extended)
        self.plain = short(rig.prep) if short else None
        self.waiting: deque[Any] = deque()
        self.log: list[bytes] = []
        self.replies: list[bytes | None] = []
        self.short_ways = 0
        for op, record in TREE:
            rig.do(op, record)  # the TTL is refused where there are no extended types
        rig.me.session_id, mine = FOREIGN, rig.me.session_id
        rig.do(Op.create, create(b"/foreign", 1))
        rig.me.session_id = mine
        old = rig.tree.nodes[b"/old"]
        at = len(old) - VERSION_AT_END
        rig.tree.nodes[b"/old"] = old[:at] + MAX_INT32.to_bytes(4, "big") + old[at + 4 :]
        rig.tree.digest = sum(node_digest(p, r) for p, r in rig.tree.nodes.items())
        rig.view.digest = rig.tree.digest
        rig.tree.watches.add_watch(b"/", rig.me, 1)

    def uncommitted(self) -> tuple[Any, ...]:
        view, role = self.rig.view, self.rig.role
        overlay = dict(view.records), dict(view.acls), dict(view.deleted), dict(view.digests)
        return (*overlay, view.digest, role.proposed, role.next_zxid())

    def send(self, op: Op, payload: bytes) -> bool:
        """Prepare a write; True if it went the short way."""
        rig = self.rig
        rig.cxid += 1
        if self.plain is not None:
            before = self.uncommitted()
            frame = FRAME.pack(8 + len(payload), rig.cxid, op) + payload
            behind = bytes(rig.cxid % 2 * 40)  # more input, or not
            run, end = self.plain.take(  # type: ignore[attr-defined]
                rig.me, b"abc" + frame + behind, 3, 3 + len(frame + behind), 1000
            )
            if run:
                (plain,) = run
                assert end == 3 + len(frame)
                assert plain[4] is rig.me
                self.waiting.append(plain)
                self.short_ways += 1
                return True
            assert self.uncommitted() == before, "declined, but changed something"
        try:
            self.waiting.append(rig.prep.prepare(rig.me, rig.cxid, op, payload))
        except JuteError:
            self.replies.append(None)
        return False

    def write(self, op: Op, record: Any) -> None:
        self.waiting.append(self.rig.prepare(op, record))

    def commit(self, count: int) -> None:
        rig = self.rig
        ready = rig.role.ready()
        if ready is not None:
            self.log += ready.entries
            rig.role.on_persisted(ready.last_zxid)
        for _ in range(min(count, len(self.waiting))):
            done = self.waiting.popleft()
            if isinstance(done, Proposal):
                rig.tree.commit(done.zxid, done.edits)
                rig.view.committed(done.edits)
                rig.tree.digest = done.digest
                self.replies.append(done.reply)
                continue
            zxid, path, record, reply, _, digest, *parents = done
            if parents:
                parent, parent_record = parents
                rig.tree.commit_create(zxid, path, record, parent, parent_record)
                if rig.view.records.get(parent) is parent_record:
                    del rig.view.records[parent]
            else:
                rig.tree.commit_set(zxid, path, record)
            if rig.view.records.get(path) is record:
                del rig.view.records[path]
            rig.tree.digest = digest
            self.replies.append(reply)

    def visible(self) -> dict[str, Any]:
        rig = self.rig
        tree, view = rig.tree, rig.view
        return {
            "log": self.log,
            "replies": self.replies,
            "nodes": tree.nodes,
            "acls": {path: tree.acl_of(path) for path in tree.acls},
            "tree": (tree.last_zxid, tree.digest, tree.data_size, tree.children),
            "overlay": (view.records, view.acls, view.digest),
            "events": rig.me.events,
            "warnings": rig.warnings,
        }


@st.composite
def broken(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """A request with a few bytes changed, missing or too many."""
    whole = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(whole) - 1))
        whole[at] = draw(st.sampled_from([0, 1, 4, 0x7F, 0x80, 0xFF]))
    cut = draw(st.integers(0, len(whole)))
    return bytes(whole[:cut]) if draw(st.booleans()) else bytes(whole) + draw(st.binary(max_size=5))


paths = st.sampled_from([*PATHS, *[b"/a", b"/a/b", b"/q/x", "/é".encode(), b"/eph"] * 3])
versions = st.sampled_from([-1, -1, -1, 0, 1, 2, 3, MAX_INT32, -(1 << 31)])
others = st.one_of(
    st.builds(lambda p: (Op.delete, c.DeleteRequest(p, -1)), paths),
    st.builds(lambda p, d: (Op.create, create(p, data=d)), paths, st.binary(max_size=60)),
    st.builds(lambda p: (Op.create, create(p, acl=READ_WRITE)), paths),
    st.builds(
        lambda p, a: (Op.setACL, c.SetACLRequest(p, list(a), -1)),
        paths,
        st.sampled_from([OPEN, READ_WRITE, READ_ONLY]),
    ),
    st.builds(  # many of these roll back
        lambda p, version: (
            Op.multi,
            [
                (Op.setData, c.SetDataRequest(p, b"multi", -1)),
                (Op.check, c.CheckVersionRequest(b"/a/b", version)),
            ],
        ),
        paths,
        versions,
    ),
)


History = list[tuple[str, Any]]


def histories(*short: st.SearchStrategy[tuple[Op, bytes]]) -> st.SearchStrategy[History]:
    """Steps for `play`: requests that may go the short way, other writes, commits."""
    sends = [st.tuples(st.just("send"), requests) for requests in short]
    return st.lists(
        st.one_of(
            *sends,
            st.tuples(st.just("write"), others),
            st.tuples(st.just("commit"), st.integers(0, 4)),
        ),
        max_size=40,
    )


def play(
    kind: type[PlainWrites], history: History, enforce_quota: bool, extended: bool, digest: bool
) -> Server:
    """The same history both ways: what anybody can see must be the same at its end, and once all
    of it has committed. Returns the server with the short way.
    """
    short, long = (
        Server(way, enforce_quota=enforce_quota, extended=extended) for way in (kind, None)
    )
    for server in (short, long):
        if not digest:
            server.rig.tree.digest_enabled = server.rig.view.digest_enabled = False
        for now, (what, value) in enumerate(history):
            server.rig.prep.wall_ms = WALL + now
            if what == "send":
                server.send(*value)
            elif what == "write":
                server.write(*value)
            else:
                server.commit(value)
        server.commit(0)
    assert short.visible() == long.visible()
    for server in (short, long):
        server.commit(len(server.waiting))
    assert short.visible() == long.visible()
    if digest:
        tree = short.rig.tree
        assert tree.digest == sum(node_digest(p, r) for p, r in tree.nodes.items())
    return short
