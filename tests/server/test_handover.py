"""Leadership goes to another member, and no client notices more than a pause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.server.member_rig import Node, World
from tests.server.rig import CONNECT, Client, Reply, create, frame, put, request
from tests.server.test_member import read, resume, session_of
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.server.handover import KEEP_MS

CONFIG = {"skipACL": "yes"}
PATH = b"/kept"


def world_of(voters: int = 3, observers: int = 0) -> World:
    return World(voters, observers, CONFIG).boot()


def ask_transfer(node: Node, target: int, timeout_ms: int = 1000) -> Client:
    client = node.client(peer="10.0.0.9:1")
    want(client, target, timeout_ms)
    return client


def want(client: Client, target: int, timeout_ms: int = 1000) -> None:
    client.send(request(1, Op.transferLeader, c.TransferLeaderRequest(target, timeout_ms)))


def outcome(client: Client) -> c.TransferLeaderResponse:
    (reply,) = client.replies()
    assert reply.err == 0
    found: c.TransferLeaderResponse = reply.record(Op.transferLeader)
    return found


def data_version(node: Node, path: bytes) -> int:
    (reply,) = node.client(peer="10.0.0.8:1").ask((Op.getData, read(path)))
    version: int = reply.record(Op.getData).stat.version
    return version


class Halfway:
    """A transfer that waits for the target's disk, and a client of each member."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old, (self.target, *_) = world.leader, world.learners
        self.clients = {sid: node.client() for sid, node in world.nodes.items()}
        assert self.clients[1].ask((Op.create, create(PATH)))[0].err == 0
        self.asker = self.old.client(peer="10.0.0.9:1")
        self.target.disk_works = False
        want(self.asker, self.target.sid)
        world.run(50)

    def go_on(self) -> None:
        self.target.disk_works = True
        self.world.run_until(self.is_over)

    def is_over(self) -> bool:
        running = self.world.running
        parked = [node for node in running if node.member.handover.is_parked]
        return self.target.core.mode == "leader" and not parked and self.world.all_serve()

    def ask_all(self) -> None:
        """A write of each client, and a read behind it. Nobody is answered."""
        for client in self.clients.values():
            assert client.ask((Op.setData, put(PATH, b"x")), (Op.getData, read(PATH))) == []

    def answers(self) -> dict[int, list[Reply]]:
        return {sid: client.replies() for sid, client in self.clients.items()}


def test_a_session_that_was_to_become_global_when_its_leader_left_does_so_under_the_next() -> None:
    upgrading = {"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}
    half = Halfway(World(3, 0, {**CONFIG, **upgrading}).boot())
    for client in half.clients.values():
        assert client.ask((Op.create, create(PATH + b"/e", flags=3))) == []
    half.go_on()
    for client in half.clients.values():
        assert [reply.err for reply in client.replies()] == [0]
        assert session_of(client) in half.world.leader.core.sessions
    half.world.assert_same()


def test_the_end_of_a_local_session_waits_for_what_was_asked_before_it_and_bars_the_rest() -> None:
    half = Halfway(World(3, 0, {**CONFIG, "localSessionsEnabled": "true"}).boot())
    for sid, client in half.clients.items():
        mine = b"%s/%d" % (PATH, sid)
        before, after = create(mine), create(mine + b"/late")
        assert client.ask((Op.create, before), Op.closeSession, (Op.create, after)) == []
    half.go_on()
    for client in half.clients.values():
        assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0), (2, 0)]
        assert not client.is_open
    made = {path for path in half.target.tree_of if path.startswith(PATH + b"/")}
    assert made == {b"%s/%d" % (PATH, sid) for sid in half.clients}
    half.world.assert_same()


def test_clients_of_all_members_stay_and_are_answered_by_the_new_leader() -> None:
    world = world_of(3, observers=1)
    half = Halfway(world)
    half.ask_all()
    half.go_on()
    assert world.leader is half.target
    assert {sid: [r.err for r in replies] for sid, replies in half.answers().items()} == {
        sid: [0, 0] for sid in world.nodes
    }
    assert all(client.is_open for client in half.clients.values())
    done = outcome(half.asker)
    assert (done.leader, done.reason) == (half.target.sid, None)
    assert 0 < done.held < 200
    assert data_version(world.nodes[1], PATH) == 4, "each write once"
    world.assert_same()


def test_reads_are_answered_while_writes_are_held() -> None:
    half = Halfway(world_of())
    for client in half.clients.values():
        (reply,) = client.ask((Op.getData, read(PATH)))
        assert reply.err == 0


def test_order_of_a_session_is_kept() -> None:
    half = Halfway(world_of())
    client = half.clients[half.old.sid]
    assert client.ask(*[(Op.setData, put(PATH, b"%d" % n, n)) for n in range(20)]) == []
    half.go_on()
    replies = client.replies()
    assert [reply.xid for reply in replies] == list(range(1, 21))
    assert {reply.err for reply in replies} == {0}


