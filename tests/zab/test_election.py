"""One server's rules, input by input. (Ensembles: test_election_stories, _simulation.)"""

from __future__ import annotations

import pytest

from tests.zab.election_net import begun, looking, settled, taken
from zoo.errors import ProtocolViolation
from zoo.zab.election import Decision, Election, ElectionSettings
from zoo.zab.notification import Notification, encode_notification
from zoo.zab.quorum import Hierarchical, Majority
from zoo.zab.vote import UNKNOWN_ZXID, ServerState, Vote

LOOKING, FOLLOWING, LEADING, OBSERVING = ServerState
THREE, FIVE = Majority([1, 2, 3]), Majority([1, 2, 3, 4, 5])


# --- one server


def test_it_votes_for_itself_and_then_for_the_better() -> None:
    election = begun(2)
    assert taken(election) == [(1, 2, "LOOKING"), (3, 2, "LOOKING")]
    election.notification(1, looking(1), 1)
    assert taken(election) == []
    election.notification(1, looking(3), 1)  # which 1 has heard of
    assert taken(election) == [(1, 3, "LOOKING"), (3, 3, "LOOKING")]


def test_a_quorum_is_believed_after_a_while() -> None:
    election = begun(2)
    election.notification(1, looking(2), 5)
    assert election.decision is None
    assert election.next_due == 200  # the vote is due again
    election.tick(200)
    assert len(taken(election)) == 4
    assert election.next_due == 205
    election.tick(204)
    assert election.decision is None
    election.tick(205)
    assert election.decision == Decision(Vote(2, 0, 1, 0), LEADING, (1, 2))
    assert election.state is LEADING
    assert election.next_due is None
    election.tick(10_000)
    assert taken(election) == []


def test_it_is_believed_at_once_when_all_have_voted() -> None:
    election = begun(5, FIVE)
    election.notification(1, looking(5), 1)
    election.notification(2, looking(5), 1)
    assert election.decision is None
    election.notification(4, looking(4), 1)  # will change to 5 when it hears of it, or to none
    assert election.decision is None
    election.notification(3, looking(4), 1)
    assert election.decision == Decision(Vote(5, 0, 1, 0), LEADING, (1, 2, 5))


def test_it_is_believed_at_once_when_nobody_else_can_be_heard() -> None:
    election = begun(2)
    election.unreachable(3, 0)
    assert election.decision is None
    election.notification(1, looking(2), 3)
    assert election.state is LEADING
    late = begun(2)
    late.notification(1, looking(2), 3)
    assert late.decision is None
    late.unreachable(3, 4)
    assert late.state is LEADING


def test_who_is_heard_of_is_reachable() -> None:
    election = begun(1, FIVE)
    election.unreachable(4, 0)
    election.unreachable(5, 0)
    election.notification(
        5, settled(4, FOLLOWING), 1
    )  # of another round or leader: it may look yet
    election.notification(2, looking(3), 1)
    election.notification(3, looking(3), 1)
    assert election.decision is None
    election.unreachable(5, 2)
    assert election.state is FOLLOWING


def test_a_voter_that_follows_another_leader_may_yet_vote() -> None:
    election = begun(3, FIVE)
    election.unreachable(5, 0)
    election.notification(4, settled(5, FOLLOWING, round=1), 1)
    for sid in (1, 2):
        election.notification(sid, looking(3), 1)
    assert election.decision is None
    election.notification(4, looking(4), 2)  # now it looks, and is the better one
    assert (5, 4, "LOOKING") in taken(election)


def test_without_weight_nobody_is_waited_for() -> None:
    election = Election(2, Hierarchical({1: 1, 2: 1, 3: 1}, {3: 0}))
    election.begin(0, 0, 0)
    election.notification(1, looking(2), 1)
    assert election.state is LEADING


