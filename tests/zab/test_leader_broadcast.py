from __future__ import annotations

import struct

import pytest

from tests.zab.leader_rig import E1, E2, FakePeer, Rig, entries
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.packets import Packet, PacketType, bare
from zoo.zxid import MAX_COUNTER

PROPOSAL, COMMIT, INFORM = PacketType.PROPOSAL, PacketType.COMMIT, PacketType.INFORM


def test_a_quorum_commits_in_order() -> None:
    rig = Rig().established(2, 3)
    two, three = rig.learners[2], rig.learners[3]
    rig.write(b"one", b"two", b"three")
    expected = [Packet(PROPOSAL, E1 + n, data) for n, data in enumerate((b"one", b"two"), 1)]
    assert two.hears()[:2] == three.hears()[:2] == expected
    two.acks(E1 + 1, E1 + 2)
    assert rig.replica.commits == [], "one of three"
    three.acks(E1 + 1)
    assert rig.replica.commits == [E1 + 1]
    assert two.hears() == [Packet(COMMIT, E1 + 1)]
    rig.peer.flush()
    assert rig.replica.commits == [E1 + 1, E1 + 2], "our own disk is one of three"
    three.acks(E1 + 2, E1 + 3)
    assert rig.replica.commits == [E1 + 1, E1 + 2, E1 + 3]
    assert three.hears() == [Packet(COMMIT, E1 + n) for n in (1, 2, 3)]
    assert rig.peer.history.committed == E1 + 3


def test_a_quorum_may_go_without_our_own_disk() -> None:
    rig = Rig().established(2, 3)
    zxid = rig.write(b"x")
    for learner in rig.learners.values():
        learner.acks(zxid)
    assert rig.replica.commits == [zxid]
    rig.peer.flush()
    assert rig.replica.commits == [zxid]


def test_a_run_is_proposed_acknowledged_and_committed_as_one() -> None:
    rig = Rig().established(2)
    observer = rig.learner(9, observer=True)
    observer.promises(0, 0)
    observer.drains()
    observer.acks(E1)
    two = rig.learners[2]
    payloads = [b"%d" % n for n in range(1, 31)]
    rig.leading.propose_run(E1 + 1, payloads)
    assert len(two.link.out) == 1, "one piece for all"
    assert rig.leading.proposed == E1 + 30
    assert two.hears() == [Packet(PROPOSAL, E1 + n, b"%d" % n) for n in range(1, 31)]
    rig.peer.flush()
    two.acks(*(E1 + n for n in range(1, 31)))
    assert rig.replica.commits == [E1 + 30]
    assert two.hears() == [Packet(COMMIT, E1 + n) for n in range(1, 31)]
    informs = [Packet(INFORM, E1 + n, b"%d" % n) for n in range(1, 31)]
    assert observer.hears() == [Packet(PacketType.UPTODATE, -1), *informs]


def test_the_first_proposal_behind_the_history_of_an_older_epoch() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1, 2))).established(2)
    rig.write(b"x", b"y")
    rig.peer.flush()
    rig.learners[2].hears()
    rig.learners[2].acks(E2 + 1, E2 + 2)
    assert rig.learners[2].hears() == [Packet(COMMIT, E2 + 1), Packet(COMMIT, E2 + 2)]


def test_acks_of_what_is_no_proposal_commit_nothing() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1, 2))).established(2, 3)
    rig.write(b"x")
    for learner in rig.learners.values():
        learner.acks(E2)  # as Java does after UPTODATE
        learner.acks(E1 + 1, E1 + 2)
    assert rig.replica.commits == []
    rig.learners[2].acks(E2 + 2)
    assert rig.learners[2].is_cut, "nobody has proposed that"


def test_observers_and_strangers_do_not_count() -> None:
    rig = Rig().established(2)
    zxid = rig.write(b"x")
    for sid, observer in ((9, True), (8, False)):
        other = rig.learner(sid, observer=observer)
        other.promises(0, 0)
        other.drains()
        other.acks(E1, zxid)
    assert rig.replica.commits == []
    rig.peer.flush()
    assert rig.replica.commits == []


def test_what_a_follower_acknowledged_ends_with_its_link() -> None:
    """It comes back cut to what is committed; until it has the rest again it does not count."""
    rig = Rig(FakePeer(voters=(1, 2, 3, 4, 5))).established(2, 3, 4)
    zxid = rig.write(b"x")
    rig.learners[2].acks(zxid)
    rig.learners[2].link.broken()
    rig.learners[3].acks(zxid)
    rig.peer.flush()
    assert rig.replica.commits == []
    two = rig.learner(2)
    two.promises(1, zxid)
    assert two.kinds() == ["LEADERINFO", "TRUNC", "NEWLEADER", "PROPOSAL"]
    two.acks(E1)
    assert rig.replica.commits == []
    two.acks(zxid)
    assert rig.replica.commits == [zxid]


