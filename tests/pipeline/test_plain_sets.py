"""The short way of setData held against the long one: same log, replies, tree and digests.

Two servers get the same history. One has PlainSets in front of Prep, the other has not.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.rig import OPEN, WALL, Rig
from zoo.jute import client_records as c
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.pipeline.plain_sets import PlainSets
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

    def __init__(self, *, short: bool, enforce_quota: bool = False, extended: bool = True) -> None:
        self.rig = rig = Rig(enforce_quota=enforce_quota, extended=extended)
        self.plain_sets = PlainSets(rig.prep) if short else None
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

    def set_data(self, payload: bytes) -> bool:
        """Prepare a setData; True if it went the short way."""
        rig = self.rig
        rig.cxid += 1
        if self.plain_sets is not None:
            before = self.uncommitted()
            frame = FRAME.pack(8 + len(payload), rig.cxid, Op.setData) + payload
            behind = bytes(rig.cxid % 2 * 40)  # more input, or not
            run, end = self.plain_sets.take(
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
            self.waiting.append(rig.prep.prepare(rig.me, rig.cxid, Op.setData, payload))
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
            zxid, path, record, reply, _, digest = done
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


def payload(path: bytes, data: bytes | None = b"new", version: int = -1) -> bytes:
    return encode(c.SetDataRequest(path, data, version))


paths = st.sampled_from([*PATHS, *[b"/a", b"/a/b", b"/q/x", "/é".encode(), b"/eph"] * 3])
datas = st.one_of(st.binary(max_size=8), st.sampled_from([None, b"", bytes(50), bytes(100)]))
versions = st.sampled_from([-1, -1, -1, 0, 1, 2, 3, MAX_INT32, -(1 << 31)])
valid = st.builds(payload, paths, datas, versions)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A request with a few bytes changed, missing or too many."""
    whole = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(whole) - 1))
        whole[at] = draw(st.sampled_from([0, 1, 4, 0x7F, 0x80, 0xFF]))
    cut = draw(st.integers(0, len(whole)))
    return bytes(whole[:cut]) if draw(st.booleans()) else bytes(whole) + draw(st.binary(max_size=5))


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
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), valid),
        st.tuples(st.just("set"), valid),
        st.tuples(st.just("set"), broken()),
        st.tuples(st.just("write"), others),
        st.tuples(st.just("commit"), st.integers(0, 4)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.booleans(), st.booleans(), st.booleans())
def test_the_short_way_is_the_long_way(
    history: list[tuple[str, Any]], enforce_quota: bool, extended: bool, digest: bool
) -> None:
    short, long = (
        Server(short=way, enforce_quota=enforce_quota, extended=extended) for way in (True, False)
    )
    for server in (short, long):
        if not digest:
            server.rig.tree.digest_enabled = server.rig.view.digest_enabled = False
        for now, (what, value) in enumerate(history):
            server.rig.prep.wall_ms = WALL + now
            if what == "set":
                server.set_data(value)
            elif what == "write":
                server.write(*value)
            else:
                server.commit(value)
        server.commit(0)
    assert short.visible() == long.visible()
    for server in (short, long):
        server.commit(len(server.waiting))
    assert short.visible() == long.visible()
    assert digest or not short.short_ways
    if digest:
        tree = short.rig.tree
        assert tree.digest == sum(node_digest(p, r) for p, r in tree.nodes.items())


@pytest.mark.parametrize(
    "request_",
    [
        payload(b"/a"),
        payload(b"/a", b"", 0),
        payload("/é".encode()),
        payload(b"/eph"),
    ],
)
def test_ordinary_requests_go_the_short_way(request_: bytes) -> None:
    server = Server(short=True)
    assert server.set_data(request_)
    assert server.set_data(request_[:-4] + b"\xff" * 4), "over an outstanding one too"


@pytest.mark.parametrize(
    "request_",
    [
        *(payload(path) for path in (b"/acl", b"/read", b"/box", b"/ttl", b"/old")),
        *(payload(path) for path in (QUOTA, STATS, b"/zookeeper/config", b"/none", b"/", b"")),
        payload(b"/a", None),
        payload(b"/a", version=1),
        payload(b"/a", version=-2),
        payload(b"/a")[:-1],
        payload(b"/a") + b"\0",
        payload(b"/a")[:6],
        b"",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff" + payload(b"/a")[6:],
        b"\x7f\xff\xff\xff" + payload(b"/a")[4:],
    ],
)
def test_special_ones_go_the_long_way(request_: bytes) -> None:
    for more_input_behind_it in range(2):
        server = Server(short=True)
        server.rig.cxid = more_input_behind_it
        assert not server.set_data(request_)  # which checks that nothing has changed


def test_an_outstanding_acl_or_delete_is_special() -> None:
    server = Server(short=True)
    server.write(Op.setACL, c.SetACLRequest(b"/a", READ_ONLY, -1))
    server.write(Op.delete, c.DeleteRequest(b"/q/x", -1))
    assert not server.set_data(payload(b"/a"))
    assert not server.set_data(payload(b"/q/x"))
    server.commit(9)
    assert not server.set_data(payload(b"/a"))


def test_a_multi_rolled_back_leaves_no_digest_behind() -> None:
    server = Server(short=True)
    items = [
        (Op.setData, c.SetDataRequest(b"/a", b"lost", -1)),
        (Op.delete, c.DeleteRequest(b"/none", -1)),
    ]
    server.write(Op.multi, items)
    assert server.set_data(payload(b"/a"))
    server.commit(2)
    nodes = server.rig.tree.nodes
    assert server.rig.tree.digest == sum(node_digest(p, r) for p, r in nodes.items())


def test_quotas_are_special_where_they_are_enforced() -> None:
    assert Server(short=True).set_data(payload(b"/q/x", bytes(100)))
    server = Server(short=True, enforce_quota=True)
    assert not server.set_data(payload(b"/q/x", bytes(100)))
    server.commit(1)
    assert "limit 90" in server.rig.warnings[-1]


def test_without_digests_all_is_special() -> None:
    server = Server(short=True)
    server.rig.view.digest_enabled = False
    assert not server.set_data(payload(b"/a"))