def test_without_weight_nobody_leads_nor_stands_in_the_way() -> None:
    election = Election(3, Hierarchical({1: 1, 2: 1, 3: 1}, {3: 0}))
    election.begin(99, 9, 0)
    election.notification(2, looking(2), 1)
    election.notification(1, looking(2), 1)
    assert election.decision == Decision(Vote(2, 0, 1, 0), FOLLOWING, (1, 2, 3))


def test_who_cannot_agree_does_not_say_so_for_ever() -> None:
    """They weigh the candidates by different configurations; both are told again in time."""
    groups = {1: 1, 2: 1, 3: 1}
    two, three = Election(2, Hierarchical(groups, {3: 0})), Election(3, Hierarchical(groups, {}))
    for election in (two, three):
        election.begin(9, 1, 0)
    said = 0
    for now_ms in range(1, 1_000):
        for election in (two, three):
            election.tick(now_ms)
        while two.out or three.out:
            said += 1
            for one, other in ((two, three), (three, two)):
                out, one.out[:] = list(one.out), []
                for sid, message in out:
                    if sid == other.my_id:
                        other.received(one.my_id, message, now_ms)
            assert said < 20, "seed 1284: as fast as the net is"
    assert said > 3
    assert (two.vote.leader, three.vote.leader) == (2, 3)


def test_alone_it_leads_at_once() -> None:
    assert begun(1, Majority([1])).decision == Decision(Vote(1, 0, 1, 0), LEADING, (1,))


def test_a_later_round_takes_it_along() -> None:
    election = begun(3)
    election.notification(1, looking(1), 1)
    taken(election)
    election.notification(2, looking(2, round=7), 2)
    assert (election.round, election.vote) == (7, Vote(3, 0, 7, 0))
    assert taken(election) == [(1, 3, "LOOKING"), (2, 3, "LOOKING")]
    election.notification(1, looking(3, round=6), 3)  # counts no longer, and is helped on
    assert taken(election) == [(1, 3, "LOOKING")]
    election.tick(10_000)
    assert election.decision is None


def test_a_better_vote_takes_the_place_of_a_quorums() -> None:
    election = begun(1)
    election.notification(2, looking(2), 1)
    election.tick(150)
    assert election.decision is None  # for 2, with 2
    election.notification(3, looking(3), 150)
    assert election.decision == Decision(Vote(3, 0, 1, 0), FOLLOWING, (1, 3))


def test_an_old_vote_that_comes_late_changes_nothing() -> None:
    election = begun(2, FIVE)
    for sid, leader in ((1, 5), (1, 1), (3, 5), (3, 3)):
        election.notification(sid, looking(leader), 1)
    election.notification(4, looking(5), 1)
    election.notification(5, looking(5), 1)
    assert election.decision is not None
    assert election.decision.supporters == (1, 2, 3, 4, 5)


def test_who_repeats_a_worse_vote_has_not_heard_ours() -> None:
    election = begun(3)
    taken(election)
    election.notification(1, looking(1), 1)
    assert taken(election) == []
    election.notification(1, looking(1), 100)
    assert taken(election) == [(1, 3, "LOOKING")]
    election = begun(4, FIVE)
    taken(election)
    election.notification(1, looking(4), 100)
    election.notification(1, looking(4), 100)
    assert taken(election) == []


def test_who_looks_later_is_told_again() -> None:
    """What it heard while it was settled it may have forgotten: the servers of Java do."""
    election = begun(3)
    taken(election)
    election.notification(1, settled(2, FOLLOWING, round=0), 1)
    election.notification(1, looking(1), 3)
    assert taken(election) == [(1, 3, "LOOKING")]
    election.notification(1, looking(1, round=0), 4)
    assert taken(election) == [(1, 3, "LOOKING")]


def test_who_looks_later_remembers_what_it_heard() -> None:
    election = begun(1)
    election.unreachable(3, 1)
    election.notification(2, looking(2), 1)
    assert election.state is FOLLOWING
    election.notification(3, looking(3, round=2), 1000)
    election.notification(2, looking(3, round=2), 1199)
    taken(election)
    election.begin(0, 0, 1200)
    assert election.vote == Vote(3, 0, 2, 0)
    assert taken(election)[2:] == [(2, 3, "LOOKING"), (3, 3, "LOOKING")]
    assert election.decision is None  # that of 3 is too old
    election.notification(3, looking(3, round=2), 1201)
    assert election.decision == Decision(Vote(3, 0, 2, 0), FOLLOWING, (1, 2, 3))


