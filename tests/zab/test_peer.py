"""A peer between roles: when it looks, what it keeps, what it answers meanwhile."""

from __future__ import annotations

from random import Random

import pytest

from tests.zab.configured import listing
from tests.zab.learner_rig import FakeReplica
from zoo.errors import ProtocolViolation
from zoo.zab.configurations import Configurations
from zoo.zab.context import Epochs, Settings
from zoo.zab.history import History
from zoo.zab.leader import Leader
from zoo.zab.learner import Learner
from zoo.zab.link import PeerLink
from zoo.zab.log_queue import LogQueue
from zoo.zab.notification import encode_notification, parse_notification
from zoo.zab.packets import Packet, PacketType, encode_packet
from zoo.zab.peer import MAX_JITTER_MS, Peer
from zoo.zab.quorum import Majority
from zoo.zab.vote import ServerState, Vote

LAST = 4 << 32 | 7


def make(
    my_id: int = 1,
    voters: int = 3,
    observers: int = 0,
    configurations: Configurations | None = None,
) -> Peer:
    quorum = Majority(range(1, voters + 1), range(voters + 1, voters + observers + 1))
    replica = FakeReplica()
    replica.last_zxid = LAST
    return Peer(
        my_id,
        quorum,
        replica,
        rng=Random(1),
        log=LogQueue(LAST),
        history=History(LAST),
        epochs=Epochs(5, 4),
        settings=Settings(tick_ms=100),
        configurations=configurations,
    )


def said(peer: Peer) -> dict[int, tuple[ServerState, Vote]]:
    """What it last told each server since the last call."""
    out, peer.mesh_out = peer.mesh_out, []
    heard = {sid: parse_notification(data) for sid, data in out}
    return {sid: (each.state, each.vote) for sid, each in heard.items()}


def looking_at(leader: int, round_: int, zxid: int = LAST) -> bytes:
    return encode_notification(ServerState.LOOKING, Vote(leader, zxid, round_, 4), b"")


def elect(peer: Peer, leader: int) -> None:
    """The others agree on this leader."""
    round_ = peer.election.round
    for sid in (2, 3):
        peer.notification(sid, looking_at(leader, round_, LAST + 1 if leader != 1 else LAST))
    if peer.state is ServerState.LOOKING:
        peer.tick(peer.now_ms + 500)
    said(peer)


def flush(peer: Peer) -> None:
    while (ready := peer.ready()) is not None:
        peer.persisted(ready)


def follow(peer: Peer, leader: int = 3) -> PeerLink:
    """Up to broadcast."""
    elect(peer, leader)
    assert peer.wanted_leader == leader
    link = PeerLink("leader", peer.dirty)
    peer.leader_link(link)
    link.received(encode_packet(Packet(PacketType.LEADERINFO, 6 << 32, b"\0\1\0\0")))
    flush(peer)
    link.received(encode_packet(Packet(PacketType.DIFF, LAST)))
    link.received(encode_packet(Packet(PacketType.NEWLEADER, 6 << 32, b"")))
    flush(peer)
    link.received(encode_packet(Packet(PacketType.UPTODATE, -1)))
    assert peer.zab_state == "broadcast"
    return link


def test_it_votes_for_itself_with_what_is_logged_and_its_current_epoch() -> None:
    peer = make()
    peer.start(10)
    assert said(peer) == dict.fromkeys((2, 3), (ServerState.LOOKING, Vote(1, LAST, 1, 4, 0)))
    assert (peer.state, peer.zab_state) == (ServerState.LOOKING, "election")
    assert peer.leader_id is None
    assert peer.next_due is not None


def test_alone_it_leads() -> None:
    peer = make(voters=1)
    peer.start(10)
    assert isinstance(peer.role, Leader)
    flush(peer)
    assert peer.zab_state == "broadcast"
    assert peer.leader_id == 1


