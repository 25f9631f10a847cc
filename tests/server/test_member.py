"""Whole ensembles of members, seen by their clients."""

from __future__ import annotations

from tests.server.member_rig import World
from tests.server.rig import create, put
from zoo.jute.client_records import GetDataRequest
from zoo.jute.operations import Op


def test_every_member_takes_writes_and_all_see_them() -> None:
    world = World(3, 1).boot()
    for number, node in enumerate(world.nodes.values(), 1):
        client = node.client()
        path = b"/from%d" % number
        replies = client.ask(
            (Op.create, create(path, b"1")),
            (Op.setData, put(path, b"22")),
            (Op.getData, GetDataRequest(path, False)),
        )
        assert [reply.err for reply in replies] == [0, 0, 0]
        assert replies[2].record(Op.getData).data == b"22"
        assert [reply.xid for reply in replies] == [1, 2, 3]
    world.assert_same()
    assert {node.core.mode for node in world.running} == {"leader", "follower", "observer"}
