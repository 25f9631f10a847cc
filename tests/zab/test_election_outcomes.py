"""Decisions that come to nothing, and what servers without a vote see of it all."""

from __future__ import annotations

from tests.zab.election_net import begun, looking, settled, taken
from zoo.zab.election import MAX_OUTSIDERS, Decision, Election, NewerConfig
from zoo.zab.notification import parse_notification
from zoo.zab.quorum import Hierarchical, Majority
from zoo.zab.quorum_joint import Joint
from zoo.zab.vote import NOBODY, ServerState, Vote

LOOKING, FOLLOWING, LEADING, OBSERVING = ServerState
FIVE = Majority([1, 2, 3, 4, 5])


# --- decisions in vain


def test_a_deserted_leader_knows() -> None:
    """ZOOKEEPER-3109: it must not wait for its supporters until initLimit."""
    election = begun(2)
    assert not election.is_deserted
    election.unreachable(3, 0)
    election.notification(1, looking(2), 1)
    assert not election.is_deserted
    election.notification(1, looking(2), 2)  # the same again: its link was slow
    election.notification(1, looking(1), 2)  # or slower
    assert not election.is_deserted
    election.notification(1, looking(3), 3)  # it has heard of a better one after all
    assert election.is_deserted
    election.notification(1, looking(2), 4)
    election.notification(1, settled(2, FOLLOWING), 4)
    assert not election.is_deserted
    election.notification(1, looking(1, round=2), 5)
    assert election.is_deserted
    election.begin(0, 0, 6)
    assert not election.is_deserted


def test_a_leader_whose_supporters_are_out_of_reach_is_deserted() -> None:
    election = begun(3)
    election.notification(1, looking(3), 1)
    election.notification(2, looking(2), 1)
    assert election.state is LEADING
    election.notification(2, looking(3), 2)
    election.unreachable(1, 3)
    assert not election.is_deserted
    election.unreachable(2, 3)
    assert election.is_deserted
    election.reachable(2, 4)
    assert not election.is_deserted


def test_a_leader_that_looks_itself_is_not_followed() -> None:
    election = begun(1)
    election.unreachable(3, 0)
    election.notification(2, looking(2), 1)
    assert election.state is FOLLOWING
    election.notification(3, looking(3), 2)
    assert not election.is_deserted
    election.notification(2, looking(3), 2)
    assert election.is_deserted


def test_a_candidate_that_died_is_given_up() -> None:
    election = begun(1, FIVE)
    election.notification(5, looking(5), 1)
    for sid in (2, 3, 4):
        election.notification(sid, looking(5), 1) if sid < 4 else None
    election.unreachable(5, 2)
    assert election.decision is None
    taken(election)
    election.notification(4, looking(4), 3)  # with 1, 2, 3 there is a quorum for the dead 5
    assert election.next_due == 22
    election.tick(22)
    assert (election.round, election.vote.leader) == (2, 1)
    assert len(taken(election)) == 4
    # The others are sure that it lives. Then we believe them: once is enough.
    for sid in (2, 3, 4):
        election.notification(sid, looking(5, round=2), 23)
    assert election.next_due == 223
    election.tick(223)
    assert election.decision is not None
    assert election.decision.vote.leader == 5


def test_a_candidate_that_comes_back_in_time_is_not_given_up() -> None:
    election = begun(1)
    election.notification(3, looking(3), 1)
    other = begun(1, FIVE)
    for sid in (5, 2, 3):
        other.notification(sid, looking(5), 1)
    other.unreachable(5, 2)
    assert other.decision is None
    other.notification(4, looking(5), 2)
    assert other.next_due == 22
    other.reachable(5, 10)
    assert other.next_due == 201
    other.notification(5, looking(5), 11)
    assert other.decision is not None
    assert other.round == 1


# --- those without a vote


def test_an_observer_learns_the_leader_and_is_not_counted() -> None:
    quorum = Majority([1, 2, 3], observers=[4])
    observer = Election(4, quorum)
    observer.begin(77, 7, 0)
    assert [(to, parse_notification(data).vote) for to, data in observer.out] == [
        (sid, Vote(NOBODY, NOBODY, 1, NOBODY)) for sid in (1, 2, 3)
    ]
    taken(observer)
    observer.notification(2, looking(2), 1)
    assert observer.decision is None
    observer.notification(1, looking(1, round=0), 1)  # its word is not asked for
    observer.notification(2, looking(2), 1)
    assert (1, 2, "LOOKING") in taken(observer)
    observer.notification(2, settled(2, LEADING), 2)
    observer.notification(3, settled(2, FOLLOWING), 2)
    assert observer.decision == Decision(Vote(2, 0, 1, 0), OBSERVING, (2, 3))
    taken(observer)
    observer.notification(1, looking(1), 3)
    assert taken(observer) == [(1, 2, "OBSERVING")]
    observer.notification(9, looking(9), 3)
    assert taken(observer) == []


def test_who_does_not_know_that_it_votes_is_followed_into_its_round_and_votes() -> None:
    """Server 1 has seen a change by which 4 votes, 4 has not: without it 1 cannot lead."""
    one, four = Election(1, Joint(Majority([1]), Majority([1, 4]))), Election(4, Majority([1]))
    one.begin(7, 1, 0)
    for _ in range(10):
        four.begin(3, 1, 0)
    for _ in range(4):
        for source, target in ((four, one), (one, four)):
            out = [message for _, message in source.out]
            source.out.clear()
            for message in out:
                target.received(source.my_id, message, 1)
    assert one.round == 10
    assert (one.state, four.state) == (LEADING, FOLLOWING)


