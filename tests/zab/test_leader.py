from __future__ import annotations

import pytest

from tests.zab.leader_rig import (
    CONFIG,
    E1,
    E2,
    TICK_MS,
    FakeLearner,
    FakePeer,
    Rig,
    entries,
)
from zoo.zab.context import Epochs
from zoo.zab.leader import MAX_LEARNERS, Phase
from zoo.zab.leader_broadcast import EXHAUSTED
from zoo.zab.packets import Packet, PacketType, bare
from zoo.zab.quorum import Hierarchical
from zoo.zab.sync_plan import NO_HISTORY
from zoo.zab.vote import UNKNOWN_ZXID

NEWLEADER, UPTODATE = PacketType.NEWLEADER, PacketType.UPTODATE
INIT_MS = 10 * TICK_MS
SYNC_MS = 5 * TICK_MS


# --- discovery


def test_the_epoch_is_decided_by_a_quorum_promised_first_and_then_offered() -> None:
    rig = Rig(FakePeer(epochs=Epochs(accepted=4, current=3)))
    two = rig.learner(2, accepted=6)
    assert two.hears() == [], "our own promise is not durable yet"
    ready = rig.peer.log.ready()
    assert ready is not None
    assert ready.accepted_epoch == 7
    rig.peer.log.on_persisted(ready)
    rig.peer.epochs.accepted = 7
    rig.leader.persisted()
    assert two.hears() == [Packet(PacketType.LEADERINFO, 7 << 32, b"\0\1\0\0")]
    late = rig.learner(3, accepted=0)
    assert late.kinds() == ["LEADERINFO"]


def test_five_voters_need_three() -> None:
    rig = Rig(FakePeer(voters=(1, 2, 3, 4, 5)))
    rig.learner(2)
    rig.learner(9, observer=True)
    rig.learner(8)
    assert rig.peer.log.is_idle, "neither an observer nor a stranger counts"
    rig.learner(3)
    rig.peer.flush()
    rig.learners[2].promises(0, 0)
    rig.learners[9].promises(0, 0)
    rig.learners[8].promises(0, 0)
    assert rig.leader.phase.name == "DISCOVERY"
    rig.learners[3].promises(0, 0)
    assert rig.leader.phase.name == "SYNCHRONIZATION"


def test_observers_raise_the_epoch_but_do_not_decide_it() -> None:
    rig = Rig()
    rig.learner(9, observer=True, accepted=11)
    assert rig.peer.log.is_idle
    rig.learner(2)
    assert rig.leader.epoch == 12


def test_a_lone_voter_is_established_by_its_own_disk() -> None:
    rig = Rig(FakePeer(voters=(1,), committed=entries(1, 1), tail=entries(1, 2)))
    rig.peer.flush()
    assert rig.leader.phase is Phase.BROADCAST
    assert rig.replica.delivered == entries(1, 2)
    zxid = rig.write(b"x")
    rig.peer.flush()
    assert rig.replica.commits == [zxid]


def test_groups_decide_as_their_verifier_says() -> None:
    quorum = Hierarchical({1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}, {})
    rig = Rig(FakePeer(quorum=quorum))
    for sid in (2, 3):
        rig.learner(sid)
    assert rig.peer.log.is_idle, "one group of three"
    rig.learner(4)
    assert not rig.peer.log.is_idle


def test_no_quorum_comes() -> None:
    rig = Rig()
    rig.learner(9, observer=True)
    rig.passes(INIT_MS)
    assert rig.peer.looked is None
    rig.tick(1)
    assert rig.peer.looked == "no quorum in discovery, only servers [1]"
    assert rig.learners[9].is_cut
    assert rig.leader.phase is Phase.STOPPED


def test_a_follower_that_is_ahead_ends_a_leadership_that_needs_it() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1), epochs=Epochs(1, 1)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(1, E1 + 2)
    assert two.is_cut
    assert rig.peer.looked is None, "server 3 may do without it"
    three = rig.learner(3)
    three.promises(1, E1 + 3)
    assert rig.peer.looked is not None
    assert "ahead of us" in rig.peer.looked


def test_a_follower_that_is_ahead_is_cut_back_once_a_quorum_has_promised() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1), epochs=Epochs(1, 1)))
    two, three = rig.learner(2), rig.learner(3)
    rig.peer.flush()
    three.promises(1, E1 + 2)
    two.promises(1, E1 + 1)
    assert three.is_cut
    again = rig.learner(3, accepted=2)
    again.promises(-1, E1 + 2)
    assert again.hears()[:2] == [
        Packet(PacketType.LEADERINFO, E2, b"\0\1\0\0"),
        Packet(PacketType.TRUNC, E1 + 1),
    ]


