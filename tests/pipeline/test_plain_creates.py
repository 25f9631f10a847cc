"""The short way of create held against the long one: same log, replies, tree and digests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.plain_rig import (
    FRAME,
    QUOTA,
    READ_ONLY,
    READ_WRITE,
    History,
    Server,
    broken,
    create,
    histories,
    paths,
    play,
)
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.pipeline.plain_creates import PlainCreates
from zoo.tree.record import (
    MAX_INT32,
    creates_under,
    node_digest,
    pack_stat,
    stat_of,
    wire_cversion,
)

OPEN = [ACL(31, "world", "anyone")]
PARENTS = [b"", b"/a", b"/a/b", "/é".encode(), b"/null", b"/q", b"/eph", b"/box", b"/read", b"/nw"]


def payload(
    path: bytes, data: bytes | None = b"new", flags: int = 0, acl: list[ACL] = OPEN
) -> bytes:
    return encode(c.CreateRequest(path, data, list(acl), flags))


def ours(enforce_quota: bool = False) -> Server:
    return Server(PlainCreates, enforce_quota=enforce_quota)


names = st.sampled_from([b"a", b"b", b"n", b"m", "ü".encode(), b"x-"])
fresh = st.builds(lambda parent, name: parent + b"/" + name, st.sampled_from(PARENTS), names)
sequences = st.builds(lambda parent: parent + b"/", st.sampled_from(PARENTS))
datas = st.one_of(st.binary(max_size=8), st.sampled_from([None, b"", bytes(50), bytes(100)]))
flags = st.sampled_from([0, 0, 0, 2, 2, 1, 3, 4, 5, -1, 256])
acls = st.sampled_from([OPEN, OPEN, OPEN, READ_WRITE, [*OPEN, *OPEN], []])
valid = st.builds(payload, st.one_of(fresh, fresh, sequences, paths), datas, flags, acls)
ops = st.sampled_from([Op.create, Op.create2])
creates = st.tuples(ops, valid)
broken_creates = st.tuples(ops, broken(valid))
sets = st.builds(
    lambda path: (Op.setData, encode(c.SetDataRequest(path, b"set", -1))), st.one_of(fresh, paths)
)


@settings(max_examples=200, deadline=None)
@given(
    histories(creates, creates, creates, broken_creates, sets),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_the_short_way_is_the_long_way(
    history: History, enforce_quota: bool, extended: bool, digest: bool
) -> None:
    short = play(PlainCreates, history, enforce_quota, extended, digest)
    assert digest or not short.short_ways


@pytest.mark.parametrize("op", [Op.create, Op.create2])
@pytest.mark.parametrize(
    "request_",
    [
        payload(b"/n"),
        payload(b"/a/n", b""),
        payload("/é/ü".encode()),
        payload(b"/null/n"),
        payload(b"/q/n"),
        payload(b"/n-", flags=2),
        payload(b"/a/", flags=2),
    ],
)
def test_ordinary_requests_go_the_short_way(op: Op, request_: bytes) -> None:
    server = ours()
    assert server.send(op, request_)
    below = b"/n" if b"/n-" not in request_ else b"/a"
    assert server.send(op, payload(below + b"/m")) == (below in server.rig.view.records)


@pytest.mark.parametrize(
    "request_",
    [
        *(payload(path) for path in (b"/a", b"/", b"", b"/none/n", b"bad", b"/a/", b"/a/../n")),
        *(payload(parent + b"/n") for parent in (b"/read", b"/acl", b"/box", b"/ttl", b"/eph")),
        *(payload(parent + b"/n") for parent in (b"/foreign", b"/zookeeper", QUOTA)),
        *(payload(b"/n", flags=flags) for flags in (1, 3, 4, 5, 6, -1)),
        payload(b"/n", None),
        payload(b"/n", acl=READ_WRITE),
        payload(b"/n", acl=[]),
        payload(b"/n", acl=[*OPEN, *OPEN]),
        payload(b"/\xff"),
        payload(b"/n\0"),
        payload(b"/n")[:-1],
        payload(b"/n") + b"\0",
        payload(b"/n")[:6],
        b"",
        b"\xff\xff\xff\xff" + payload(b"/n")[4:],
        b"\x7f\xff\xff\xff" + payload(b"/n")[4:],
    ],
)
def test_special_ones_go_the_long_way(request_: bytes) -> None:
    for more_input_behind_it in range(2):
        server = ours()
        server.rig.cxid = more_input_behind_it
        assert not server.send(Op.create, request_)  # which checks that nothing has changed


def test_outstanding_acls_containers_and_deletes_are_special() -> None:
    server = ours()
    server.write(Op.setACL, c.SetACLRequest(b"/a", READ_ONLY, -1))
    server.write(Op.createContainer, create(b"/chest", 4))
    server.write(Op.delete, c.DeleteRequest(b"/q/x", -1))
    assert not server.send(Op.create, payload(b"/a/n"))
    assert not server.send(Op.create, payload(b"/chest/n"))
    assert not server.send(Op.create, payload(b"/q/x/n"))
    assert not server.send(Op.create, payload(b"/q/x"))


def test_a_parent_that_has_had_all_its_children_is_special() -> None:
    server = ours()
    nodes = server.rig.tree.nodes
    for creates in (MAX_INT32 - 1, MAX_INT32):
        old = stat_of(nodes[b"/old"])
        cversion = wire_cversion(creates, old.num_children)
        nodes[b"/old"] = nodes[b"/old"][:4] + pack_stat(*old._replace(cversion=cversion))
        assert server.send(Op.create, payload(b"/old/n%d" % creates)) == (creates < MAX_INT32)
        server.commit(9)
    assert creates_under(nodes[b"/old"]) == MAX_INT32


def frames(*requests: tuple[Op, bytes]) -> bytes:
    return b"".join(
        FRAME.pack(8 + len(body), xid, op) + body for xid, (op, body) in enumerate(requests, 1)
    )


RUN = [
    (Op.create, payload(b"/a/n")),
    (Op.create2, payload(b"/a/s-", flags=2)),
    (Op.create, payload(b"/a/n/deeper")),
    (Op.create2, payload(b"/a/n/deeper/still", b"")),
    (Op.create, payload(b"/a/s-", flags=2)),
    (Op.create, payload(b"/top")),
]


def test_a_run_is_what_its_creates_are_one_by_one() -> None:
    server, long = ours(), Server(None)
    rig = server.rig
    assert isinstance(server.plain, PlainCreates)
    data = frames(*RUN, (Op.create, payload(b"/none/n")))
    run, stop = server.plain.take(rig.me, data, 0, len(data), 1000)
    assert len(run) == len(RUN)
    assert stop == len(frames(*RUN))
    server.waiting.extend(run)
    long.rig.cxid = 0
    for op, body in RUN:
        long.send(op, body)
    for each in (server, long):
        each.commit(99)
    assert server.visible() == long.visible()
    assert rig.tree.digest == sum(node_digest(p, r) for p, r in rig.tree.nodes.items())


def test_a_run_is_no_longer_than_allowed() -> None:
    server = ours()
    assert isinstance(server.plain, PlainCreates)
    data = frames(*RUN)
    for most in (0, 2):
        run, stop = server.plain.take(server.rig.me, data, 0, len(data), most)
        assert (len(run), stop) == (most, len(frames(*RUN[:most])))


def test_quotas_are_special_where_they_are_enforced() -> None:
    assert ours().send(Op.create, payload(b"/q/n", bytes(100)))
    server = ours(enforce_quota=True)
    assert not server.send(Op.create, payload(b"/q/n", bytes(100)))
    server.commit(1)
    assert "limit 90" in server.rig.warnings[-1]