def test_pauses_double_while_nothing_is_new() -> None:
    election = begun(1)
    taken(election)
    times = []
    for now in range(0, 70_000, 100):
        election.tick(now)
        if taken(election):
            times.append(now)
    assert times == [200, 600, 1400, 3000, 6200, 12600, 25400, 51000]
    election.notification(2, looking(1), 70_000)  # but it votes on
    assert election.next_due == 70_200
    short = Election(1, THREE, settings=ElectionSettings(min_interval_ms=10, max_interval_ms=15))
    short.begin(0, 0, 0)
    for now in (10, 25, 40):
        assert short.next_due == now
        short.tick(now)


def test_a_new_link_is_told_our_vote() -> None:
    election = begun(1)
    taken(election)
    election.reachable(3, 5)
    assert taken(election) == [(3, 1, "LOOKING")]
    election.reachable(99, 5)
    election.reachable(1, 5)
    assert taken(election) == []
    idle = Election(1, THREE)
    idle.reachable(3, 5)
    idle.unreachable(2, 5)
    idle.notification(3, looking(3), 5)
    idle.tick(10_000)
    assert (taken(idle), idle.next_due, idle.decision) == ([], None, None)


def test_our_own_voice_is_nobody() -> None:
    election = begun(1)
    election.notification(1, looking(3), 1)
    election.unreachable(1, 1)
    election.notification(2, looking(9), 1)  # nor is one who may not vote a candidate
    assert election.vote == Vote(1, 0, 1, 0)
    taken(election)
    election.notification(2, looking(9, round=0), 1)
    assert taken(election) == [(2, 1, "LOOKING")]


def test_a_server_without_history_waits_for_the_others() -> None:
    """ZOOKEEPER-2325: it must not be counted, and must not win."""
    election = begun(3, zxid=UNKNOWN_ZXID)
    election.notification(1, looking(1, round=4), 1)
    election.notification(2, looking(1, round=4), 1)
    assert (election.round, election.decision) == (1, None)
    election.notification(2, settled(3, FOLLOWING), 2)
    election.notification(1, settled(3, FOLLOWING), 2)
    assert election.decision is None
    election.notification(1, settled(1, LEADING, round=4), 3)
    election.notification(2, settled(1, FOLLOWING, round=4), 3)
    assert election.state is FOLLOWING
    other = begun(1)
    other.notification(2, looking(3, zxid=UNKNOWN_ZXID), 1)
    assert other.vote.leader == 1


# --- those that have settled


def test_it_joins_a_leader_with_a_quorum_in_another_round() -> None:
    election = begun(5, FIVE, zxid=9)
    election.notification(1, settled(2, FOLLOWING, round=3), 1)
    election.notification(3, settled(2, FOLLOWING, round=3), 1)
    election.notification(4, settled(2, FOLLOWING, round=3), 1)
    assert election.decision is None  # does 2 know that it leads?
    election.notification(2, settled(5, FOLLOWING, round=3), 1)
    assert election.decision is None  # it does not
    election.notification(2, settled(2, LEADING, round=3), 1)
    assert election.decision is not None
    assert election.decision.state is FOLLOWING
    assert election.decision.supporters == (1, 2, 3, 4)
    assert election.round == 3


def test_the_clock_does_not_go_back() -> None:
    election = begun(1)
    election.notification(2, looking(2, round=20), 0)
    election.begin(0, 0, 0)
    election.notification(2, settled(3, FOLLOWING, round=-1), 1)  # Java, after a reconfiguration
    election.notification(3, settled(3, LEADING, round=-1), 1)
    assert (election.state, election.vote.election_epoch, election.round) == (FOLLOWING, -1, 21)
    taken(election)
    election.notification(2, looking(2), 5)
    assert taken(election) == [(2, 3, "FOLLOWING")]


