"""Whole ensembles of members, seen by their clients."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.server.member_rig import TEXT, Node, World
from tests.server.rig import CONNECT, Client, create, frame, put, request
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.session.ids import password
from zoo.sim.disk import Disk
from zoo.tree.data_tree import CONFIG_NODE


def read(path: bytes, watch: bool = False) -> c.GetDataRequest:
    return c.GetDataRequest(path, watch)


def resume(node: Node, session_id: int, timeout: int = 10_000) -> Client:
    hello = c.ConnectRequest(0, 0, timeout, session_id, password(session_id), False)
    client = Client(node)
    client.send(frame(encode(hello)))
    answer = decode(c.ConnectResponse, client.frames()[0])
    assert answer.session_id == session_id
    return client


def session_of(client: Client) -> int:
    return client.connection.session_id


def live(world: World, ms: int, *clients: Client) -> None:
    """Time goes by, and these clients ping."""
    for _ in range(0, ms, 1000):
        world.run(1000)
        for client in clients:
            (pong,) = client.ask(Op.ping)
            assert pong.err == 0


# --- writes and reads


def test_every_member_takes_writes_and_all_see_them() -> None:
    world = World(3, 1).boot()
    for number, node in enumerate(world.nodes.values(), 1):
        client = node.client()
        path = b"/from%d" % number
        replies = client.ask(
            (Op.create, create(path, b"1")),
            (Op.setData, put(path, b"22")),
            (Op.getData, read(path)),
        )
        assert [reply.err for reply in replies] == [0, 0, 0]
        assert replies[2].record(Op.getData).data == b"22"
        assert [reply.xid for reply in replies] == [1, 2, 3]
    world.assert_same()
    assert {node.core.mode for node in world.running} == {"leader", "follower", "observer"}


def test_session_ids_tell_which_member_made_them() -> None:
    world = World(3).boot()
    for sid, node in world.nodes.items():
        assert session_of(node.client()) >> 56 == sid


def test_a_watch_at_a_follower_sees_a_write_at_the_leader() -> None:
    world = World(3).boot()
    watcher = world.learners[0].client()
    writer = world.leader.client()
    writer.ask((Op.create, create(b"/w")))
    watcher.ask((Op.getData, read(b"/w", watch=True)))
    writer.ask((Op.setData, put(b"/w", b"x")))
    (event,) = watcher.replies()
    assert event.xid == -1


def test_a_sync_at_a_follower() -> None:
    world = World(3, 1).boot()
    for node in world.running:
        (reply,) = node.client().ask((Op.sync, c.SyncRequest(b"/x")))
        assert (reply.err, reply.body) == (0, b"\0\0\0\2/x")


def test_a_sync_at_the_leader_is_answered_in_its_place() -> None:
    """When a quorum follows still, behind what its session wrote before and ahead of what it wrote
    after.
    """
    world = World(3).boot()
    reader, writer = world.leader.client(), world.learners[0].client()
    assert [reply.err for reply in writer.ask((Op.create, create(b"/s")))] == [0]
    replies = reader.ask(
        (Op.setData, put(b"/s", b"1")),
        (Op.sync, c.SyncRequest(b"/s")),
        (Op.getData, read(b"/s")),
        (Op.setData, put(b"/s", b"2")),
        (Op.sync, c.SyncRequest(b"/s")),
    )
    assert [reply.err for reply in replies] == [0] * 5
    assert [reply.xid for reply in replies] == [1, 2, 3, 4, 5]
    assert replies[2].record(Op.getData).data == b"1"
    assert world.leader.core.outstanding == 0


def test_a_leader_whose_followers_are_silent_answers_no_sync() -> None:
    world = World(3).boot()
    client = world.leader.client()
    for wire in world.wires:
        wire.is_held = True
    assert client.ask((Op.sync, c.SyncRequest(b"/x")), (Op.getData, read(b"/"))) == []
    for wire in world.wires:
        wire.is_held = False
    world.pump()
    sync, root = client.replies()
    assert (sync.err, sync.body) == (0, b"\0\0\0\2/x")
    assert root.err == 0


def test_the_configuration_can_be_read_everywhere() -> None:
    world = World(3).boot()
    for node in world.running:
        (reply,) = node.client().ask((Op.getData, read(CONFIG_NODE)))
        record = reply.record(Op.getData)
        assert record.data == TEXT
        assert (record.stat.version, record.stat.mzxid) == (-1, 1 << 32)
        assert record.stat.mtime > 0


def test_identities_count_where_the_leader_decides() -> None:
    world = World(3).boot()
    client = world.learners[0].client()
    client.send(request(-4, Op.auth, c.AuthPacket(0, "digest", b"me:secret")))
    client.take()
    only_me = [c.CreateRequest(b"/mine", b"", [create(b"/").acl[0]._replace(scheme="auth")], 0)]
    assert [reply.err for reply in client.ask((Op.create, only_me[0]))] == [0]
    assert [reply.err for reply in client.ask((Op.setData, put(b"/mine", b"x")))] == [0]
    stranger = world.learners[1].client()
    assert [r.err for r in stranger.ask((Op.setData, put(b"/mine")))] == [Code.NOAUTH]


def random_request(rng: Random) -> tuple[int, Any]:
    path = rng.choice([b"/a", b"/b", b"/a/x", b"/a/y", b"/b/z"])
    version = rng.choice([-1, -1, 0, 1])
    kind = rng.randrange(7)
    if kind <= 1:
        flags = rng.choice([0, 0, 1, 2, 3])
        return rng.choice([Op.create, Op.create2]), create(path, b"d", flags)
    if kind == 2:
        return Op.delete, c.DeleteRequest(path, version)
    if kind == 3:
        return Op.setACL, c.SetACLRequest(path, create(path).acl, version)
    if kind == 4:
        parts = [
            (Op.setData, put(path, b"m", version)),
            (Op.check, c.CheckVersionRequest(rng.choice([b"/a", b"/b"]), version)),
            (Op.create, create(path + b"m", flags=rng.choice([0, 2]))),
        ]
        return Op.multi, parts[: rng.randrange(1, 4)]
    if kind == 5:
        return Op.getData, read(path)
    return Op.setData, put(path, b"%d" % rng.randrange(1000), version)


@pytest.mark.parametrize("seed", range(5))
def test_members_stay_the_same_whatever_is_written_where(seed: int) -> None:
    rng = Random(seed)
    world = World(3, 1).boot()
    clients = [node.client() for node in world.running for _ in range(2)]
    xids = dict.fromkeys(range(len(clients)), 0)
    for _ in range(60):
        number = rng.randrange(len(clients))
        frames = []
        for _ in range(rng.randrange(1, 8)):
            xids[number] += 1
            frames.append(request(xids[number], *random_request(rng)))
        clients[number].send(b"".join(frames))
        expected = range(xids[number] - len(frames) + 1, xids[number] + 1)
        assert [reply.xid for reply in clients[number].replies()] == [*expected]
    world.assert_same()
    assert all(node.core.outstanding == 0 for node in world.running)


# --- sessions


def test_a_session_moves_from_member_to_member() -> None:
    world = World(3, 1).boot()
    client = world.leader.client()
    session_id = session_of(client)
    client.ask((Op.create, create(b"/eph", flags=1)))
    for node in [*world.learners, world.leader, world.learners[0]]:
        moved = resume(node, session_id)
        assert not client.is_open or client.server is not node
        (written,) = moved.ask((Op.setData, put(b"/eph", b"x")))
        assert written.err == 0
        if client.is_open:  # a follower does not hear that its client has gone elsewhere
            client.send(request(99, Op.setData, put(b"/eph", b"late")))
            assert client.replies() == []
            assert not client.is_open
        client = moved
    world.assert_same()


def test_closing_a_session_anywhere_ends_it_everywhere() -> None:
    world = World(3).boot()
    for node in world.running:
        client = node.client()
        client.ask((Op.create, create(b"/eph", flags=1)))
        (reply,) = client.ask(Op.closeSession)
        assert reply.err == 0
        assert not client.is_open
        world.assert_same()
        assert all(b"/eph" not in each.tree_of for each in world.running)
        assert all(len(each.core.sessions) == 0 for each in world.running)


def test_only_the_silent_expire_wherever_they_are() -> None:
    world = World(3, 1).boot()
    talking = [node.client() for node in world.running]
    silent = [node.client() for node in world.running]
    for number, client in enumerate(silent):
        client.ask((Op.create, create(b"/eph%d" % number, flags=1)))
    live(world, 20_000, *talking)
    assert all(client.is_open for client in talking)
    assert not any(client.is_open for client in silent)
    world.assert_same()
    assert len(world.leader.core.sessions) == len(talking)
    assert world.leader.core.tree.ephemeral_count() == 0


# --- roles end


def test_clients_of_all_members_survive_the_leaders_end() -> None:
    world = World(5).boot()
    clients = {node.sid: node.client() for node in world.running}
    sessions = {sid: session_of(client) for sid, client in clients.items()}
    for sid, client in clients.items():
        client.ask((Op.create, create(b"/eph%d" % sid, flags=1)))
    gone = world.leader
    gone.crash()
    world.run_until(lambda: world.all_serve())
    assert world.leader is not gone
    assert not any(client.is_open for client in clients.values())
    for session_id in sessions.values():
        client = resume(world.learners[0], session_id)
        assert client.ask((Op.create, create(b"/again%d" % session_id)))[0].err == 0
    world.assert_same()
    gone.boot()
    world.run_until(world.all_serve)
    world.assert_same()
    assert world.leader.core.tree.ephemeral_count() == 5


def test_a_new_leader_gives_every_session_its_whole_timeout_again() -> None:
    world = World(3).boot()
    client = world.leader.client()
    session_id = session_of(client)
    world.run(8000)
    world.leader.crash()
    world.run_until(world.all_serve)
    world.run(8000)
    resume(world.leader, session_id)
    world.run(14_000)
    assert len(world.leader.core.sessions) == 0


def test_a_leader_that_is_cut_off_forgets_what_it_could_not_commit() -> None:
    world = World(3).boot()
    old = world.leader
    client = old.client()
    session_id = session_of(client)
    world.isolate(old)
    client.send(request(1, Op.create, create(b"/lost")))
    newcomer = Client(old)
    newcomer.send(frame(encode(CONNECT)))
    client.send(request(2, Op.closeSession))
    assert client.replies() == []
    assert len(old.core.sessions) == 2
    world.run_until(lambda: not old.core.is_serving)
    assert not client.is_open
    assert not newcomer.is_open
    assert old.core.outstanding == 0
    assert not old.core.outstanding_view.records
    assert dict(old.core.sessions.items()).keys() == {session_id}
    refused = Client(old)
    refused.send(frame(encode(CONNECT)))
    assert not refused.is_open
    world.run_until(lambda: sum(n.core.is_serving for n in world.running) == 2)
    other = resume(world.leader, session_id)
    assert other.ask((Op.create, create(b"/kept")))[0].err == 0
    world.heal()
    world.assert_same()
    assert b"/lost" not in old.tree_of
    assert b"/kept" in old.tree_of


def test_the_log_counts_who_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World(3)
    node = world.nodes[1]
    node.boot()
    for _ in range(3):
        Client(node).send(frame(encode(CONNECT)))
    world.nodes[2].boot()
    world.run_until(lambda: node.core.is_serving)
    assert "3 connections were refused meanwhile" in caplog.text


def test_four_letter_words_without_a_role() -> None:
    world = World(3, config={"4lw.commands.whitelist": "*"})
    node = world.nodes[1]
    node.boot()
    for word, answer in (
        (b"ruok", b"imok"),
        (b"srvr", b"This ZooKeeper instance is not currently serving requests\n"),
        (b"mntr", b"This ZooKeeper instance is not currently serving requests\n"),
        (b"isro", b"null"),
    ):
        client = Client(node)
        client.send(word)
        assert client.take() == answer
    world.nodes[2].boot()
    world.nodes[3].boot()
    world.run_until(world.all_serve)
    client = Client(world.leader)
    client.send(b"srvr")
    assert b"Mode: leader\n" in client.take()


def test_what_leader_and_learners_tell_of_the_ensemble() -> None:
    world = World(3, 1, config={"4lw.commands.whitelist": "*"}).boot()
    world.leader.client().ask((Op.create, create(b"/a", b"x" * 100)))

    def ask(node: Node, word: bytes) -> str:
        client = Client(node)
        client.send(word)
        return client.take().decode()

    told = dict(line.split("\t") for line in ask(world.leader, b"mntr").splitlines())
    wanted = {"server_state": "leader", "peer_state": "leading - broadcast", "quorum_size": "3"}
    wanted |= {"learners": "3", "synced_followers": "2", "synced_observers": "1"}
    assert {key: told[f"zk_{key}"] for key in wanted} == wanted
    assert int(told["zk_max_proposal_size"]) > 100 > int(told["zk_min_proposal_size"]) > 0
    assert "Proposal sizes last/min/max: " in ask(world.leader, b"srvr")
    for node in world.learners:
        told = dict(line.split("\t") for line in ask(node, b"mntr").splitlines())
        assert node.peer is not None
        assert told["zk_peer_state"] == f"{node.peer.state.name.lower()} - broadcast"
        assert "zk_learners" not in told
        assert "Global Sessions(1):\n" in ask(node, b"dump")
        assert f"serverId={node.sid}\n" in ask(node, b"conf")
        assert ask(node, b"conf").endswith("membership: \n" + TEXT.decode())


# --- whole states


def test_a_member_with_an_empty_disk_gets_everything() -> None:
    world = World(3, config={"extendedTypesEnabled": "true"}).boot()
    client = world.leader.client()
    away = world.learners[0]
    for number in range(50):
        client.ask((Op.create, create(b"/n%d" % number, b"x" * number, number % 2)))
    client.ask((Op.createTTL, c.CreateTTLRequest(b"/ttl", b"", create(b"/").acl, 5, 100_000)))
    only_read = [create(b"/").acl[0]._replace(perms=1)]
    client.ask((Op.create, create(b"/acl", acl=only_read)))
    away.crash()
    away.disk = Disk()
    away.boot()
    world.run_until(world.all_serve)
    world.assert_same()
    assert away.core.tree.acls.keys() == world.leader.core.tree.acls.keys()
    assert away.tree_of[CONFIG_NODE].startswith(TEXT, 4)
    live(world, 2000, client)
    fresh = away.client()
    fresh.ask((Op.create, create(b"/new")), (Op.setData, put(b"/n1", b"y")))
    world.assert_same()
    assert away.core.stats.metrics.digest_mismatches_count.value == 0
    away.crash()
    away.boot()
    world.run_until(world.all_serve)
    world.assert_same()


def test_a_snapshot_is_sent_while_writes_go_on() -> None:
    world = World(3).boot()
    client = world.leader.client()
    for number in range(30):
        client.ask((Op.create, create(b"/n%d" % number, b"x" * 10_000)))
    stream = world.leader.member.snapshot()
    assert stream is not None
    assert world.leader.member.snapshot() is None
    assert not world.leader.member.snapshot_due()
    pieces = [next(stream.pieces)]
    client.ask((Op.setData, put(b"/n29", b"later")))
    client.ask((Op.create, create(b"/later")))
    pieces += stream.pieces
    target = world.nodes[1].member.begin_install(stream.zxid)
    rest = None
    for piece in pieces:
        _, rest = target.feed(piece)
    assert rest == b""
    assert world.leader.member.snapshot() is not None


def test_data_that_part_from_the_leaders_are_told_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hazard 7: digests are compared on every member; the log has both, and what to do."""
    world = World(3).boot()
    follower, other = world.learners
    client = world.leader.client()
    client.ask((Op.create, create(b"/a", b"1")), (Op.create, create(b"/b", b"1")))
    record = follower.core.tree.nodes[b"/a"]
    follower.core.tree.nodes[b"/a"] = record.replace(b"\0\0\0\x011", b"\0\0\0\x012", 1)
    follower.core.outstanding_view.digests.clear()
    client.ask((Op.setData, put(b"/a", b"3")))
    ours, theirs = (f"0x{n.core.tree.digest & (1 << 64) - 1:x}" for n in (follower, world.leader))
    assert ours != theirs
    client.ask((Op.setData, put(b"/b", b"3")))
    assert follower.core.stats.metrics.digest_mismatches_count.value == 2
    assert other.core.stats.metrics.digest_mismatches_count.value == 0
    (line,) = [each for each in caplog.messages if "have parted from the leader's" in each]
    assert ours in line
    assert theirs in line
    assert "0x100000004" in line
    assert "version-2" in line
