"""The short way of setData held against the long one: same log, replies, tree and digests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.plain_rig import (
    QUOTA,
    READ_ONLY,
    STATS,
    History,
    Server,
    broken,
    histories,
    paths,
    play,
    versions,
)
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.pipeline.plain_sets import PlainSets
from zoo.tree.record import node_digest


def payload(path: bytes, data: bytes | None = b"new", version: int = -1) -> bytes:
    return encode(c.SetDataRequest(path, data, version))


def ours(enforce_quota: bool = False) -> Server:
    return Server(PlainSets, enforce_quota=enforce_quota)


def set_data(server: Server, request: bytes) -> bool:
    return server.send(Op.setData, request)


datas = st.one_of(st.binary(max_size=8), st.sampled_from([None, b"", bytes(50), bytes(100)]))
valid = st.builds(payload, paths, datas, versions)
sets = st.tuples(st.just(Op.setData), valid)
broken_sets = st.tuples(st.just(Op.setData), broken(valid))


@settings(max_examples=150, deadline=None)
@given(histories(sets, sets, broken_sets), st.booleans(), st.booleans(), st.booleans())
def test_the_short_way_is_the_long_way(
    history: History, enforce_quota: bool, extended: bool, digest: bool
) -> None:
    short = play(PlainSets, history, enforce_quota, extended, digest)
    assert digest or not short.short_ways


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
    server = ours()
    assert set_data(server, request_)
    assert set_data(server, request_[:-4] + b"\xff" * 4), "over an outstanding one too"


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
        server = ours()
        server.rig.cxid = more_input_behind_it
        assert not set_data(server, request_)  # which checks that nothing has changed


def test_an_outstanding_acl_or_delete_is_special() -> None:
    server = ours()
    server.write(Op.setACL, c.SetACLRequest(b"/a", READ_ONLY, -1))
    server.write(Op.delete, c.DeleteRequest(b"/q/x", -1))
    assert not set_data(server, payload(b"/a"))
    assert not set_data(server, payload(b"/q/x"))
    server.commit(9)
    assert not set_data(server, payload(b"/a"))


def test_a_guarded_node_stays_guarded_while_a_change_of_it_is_outstanding() -> None:
    server = ours()
    server.write(Op.setData, c.SetDataRequest(b"/acl", b"by who may", -1))
    assert not set_data(server, payload(b"/acl"))
    server.commit(1)
    assert not set_data(server, payload(b"/acl"))


def test_a_multi_rolled_back_leaves_no_digest_behind() -> None:
    server = ours()
    items = [
        (Op.setData, c.SetDataRequest(b"/a", b"lost", -1)),
        (Op.delete, c.DeleteRequest(b"/none", -1)),
    ]
    server.write(Op.multi, items)
    assert set_data(server, payload(b"/a"))
    server.commit(2)
    nodes = server.rig.tree.nodes
    assert server.rig.tree.digest == sum(node_digest(p, r) for p, r in nodes.items())


def test_quotas_are_special_where_they_are_enforced() -> None:
    assert set_data(ours(), payload(b"/q/x", bytes(100)))
    server = ours(enforce_quota=True)
    assert not set_data(server, payload(b"/q/x", bytes(100)))
    server.commit(1)
    assert "limit 90" in server.rig.warnings[-1]