def test_who_has_seen_a_change_that_came_to_nothing_follows_those_who_have_not() -> None:
    """It may be that no quorum of that change will ever be there."""
    three = Election(3, Joint(Majority([1, 2, 3]), Majority([3, 4, 5])))
    three.begin(7, 1, 0)
    three.notification(1, settled(1, LEADING), 1)
    assert three.decision is None
    three.notification(2, settled(1, FOLLOWING), 1)
    assert three.decision == Decision(Vote(1, 0, 1, 0), FOLLOWING, (1, 2))


def test_of_equals_who_has_its_vote_already_leads() -> None:
    """Server 2 has not seen the change by which 8 votes: it would never vote for 8."""
    joint = Joint(Majority([2, 3, 5]), Majority([2, 3, 8]))
    five, two = Election(5, joint), Election(2, Majority([2, 3, 5]))
    five.begin(7, 1, 0)
    two.begin(6, 1, 0)
    five.notification(8, looking(8, zxid=7, epoch=1), 1)
    assert five.vote.leader == 5
    two.notification(5, looking(5, zxid=7, epoch=1), 1)
    assert two.vote.leader == 5
    five.notification(8, looking(8, zxid=8, epoch=1), 1)
    assert five.vote.leader == 8, "it has more, which may be committed"


def test_of_equals_who_weighs_something_already_leads() -> None:
    """Seed 2925: 6 weighs nothing for 3, which has not seen the change that gives it weight."""
    groups = {1: 2, 3: 2, 6: 1}
    old = Hierarchical(groups, {1: 1, 3: 1, 6: 0})
    one = Election(1, Joint(old, Hierarchical(groups, {1: 1, 3: 1, 6: 1})))
    one.begin(7, 1, 0)
    one.notification(6, looking(6, zxid=7, epoch=1), 1)
    assert one.vote.leader == 1
    three = Election(3, old)
    three.begin(6, 1, 0)
    three.notification(6, looking(6, zxid=8, epoch=1), 1)
    assert three.vote.leader == 3, "it weighs nothing"
    three.notification(1, looking(1, zxid=7, epoch=1), 1)
    assert three.vote.leader == 1
    one.notification(6, looking(6, zxid=8, epoch=1), 1)
    assert one.vote.leader == 6, "it has more, which may be committed"


def test_who_weighs_something_by_a_change_alone_gives_way_to_those_who_do_already() -> None:
    """Seed 5208: 1 joins by a change that 2 has not seen, and has the longest history."""
    old, new = Majority([2, 3], observers=[1]), Majority([1, 2, 3])
    servers = {sid: Election(sid, old if sid == 2 else Joint(old, new)) for sid in (1, 2, 3)}
    history = {1: 9, 2: 7, 3: 8}
    for now in range(0, 10_000, 100):
        for sid, server in servers.items():
            if not now or server.is_deserted:
                server.begin(history[sid], 1, now)
            server.tick(now)
            out, server.out = server.out, []
            for target, message in out:
                servers[target].received(sid, message, now)
    assert [servers[sid].state for sid in (1, 2, 3)] == [OBSERVING, FOLLOWING, LEADING]
    assert {server.vote.election_epoch for server in servers.values()} == {2}


def test_who_has_no_vote_any_more_tells_of_the_configuration_by_which_that_is() -> None:
    """Else who knows of no other voter would ask it for ever."""
    old, new = Majority([1], observers=[2]), Majority([3], observers=[1, 2])
    one, two = Election(1, new, b"version=5"), Election(2, old, b"version=4")
    one.begin(7, 1, 0)
    two.begin(7, 1, 0)
    one.out.clear()
    ((_, asked),) = two.out
    one.received(2, asked, 1)
    ((target, answer),) = one.out
    assert target == 2
    two.received(1, answer, 2)
    assert two.newer_config == NewerConfig(5, b"version=5", 1)
    one.out.clear()
    one.reconfigure(new, b"version=4")
    one.received(4, asked, 300)
    assert taken(one) == [], "it knows nothing that they do not"


def test_a_voter_tells_observers_but_does_not_count_them() -> None:
    voter = Election(2, Majority([1, 2, 3], observers=[4]))
    voter.begin(0, 0, 0)
    taken(voter)
    voter.notification(4, looking(NOBODY, round=9, zxid=NOBODY, epoch=NOBODY), 1)
    assert taken(voter) == [(4, 2, "LOOKING")]
    assert voter.round == 1
    voter.notification(4, looking(3), 1)  # said again at once, it is not answered again
    assert taken(voter) == []
    voter.notification(4, looking(3), 101)
    assert taken(voter) == [(4, 2, "LOOKING")]
    voter.notification(3, looking(3), 102)  # what changes is told
    assert taken(voter) == [(1, 3, "LOOKING"), (3, 3, "LOOKING"), (4, 3, "LOOKING")]
    voter.reachable(4, 103)
    assert taken(voter) == [(4, 3, "LOOKING")]
    voter.notification(1, looking(3), 103)
    assert taken(voter) == [(4, 3, "FOLLOWING")]
    voter.notification(4, settled(3, OBSERVING), 104)
    voter.notification(1, settled(3, OBSERVING), 104)
    assert taken(voter) == []
    voter.notification(4, looking(NOBODY), 105)
    assert taken(voter) == [(4, 3, "FOLLOWING")]


def test_an_observing_voter_is_no_voter() -> None:
    election = begun(1)
    taken(election)
    election.notification(2, settled(3, OBSERVING), 1)
    election.notification(3, settled(3, LEADING), 1)
    assert election.decision is None
    assert taken(election) == []


def test_strangers_are_many_but_not_endless() -> None:
    election = begun(1)
    for sid in range(1000, 1000 + 2 * MAX_OUTSIDERS):
        election.notification(sid, looking(NOBODY), 1)
    taken(election)
    election.tick(200)
    assert len(taken(election)) == 2 + MAX_OUTSIDERS