def test_sessions_begin_end_and_return_meanwhile() -> None:
    world = world_of()
    half = Halfway(world)
    moving = half.clients[half.old.sid]
    ended: list[Client] = []
    for sid, node in world.nodes.items():
        client = half.clients[sid]
        if client is not moving:
            assert client.ask(Op.closeSession) == []
            ended.append(client)
        opened = Client(node)
        opened.send(frame(encode(CONNECT)))
        assert opened.received == b""
        half.clients[sid] = opened
    moving.leave()
    half.go_on()
    for opened in half.clients.values():
        assert opened.frames(), "its session stands"
        assert opened.ask((Op.setData, put(PATH, b"y")))[0].err == 0
    assert resume(half.target, session_of(moving))
    assert len(world.leader.core.sessions) == 5, "three new ones, the returned one, the asker's"
    assert {client.replies()[0].err for client in ended} == {0}


def test_a_target_that_does_not_catch_up_changes_nothing() -> None:
    world = world_of()
    half = Halfway(world)
    half.ask_all()
    world.run(1100)
    done = outcome(half.asker)
    assert done.leader == half.old.sid
    assert done.reason is not None
    assert f"server {half.target.sid} has not acknowledged" in done.reason
    assert world.leader is half.old
    half.target.disk_works = True
    world.run(100)
    assert {sid: [r.err for r in replies] for sid, replies in half.answers().items()} == {
        sid: [0, 0] for sid in world.nodes
    }
    assert data_version(half.target, PATH) == 3
    world.assert_same()


def test_a_target_that_dies_changes_nothing() -> None:
    world = world_of()
    half = Halfway(world)
    half.ask_all()
    half.target.crash()
    world.run(100)
    assert outcome(half.asker).reason == f"server {half.target.sid} has left"
    del half.clients[half.target.sid]
    assert all([r.err for r in replies] == [0, 0] for replies in half.answers().values())


def test_clients_are_sent_away_when_no_leader_comes() -> None:
    world = world_of()
    half = Halfway(world)
    (third,) = [n for n in world.running if n not in (half.old, half.target)]
    half.ask_all()
    world.cut_off |= {1, 2, 3}  # no election
    half.target.disk_works = True
    world.run(50)
    assert half.old.member.handover.is_parked
    assert third.member.handover.is_parked
    assert half.clients[third.sid].is_open
    world.run(KEEP_MS + 100)
    assert not any(client.is_open for client in half.clients.values())
    world.cut_off.clear()
    world.run_until(world.all_serve)
    assert data_version(third, PATH) == 0, "what nobody was told of was not done"
    world.assert_same()


def test_clients_with_short_sessions_are_sent_away_in_time_to_keep_them() -> None:
    world = world_of()
    half = Halfway(world)
    for node in world.running:
        node.member.core.config = replace(node.member.core.config, min_session_timeout_ms=400)
    half.ask_all()
    world.cut_off |= {1, 2, 3}  # no election
    half.target.disk_works = True
    world.run(50)
    assert half.old.member.handover.is_parked
    world.run(250)
    assert not any(client.is_open for client in half.clients.values())


def test_clients_are_not_kept_over_an_epoch_that_their_server_missed() -> None:
    world = world_of(5)
    half = Halfway(world)
    missing = next(n for n in world.running if n not in (half.old, half.target))
    client = half.clients[missing.sid]
    half.ask_all()
    half.target.disk_works = True
    world.cut_off.add(missing.sid)
    world.run_until(lambda: half.target.core.mode == "leader")
    assert missing.member.handover.is_parked
    half.target.crash()
    world.run_until(lambda: len([n for n in world.running if n.core.view.is_serving]) == 3)
    world.cut_off.clear()
    world.run_until(lambda: missing.core.view.is_serving)
    assert not client.is_open
    assert data_version(missing, PATH) >= 3, "those of the others"


def test_a_client_that_went_elsewhere_is_not_heard_at_its_old_server() -> None:
    world = world_of()
    one, other = world.learners
    client = one.client()
    again = resume(other, session_of(client))
    world.run(10)
    assert not client.is_open
    assert again.is_open
    assert resume(world.leader, session_of(again)).is_open
    world.run(10)
    assert not again.is_open


def test_who_may_ask() -> None:
    world = World(3).boot()
    client = ask_transfer(world.leader, world.learners[0].sid)
    assert [reply.err for reply in client.replies()] == [Code.NOAUTH]
    follower = world.learners[0]
    client = ask_transfer(follower, follower.sid)
    assert [reply.err for reply in client.replies()] == [Code.UNIMPLEMENTED]
    assert not client.is_open, "as an Apache ZooKeeper answers what it does not know"


@pytest.mark.parametrize(
    ("target", "reason"),
    [(0, "is the leader"), (9, "is no voting member"), (4, "is no voting member")],
)
def test_what_speaks_against_it(target: int, reason: str) -> None:
    world = world_of(3, observers=1)
    leader = world.leader
    client = ask_transfer(leader, target or leader.sid)
    world.run(10)
    done = outcome(client)
    assert done.reason == f"server {target or leader.sid} {reason}"
    assert (done.leader, done.held) == (leader.sid, 0)


def test_a_leader_that_stops_hands_over_first() -> None:
    world = world_of()
    old = world.leader
    clients = [node.client() for node in world.learners]
    assert old.member.handover.leave(500)
    assert old.member.handover.is_leaving
    world.run(100)
    assert not old.member.handover.is_leaving
    assert world.leader is not old
    assert all(client.is_open for client in clients)
    assert not old.member.handover.leave(500), "it does not lead"