def test_it_follows_whom_the_others_elect() -> None:
    peer = make()
    peer.start(10)
    follow(peer)
    assert peer.state is ServerState.FOLLOWING
    assert peer.leader_id == 3
    assert (peer.epochs.accepted, peer.epochs.current) == (6, 6)
    assert peer.replica.role is peer.role  # type: ignore[attr-defined]
    peer.notification(2, looking_at(2, 9))
    assert said(peer)[2][1].peer_epoch == 6, "ZOOKEEPER-1732"


def test_an_observer_observes() -> None:
    peer = make(4, observers=1)
    peer.start(10)
    vote = Vote(3, LAST, 7, 4)
    for sid, state in ((2, ServerState.FOLLOWING), (3, ServerState.LEADING)):
        peer.notification(sid, encode_notification(state, vote, b""))
    assert peer.state is ServerState.OBSERVING
    assert peer.wanted_leader == 3


def test_it_looks_again_only_when_its_disk_has_done_all() -> None:
    peer = make()
    peer.start(10)
    link = follow(peer)
    link.received(encode_packet(Packet(PacketType.PROPOSAL, 6 << 32 | 1, b"x")))
    said(peer)
    ready = peer.ready()
    assert ready is not None
    link.broken()
    assert peer.state is ServerState.LOOKING
    peer.tick(1000)
    peer.notification(2, looking_at(2, 8))
    assert peer.mesh_out == []
    assert peer.next_due is None
    peer.persisted(ready)
    state, vote = said(peer)[3]
    assert state is ServerState.LOOKING
    assert vote == Vote(1, 6 << 32 | 1, 8, 6, 0), "in the round that was heard of meanwhile"


def test_a_learner_is_sent_away_by_who_does_not_lead() -> None:
    peer = make()
    peer.start(10)
    link = PeerLink("learner", peer.dirty)
    peer.learner_link(link)
    assert link.closing
    follow(peer)
    link = PeerLink("learner", peer.dirty)
    peer.learner_link(link)
    assert link.closing


def test_a_leader_takes_learners() -> None:
    peer = make()
    peer.start(10)
    elect(peer, 1)
    assert peer.state is ServerState.LEADING
    link = PeerLink("learner", peer.dirty)
    peer.learner_link(link)
    assert not link.closing
    late = PeerLink("leader", peer.dirty)
    peer.leader_link(late)
    assert late.closing, "a dial of an earlier role"


def test_roles_that_come_to_nothing_are_followed_by_pauses() -> None:
    peer = make()
    peer.start(0)
    pauses = []
    for _ in range(30):
        elect(peer, 3)
        before = peer.now_ms
        peer.look("for the test")
        while peer.ready() is None and peer.role is None and not peer.mesh_out:
            peer.tick(peer.now_ms + 1)
        pauses.append(peer.now_ms - before)
    assert pauses[0] == 0, "one failure is no pattern"
    assert 50 < max(pauses) <= MAX_JITTER_MS
    follow(peer)
    said(peer)
    peer.look("for the test")
    assert peer.mesh_out, "it had come to something"


def test_it_looks_again_when_its_leader_does() -> None:
    peer = make()
    peer.start(10)
    elect(peer, 3)
    assert isinstance(peer.role, Learner)
    peer.notification(3, looking_at(3, peer.election.round + 1))
    assert peer.elections == 2
    assert peer.role is None


def test_nonsense_in_the_mesh_is_the_meshs_to_drop() -> None:
    peer = make()
    peer.start(10)
    with pytest.raises(ProtocolViolation):
        peer.notification(2, b"nonsense")


def test_a_new_configuration_is_gone_by_from_the_next_input_on() -> None:
    peer = make(configurations=Configurations(listing(1, 2, 3), is_enabled=True))
    peer.start(10)
    peer.configurations.activate(listing(1, version=9))
    assert peer.config_version == 9
    peer.tick(10_000)
    assert peer.election.quorum is peer.quorum


def test_stop_ends_the_role_and_looks_no_more() -> None:
    peer = make()
    peer.start(10)
    link = follow(peer)
    peer.stop()
    assert link.closing
    assert peer.role is None
    said(peer)
    peer.tick(100)
    assert peer.ready() is None
