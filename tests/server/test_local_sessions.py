"""Local sessions, their upgrade, and the read-only mode that knows no others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.member_rig import Node, World
from tests.server.rig import CONNECT, Client, create, frame, put, reply_of, request
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.multi import encode_request
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.server.local_sessions import needs_global
from zoo.session.ids import password

LOCAL = {"localSessionsEnabled": "true"}
UPGRADING = {**LOCAL, "localSessionsUpgradingEnabled": "true"}
READ_ONLY = {"readonlymode.enabled": "true", "4lw.commands.whitelist": "*"}


def session_of(client: Client) -> int:
    return client.connection.session_id


def hello(node: Node, session_id: int = 0, read_only: bool | None = True) -> Client:
    secret = password(session_id) if session_id else bytes(16)
    client = Client(node)
    connect = c.ConnectRequest(0, 0, 10_000, session_id, secret, read_only)
    client.send(frame(encode(connect)))
    return client


def answer_to(client: Client) -> c.ConnectResponse:
    return decode(c.ConnectResponse, client.frames()[0])


def errors(client: Client, *requests: Any) -> list[int]:
    return [reply.err for reply in client.ask(*requests)]


@pytest.mark.parametrize("is_leader", [True, False])
def test_a_local_session_reads_and_writes_and_nobody_else_knows_it(is_leader: bool) -> None:
    world = World(3, config=LOCAL).boot()
    node = world.leader if is_leader else world.learners[0]
    zxid = node.member.last_zxid
    client = node.client()
    assert node.member.last_zxid == zxid
    assert session_of(client) not in world.leader.core.sessions
    assert errors(
        client,
        (Op.create, create(b"/a")),
        (Op.setData, put(b"/a", b"x")),
        (Op.create, create(b"x")),
    ) == [0, 0, Code.BADARGUMENTS]
    assert node.core.view.local_session_count() == 1
    assert errors(client, Op.closeSession) == [0]
    assert not client.is_open
    assert len(node.core.local_sessions) == 0
    world.assert_same()


@pytest.mark.parametrize("is_leader", [True, False])
def test_the_close_of_a_local_session_waits_for_its_writes(is_leader: bool) -> None:
    world = World(3, config=LOCAL).boot()
    node = world.leader if is_leader else world.learners[0]
    client = node.client()
    client.send(request(1, Op.create, create(b"/a")) + request(2, Op.closeSession))
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0), (2, 0)]


@pytest.mark.parametrize("is_leader", [True, False])
@pytest.mark.parametrize("config", [LOCAL, UPGRADING], ids=["stays local", "may upgrade"])
def test_what_comes_behind_the_close_of_a_local_session_is_not_done(
    config: dict[str, str], is_leader: bool
) -> None:
    """Nor does it make the session global: seed 1205."""
    world = World(3, config=config).boot()
    node = world.leader if is_leader else world.learners[0]
    client = node.client()
    client.send(
        request(1, Op.create, create(b"/a"))
        + request(2, Op.closeSession)
        + request(3, Op.create, create(b"/b"))
        + request(4, Op.setACL, c.SetACLRequest(b"/a", [], -1))
        + request(5, Op.closeSession)
        + request(6, Op.create, create(b"/e", flags=1))
    )
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0), (2, 0)]
    assert not client.is_open
    assert b"/a" in node.tree_of
    assert not {b"/b", b"/e"} & set(node.tree_of)
    assert session_of(client) not in world.leader.core.sessions


@pytest.mark.parametrize("is_leader", [True, False])
def test_an_ephemeral_makes_a_local_session_global(is_leader: bool) -> None:
    world = World(3, 1, config=UPGRADING).boot()
    node = world.leader if is_leader else world.learners[0]
    client = node.client()
    session_id = session_of(client)
    ephemerals = (Op.create, create(b"/e", flags=1)), (Op.create2, create(b"/f", flags=3))
    assert errors(client, *ephemerals) == [0, 0]
    assert all(session_id in each.core.sessions for each in world.running)
    assert session_id not in node.core.local_sessions
    world.assert_same()
    for _ in range(20):
        world.run(1000)
        assert errors(client, Op.ping) == [0]
    moved = hello(world.learners[1], session_id)
    assert answer_to(moved).session_id == session_id
    assert errors(moved, Op.closeSession) == [0]
    assert all(b"/e" not in each.tree_of for each in world.running)


@pytest.mark.parametrize("is_leader", [True, False])
def test_where_it_may_not_it_is_refused(is_leader: bool) -> None:
    world = World(3, config=LOCAL).boot()
    client = (world.leader if is_leader else world.learners[0]).client()
    refused = Code.EPHEMERALONLOCALSESSION
    assert errors(client, (Op.create, create(b"/e", flags=1)), (Op.create, create(b"/p"))) == [
        refused,
        0,
    ]
    parts = [(Op.create, create(b"/m")), (Op.create, create(b"/e", flags=1))]
    assert errors(client, (Op.multi, parts)) == [refused]
    world.assert_same()


def test_a_leader_lets_no_unknown_session_own_a_znode() -> None:
    world = World(3, config=LOCAL).boot()
    client = world.learners[0].client()
    client.connection.session.is_local = False  # a learner that does not care
    assert errors(client, (Op.create, create(b"/e", flags=1))) == [Code.SESSIONEXPIRED]
    client.connection.session.is_local = True
    ours = world.leader.core.ids.next()
    world.leader.begin()
    world.leader.member.request(object(), ours, 1, Op.create, encode(create(b"/late")), ())
    world.pump()
    assert b"/late" not in world.leader.tree_of


def test_a_local_session_expires_at_its_own_server() -> None:
    world = World(3, config=LOCAL).boot()
    node = world.learners[0]
    talking, silent = node.client(), node.client()
    for _ in range(20):
        world.run(1000)
        assert errors(talking, Op.ping) == [0]
    assert not silent.is_open
    assert [*map(node.core.local_sessions.__contains__, map(session_of, (talking, silent)))] == [
        True,
        False,
    ]


def test_a_local_session_comes_back_to_its_server_and_to_no_other() -> None:
    world = World(3, config=LOCAL).boot()
    node, other = world.learners
    session_id = session_of(node.client())
    assert answer_to(hello(other, session_id)).session_id == 0
    assert answer_to(hello(node, session_id)).session_id == session_id
    world.leader.crash()
    world.run_until(world.all_serve)
    again = hello(node, session_id)
    assert answer_to(again).session_id == session_id
    assert errors(again, (Op.create, create(b"/a"))) == [0]


def wire_of(world: World, node: Node) -> Any:
    return next(wire for wire in world.wires if wire.learner is node)


def test_a_local_session_on_a_new_connection_is_not_told_what_the_old_one_asked_for() -> None:
    world = World(3, config=LOCAL).boot()
    node = world.learners[0]
    first = node.client()
    wire_of(world, node).is_held = True
    assert first.ask((Op.create, create(b"/a"))) == []
    second = hello(node, session_of(first))
    assert second.take() == b""  # what it reads from now on must show what it has asked for
    second.send(request(1, Op.create, create(b"/b")))
    wire_of(world, node).is_held = False
    world.pump()
    answer, reply = second.frames()
    assert decode(c.ConnectResponse, answer).session_id == session_of(first)
    assert reply_of(reply).record(Op.create).path == b"/b"
    assert not first.is_open
    assert {b"/a", b"/b"} <= node.tree_of.keys()


def test_nor_at_the_leader() -> None:
    world = World(3, config=LOCAL).boot()
    node = world.leader
    first = node.client()
    for each in world.running:
        each.disk_works = False
    assert first.ask((Op.create, create(b"/a"))) == []
    second = hello(node, session_of(first))
    assert second.take() == b""
    for each in world.running:
        each.disk_works = True
    world.pump()
    assert answer_to(second).session_id == session_of(first)
    assert b"/a" in node.tree_of


def test_a_session_that_has_ended_is_not_taken_for_a_local_one() -> None:
    world = World(3, config=UPGRADING).boot()
    node = world.learners[0]
    client = node.client()
    assert errors(client, (Op.create, create(b"/e", flags=1)), (Op.create, create(b"/p"))) == [0, 0]
    wire_of(world, node).is_held = True
    world.leader.begin()
    world.leader.core.close_session(None, session_of(client), 0)
    world.pump()
    assert b"/e" not in world.leader.tree_of
    assert client.ask((Op.setData, put(b"/p", b"late"))) == []
    wire_of(world, node).is_held = False
    world.pump()
    assert not client.is_open
    assert node.tree_of[b"/p"] == world.leader.tree_of[b"/p"]
    assert b"late" not in node.tree_of[b"/p"]


def test_what_needs_a_global_session() -> None:
    def of(op: Op, body: Any) -> bool:
        return needs_global(op, encode_request(body) if isinstance(body, list) else encode(body))

    assert of(Op.create, create(b"/a", flags=1))
    assert of(Op.create2, create(b"/a", flags=3))
    assert not of(Op.create, create(b"/a", flags=2))
    assert not of(Op.setData, put(b"/a"))
    assert of(Op.multi, [(Op.create, create(b"/a")), (Op.create, create(b"/b", flags=1))])
    assert not of(Op.multi, [(Op.create, create(b"/a")), (Op.setData, put(b"/b"))])
    assert not needs_global(Op.create, b"\0")
    assert not needs_global(Op.multi, b"\0")


# --- read-only mode


def partitioned() -> tuple[World, Node, int]:
    """A member that is cut off and serves reads, and a global session."""
    world = World(3, config=READ_ONLY).boot()
    node = world.learners[0]
    client = world.leader.client()
    client.ask((Op.create, create(b"/a", b"old")))
    world.isolate(node)
    world.run_until(lambda: not node.core.is_serving)
    world.run_until(lambda: node.core.is_serving)
    return world, node, session_of(client)


def word(node: Node, text: bytes) -> bytes:
    client = Client(node)
    client.send(text)
    return client.take()


def test_a_partitioned_member_serves_reads_to_who_accepts_that() -> None:
    _, node, _ = partitioned()
    client = hello(node)
    answer = answer_to(client)
    assert (answer.read_only, answer.session_id) == (True, session_of(client))
    read, *refused, pong = client.ask(
        (Op.getData, c.GetDataRequest(b"/a", True)),
        (Op.setData, put(b"/a", b"new")),
        (Op.create, create(b"/b")),
        (Op.multi, [(Op.create, create(b"/b"))]),
        (Op.sync, c.SyncRequest(b"/")),
        Op.ping,
    )
    assert read.record(Op.getData).data == b"old"
    assert [reply.err for reply in refused] == [Code.NOTREADONLY] * 4
    assert pong.err == 0
    assert errors(client, Op.closeSession) == [0]
    assert word(node, b"isro") == b"ro"
    assert b"READ-ONLY mode; serving only read-only clients\n" in word(node, b"srvr")
    assert b"Mode: read-only\n" in word(node, b"srvr")


def test_who_has_just_started_cannot_know_what_of_its_log_was_agreed_on() -> None:
    world, node, _ = partitioned()
    node.crash()
    node.boot()
    world.run(30_000)
    assert not node.core.is_serving
    world.heal()
    world.run_until(world.all_serve)
    world.isolate(node)
    world.run_until(lambda: node.core.mode == "read-only")


def test_who_does_not_accept_that_is_refused() -> None:
    _, node, session_id = partitioned()
    for client in (hello(node, read_only=False), hello(node, read_only=None)):
        assert client.take() == b""
        assert not client.is_open
    ours = hello(node, session_id)
    assert ours.take() == b""
    assert not ours.is_open
    assert answer_to(hello(node, 0x7777)).session_id == 0


def test_it_ends_when_a_leader_is_there() -> None:
    world, node, session_id = partitioned()
    client = hello(node)
    local = answer_to(client).session_id
    assert answer_to(hello(node, local)).session_id == local
    writer = hello(world.leader, session_id)
    writer.ask((Op.setData, put(b"/a", b"new")))
    world.heal()
    world.run_until(lambda: node.core.mode == "follower")
    world.assert_same()
    assert len(node.core.local_sessions) == 0
    assert answer_to(hello(node, local)).session_id == 0
    back = hello(node)
    assert answer_to(back).read_only is False
    (read,) = back.ask((Op.getData, c.GetDataRequest(b"/a", False)))
    assert read.record(Op.getData).data == b"new"


def test_without_the_key_a_partitioned_member_refuses_everybody() -> None:
    world = World(3).boot()
    node = world.learners[0]
    world.isolate(node)
    world.run(30_000)
    assert not node.core.is_serving
    assert hello(node).take() == b""
    assert CONNECT.read_only is False