@pytest.mark.parametrize("summary", [(2, 0), (1, E1 + 9)])
def test_ahead_is_by_epoch_first(summary: tuple[int, int]) -> None:
    rig = Rig(FakePeer(voters=(1, 2), committed=entries(1, 8), epochs=Epochs(1, 1)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(*summary)
    assert rig.peer.looked is not None


def test_an_old_promise_does_not_count_twice() -> None:
    rig = Rig(FakePeer(voters=(1, 2, 3)))
    two, three = rig.learner(2), rig.learner(3)
    rig.peer.flush()
    two.promises(-1, 0)
    assert rig.leader.phase is Phase.DISCOVERY
    assert not two.is_cut
    three.promises(0, 0)
    assert "DIFF" in two.kinds(), "but it follows"


def test_when_nobody_can_promise_any_more_there_is_nothing_to_wait_for() -> None:
    rig = Rig(FakePeer(voters=(1, 2)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(-1, 0)
    assert rig.peer.looked == "server 2 cannot promise epoch 1: it did already"


def test_who_hides_its_history_does_not_count() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(0, NO_HISTORY)
    assert rig.leader.phase is Phase.DISCOVERY


def test_no_promise_of_a_java_server_that_lost_its_history_counts() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(0, UNKNOWN_ZXID)
    assert rig.leader.phase is Phase.DISCOVERY


def test_a_voter_that_has_promised_a_later_epoch_ends_this_one() -> None:
    rig = Rig().established(2)
    rig.learner(3, accepted=5)
    assert rig.peer.looked == "server 3 has promised epoch 5, ours is 1"
    rig.peer.flush()
    assert rig.peer.epochs.accepted == 5, "the next one is later than that"


def test_an_observer_that_has_promised_a_later_epoch_ends_nothing() -> None:
    rig = Rig().established(2)
    observer = rig.learner(9, observer=True, accepted=5)
    assert rig.peer.looked is None
    assert observer.kinds() == ["LEADERINFO"]


# --- synchronisation


def test_new_leader_comes_with_the_configuration_and_its_quorum_has_it_durably() -> None:
    rig = Rig(FakePeer(voters=(1, 2, 3, 4, 5)))
    two, three = rig.learner(2), rig.learner(3)
    rig.peer.flush()
    two.promises(0, 0)
    three.promises(0, 0)
    expected = [Packet(PacketType.DIFF, 0), Packet(NEWLEADER, E1, CONFIG)]
    assert two.hears()[1:] == three.hears()[1:] == expected
    two.acks(E1)
    three.acks(E1)
    assert rig.replica.leading is None, "our own current epoch is not durable"
    assert two.hears() == []
    rig.peer.flush()
    assert rig.peer.epoch == 1
    assert rig.replica.leading is not None
    assert two.hears() == three.hears() == [Packet(UPTODATE, -1)]


def test_an_observer_is_brought_up_to_date_but_establishes_nothing() -> None:
    rig = Rig()
    observer, two = rig.learner(9, observer=True), rig.learner(2)
    rig.peer.flush()
    two.promises(0, 0)
    observer.promises(0, 0)
    rig.peer.flush()
    observer.drains()
    observer.acks(E1)
    assert rig.leader.phase is Phase.SYNCHRONIZATION
    two.drains()
    two.acks(E1)
    assert observer.kinds() == ["UPTODATE"]


def test_the_leaders_tail_is_history_for_learners_and_then_for_itself() -> None:
    rig = Rig(FakePeer(committed=entries(1, 1), tail=entries(1, 2, 3), epochs=Epochs(1, 1)))
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(1, E1 + 1)
    rig.peer.flush()
    assert two.hears()[1:] == [
        Packet(PacketType.DIFF, E1 + 3),
        Packet(PacketType.PROPOSAL, E1 + 2, b"1:2"),
        Packet(PacketType.COMMIT, E1 + 2),
        Packet(PacketType.PROPOSAL, E1 + 3, b"1:3"),
        Packet(PacketType.COMMIT, E1 + 3),
        Packet(NEWLEADER, E2, CONFIG),
    ]
    assert rig.replica.delivered == []
    two.acks(E2)
    assert rig.replica.delivered == entries(1, 2, 3)
    assert rig.peer.history.committed == E1 + 3
    assert rig.leading.next_zxid() == E2 + 1


def test_no_quorum_acknowledges_new_leader() -> None:
    rig = Rig()
    two = rig.learner(2)
    rig.peer.flush()
    rig.passes(INIT_MS // 2)
    two.promises(0, 0)
    rig.peer.flush()
    rig.passes(INIT_MS)
    assert rig.peer.looked is None
    rig.tick(1)
    assert rig.peer.looked == "no quorum in synchronization, only servers [1]"
    assert rig.replica.leading is None


def test_an_ack_of_new_leader_that_was_not_sent() -> None:
    peer = FakePeer(committed=entries(1, 1), floor=E1)
    peer.replica.pieces = [bytes(1 << 20)] * 2
    rig = Rig(peer)
    two = rig.learner(2)
    peer.flush()
    two.promises(0, 5)
    two.acks(E2)
    assert two.is_cut
    assert peer.replica.closed_snapshots == 1


# --- broadcast


def test_silent_learners_are_dropped_and_without_a_quorum_the_leader_steps_down() -> None:
    rig = Rig().established(2)
    two = rig.learners[2]
    rig.passes(SYNC_MS - TICK_MS)
    assert not two.is_cut
    rig.passes(2 * TICK_MS)
    assert two.is_cut
    assert ("gone", 2) in rig.replica.calls
    rig.passes(TICK_MS)
    assert rig.peer.looked == "only servers [1] are left, no quorum"
    assert rig.replica.leading is None


def test_pings_keep_it_leading() -> None:
    rig = Rig().established(2)
    two = rig.learners[2]
    for _ in range(40):
        rig.tick()
        pings = two.hears()
        assert pings == [Packet(PacketType.PING, E1)]
        two.says(*pings)
    zxid = rig.write(b"x")
    rig.tick()
    assert Packet(PacketType.PING, zxid) in two.hears()
    assert rig.peer.looked is None


def test_a_proposal_that_is_not_acknowledged_in_time() -> None:
    rig = Rig().established(2, 3)
    rig.write(b"x")
    rig.peer.flush()
    for _ in range(13):
        rig.tick()
        rig.learners[2].acks(E1 + 1)
        rig.learners[3].says(bare(PacketType.PING, E1))
    assert rig.learners[3].is_cut, "it answers, but its disk does not"
    assert not rig.learners[2].is_cut
    assert rig.peer.looked is None


def test_a_late_tick_is_nobodys_silence() -> None:
    rig = Rig().established(2)
    rig.tick(100 * SYNC_MS)
    assert not rig.learners[2].is_cut
    for _ in range(2 * SYNC_MS // TICK_MS + 2):
        rig.tick()
    assert rig.learners[2].is_cut


def test_who_says_nothing_at_all_is_dropped() -> None:
    rig = Rig().established(2)
    silent = FakeLearner(rig.peer, 3)
    for _ in range(2 * INIT_MS // TICK_MS + 1):
        rig.tick()
        rig.learners[2].says(bare(PacketType.PING, E1))
    assert silent.is_cut


def test_a_learner_that_comes_again_replaces_itself() -> None:
    rig = Rig().established(2)
    old = rig.learners[2]
    new = rig.learner(2)
    assert old.is_cut
    assert not new.is_cut
    for _ in range(4):
        rig.tick()
    assert rig.peer.looked is None, "who is being synchronised is with us"


def test_a_slow_learner_is_cut_off_and_slows_nobody() -> None:
    rig = Rig(FakePeer(max_unsent=100_000)).established(2, 3)
    two, three = rig.learners[2], rig.learners[3]
    for _ in range(20):
        zxid = rig.write(bytes(9_000))
        rig.peer.flush()
        two.drains()
        two.acks(zxid)
    assert three.is_cut
    assert three.link.out_size == 0
    assert not two.is_cut
    assert rig.replica.commits[-1] == zxid


def test_stop_closes_all_links() -> None:
    rig = Rig().established(2, 3)
    rig.leader.stop()
    assert all(learner.is_cut for learner in rig.learners.values())
    assert rig.replica.leading is None
    late = FakeLearner(rig.peer, 3)
    assert late.is_cut


def test_the_counter_is_never_used_up() -> None:
    """ZOOKEEPER-1277"""
    rig = Rig().established(2)
    rig.leader.broadcast.proposed = E1 + EXHAUSTED - 1
    rig.tick()
    assert rig.peer.looked is None
    rig.leader.broadcast.proposed = E1 + EXHAUSTED
    rig.tick()
    assert rig.peer.looked is not None
    assert "used up" in rig.peer.looked


def test_no_more_links_than_that() -> None:
    rig = Rig()
    learners = [FakeLearner(rig.peer, 2) for _ in range(MAX_LEARNERS + 1)]
    assert [learner.is_cut for learner in learners[-2:]] == [False, True]


def test_what_is_due_next() -> None:
    rig = Rig()
    assert rig.leader.next_due == rig.peer.now_ms + TICK_MS // 2
    rig.established(2)
    rig.tick(TICK_MS // 2)
    assert rig.leader.next_due == rig.peer.now_ms + TICK_MS // 2