def test_an_ack_before_that_of_new_leader_counts_from_then_on() -> None:
    rig = Rig().established(2)
    zxid = rig.write(b"x")
    three = rig.learner(3)
    three.promises(0, 0)
    three.drains()
    three.acks(zxid)
    rig.peer.flush()
    assert rig.replica.commits == []
    three.acks(E1)
    assert rig.replica.commits == [zxid]
    assert three.kinds() == ["COMMIT", "UPTODATE"]


def test_sync_is_answered_behind_what_is_outstanding() -> None:
    rig = Rig().established(2)
    two = rig.learners[2]
    (handler,) = rig.leader.handlers
    rig.leading.sync(handler)
    assert two.hears() == [Packet(PacketType.SYNC, 0)]
    rig.write(b"x")
    rig.leading.sync(handler)
    assert rig.leading.pending_answers == 1
    rig.write(b"y")
    rig.peer.flush()
    two.hears()
    two.acks(E1 + 1)
    assert two.hears() == [Packet(COMMIT, E1 + 1), Packet(PacketType.SYNC, 0)]


def test_sync_is_answered_ahead_of_what_came_after_it() -> None:
    """A learner's client has a later write applied only once its earlier sync is answered."""
    rig = Rig().established(2)
    two = rig.learners[2]
    (handler,) = rig.leader.handlers
    rig.write(b"x")
    rig.leading.sync(handler)
    rig.write(b"y")
    rig.peer.flush()
    two.hears()
    two.acks(E1 + 2)
    assert two.hears() == [
        Packet(COMMIT, E1 + 1),
        Packet(PacketType.SYNC, 0),
        Packet(COMMIT, E1 + 2),
    ]


def test_revalidation_hands_over_at_once_and_answers_behind_what_is_outstanding() -> None:
    rig = Rig().established(2)
    two = rig.learners[2]
    rig.replica.living = {77}
    rig.write(b"x")
    two.hears()
    for session in (77, 78):
        two.says(Packet(PacketType.REVALIDATE, -1, struct.pack(">qi", session, 4000)))
    assert rig.replica.calls == [("revalidate", 2, 77, 4000), ("revalidate", 2, 78, 4000)]
    assert two.hears() == []
    rig.peer.flush()
    two.acks(E1 + 1)
    assert two.hears()[1:] == [
        Packet(PacketType.REVALIDATE, -1, struct.pack(">q?", 77, True)),
        Packet(PacketType.REVALIDATE, -1, struct.pack(">q?", 78, False)),
    ]


def test_answers_for_who_has_gone() -> None:
    rig = Rig().established(2, 3)
    handler = next(each for each in rig.leader.handlers if each.sid == 3)
    zxid = rig.write(b"x")
    rig.leading.sync(handler)
    rig.learners[3].link.broken()
    rig.peer.flush()
    rig.learners[2].acks(zxid)
    assert rig.replica.commits == [zxid]
    assert rig.learners[3].hears() == []


def test_nothing_is_proposed_before_a_quorum_has_the_history() -> None:
    rig = Rig()
    with pytest.raises(AssertionError, match="before the leader was established"):
        rig.leader.broadcast.propose(E1 + 1, b"x")


def test_no_gap_and_no_counter_of_all_ones() -> None:
    rig = Rig().established(2)
    with pytest.raises(AssertionError, match="after"):
        rig.leading.propose(E1 + 2, b"x")
    with pytest.raises(AssertionError, match="after"):
        rig.leading.propose_run(E1 + 2, [b"x"])
    last = E1 + MAX_COUNTER - 1
    rig.leader.broadcast.proposed = last
    with pytest.raises(AssertionError, match="must not be handed out"):
        rig.leading.propose(rig.leading.next_zxid(), b"x")
    with pytest.raises(AssertionError, match="leaves its epoch"):
        rig.leading.propose_run(rig.leading.next_zxid(), [b"x", b"y"])


def test_a_receiver_that_is_dropped_gets_no_more() -> None:
    peer = FakePeer()
    broadcast = Broadcast(peer, 1)
    broadcast.open()

    class Ear:
        sid = 2
        is_observer = False

        def __init__(self) -> None:
            self.heard: list[bytes] = []

        def send(self, data: bytes) -> None:
            self.heard.append(data)
            if len(self.heard) == 1:
                broadcast.drop(self)  # as one that is too slow: while it is sent to

    ears = Ear(), Ear()
    for ear in ears:
        broadcast.forward(ear)
    broadcast.propose(E1 + 1, b"x")
    broadcast.propose(E1 + 2, b"y")
    assert [len(ear.heard) for ear in ears] == [1, 1]
    assert bare(COMMIT, E1 + 1) not in ears[0].heard