def test_it_joins_its_own_round_with_its_own_vote() -> None:
    election = begun(1)
    election.notification(2, settled(2, LEADING), 1)  # 2 heard of our vote for it
    assert election.decision is None
    election.notification(3, settled(2, FOLLOWING, epoch=1), 1)
    assert election.state is FOLLOWING
    voted = begun(1)
    voted.notification(2, looking(2), 1)
    voted.notification(2, settled(2, LEADING), 1)
    assert voted.decision == Decision(Vote(2, 0, 1, 0), FOLLOWING, (1, 2))


def test_others_may_know_first_that_it_leads() -> None:
    election = begun(3)
    election.notification(1, settled(3, FOLLOWING), 1)
    assert election.decision == Decision(Vote(3, 0, 1, 0), LEADING, (1, 3))


def test_what_it_led_in_an_earlier_round_is_over() -> None:
    election = begun(3)
    election.begin(0, 0, 0)
    election.notification(1, settled(3, FOLLOWING, round=1), 1)
    election.notification(2, settled(3, FOLLOWING, round=1), 1)
    assert election.decision is None


def test_epochs_must_agree_but_not_histories() -> None:
    """ZOOKEEPER-1732 and 1805: members tell different zxids and rounds of the same leader."""
    election = begun(1, FIVE)
    election.notification(5, Notification(Vote(5, 7, 4, 2), LEADING), 1)
    election.notification(4, Notification(Vote(5, 8, 9, 2), FOLLOWING), 1)
    election.notification(3, Notification(Vote(5, 8, 9, 1), FOLLOWING), 1)  # not yet established
    assert election.decision is None
    election.notification(3, Notification(Vote(5, 8, 9, 2), FOLLOWING), 2)
    assert election.state is FOLLOWING


def test_an_established_epoch_is_told() -> None:
    election = begun(1, Majority([1]))
    election.established(6)
    election.reconfigure(THREE, b"version=1")
    election.notification(2, looking(2), 1)
    ((to, data),) = election.out
    assert to == 2
    assert data == encode_notification(LEADING, Vote(1, 0, 1, 6), b"version=1")


def test_it_tells_who_looks_whom_it_follows_and_nobody_else() -> None:
    election = begun(2)
    election.unreachable(1, 0)
    election.notification(3, looking(3), 1)
    taken(election)
    election.notification(1, looking(1, round=9), 2)
    assert taken(election) == [(1, 3, "FOLLOWING")]
    election.notification(1, settled(3, FOLLOWING), 3)
    election.reachable(1, 4)
    election.unreachable(3, 4)
    assert taken(election) == []
    assert election.state is FOLLOWING


# --- what comes in


def test_nonsense_is_a_violation() -> None:
    election = begun(1)
    with pytest.raises(ProtocolViolation, match="a notification of 3 bytes"):
        election.received(2, b"xyz", 1)
    with pytest.raises(ProtocolViolation, match="a vote in round 9223372036854775807"):
        election.notification(2, looking(2, round=(1 << 63) - 1), 1)
    election.notification(2, looking(2, round=(1 << 63) - (1 << 32)), 1)
    for _ in range(3):
        election.begin(0, 0, 2)
    assert election.round == (1 << 63) - (1 << 32) + 3


def test_a_newer_configuration_is_reported() -> None:
    election = Election(1, THREE, b"server.1=a:1:2\nversion=5")
    election.begin(0, 0, 0)
    for sid, config in ((2, b"version=5"), (3, b"version=7"), (2, b"version=6")):
        data = encode_notification(LOOKING, Vote(2, 0, 1, 0), config)
        election.received(sid, data, 1)
    assert election.newer_config == (7, b"version=7", 3)
    assert election.decision is not None
    assert election.decision.vote.config_version == 5
