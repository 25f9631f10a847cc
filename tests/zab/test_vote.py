from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.zab.quorum import Hierarchical, Majority
from zoo.zab.vote import NOBODY, Ballot, ServerState, Vote, agrees, succeeds

THREE = Majority([1, 2, 3])
LOOKING, FOLLOWING, LEADING, _ = ServerState


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Vote(1, 0, 0, 2), Vote(3, 9, 0, 1)),  # the epoch decides first, ZOOKEEPER-335
        (Vote(1, 8, 0, 1), Vote(3, 7, 9, 1)),  # then the history, whatever the round
        (Vote(3, 8, 0, 1), Vote(2, 8, 0, 1)),  # then the id
        (
            Vote(1, 0, 0, 0),
            Vote(NOBODY, NOBODY, 0, NOBODY),
        ),  # what a server that votes not begins with
    ],
)
def test_order(better: Vote, worse: Vote) -> None:
    assert succeeds(better, worse, THREE)
    assert not succeeds(worse, better, THREE)
    assert not succeeds(better, better, THREE)


def test_without_weight_nobody_leads() -> None:
    quorum = Hierarchical({1: 1, 2: 1, 3: 1}, {3: 0})
    longest, shorter = Vote(3, 9, 0, 5), Vote(1, 2, 0, 1)
    assert not succeeds(longest, shorter, quorum)
    assert succeeds(shorter, longest, quorum)
    assert not succeeds(Vote(99, 9, 0, 9), shorter, quorum)


VOTES = st.builds(Vote, st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(0, 3))


@given(VOTES, VOTES, VOTES)
def test_the_order_is_total_and_transitive(a: Vote, b: Vote, c: Vote) -> None:
    quorum = Hierarchical({1: 1, 2: 1, 3: 1}, {1: 0})
    assert not (succeeds(a, b, quorum) and succeeds(b, a, quorum))
    if succeeds(a, b, quorum) and succeeds(b, c, quorum):
        assert succeeds(a, c, quorum)
    alike = (a.leader, a.zxid, a.peer_epoch) == (b.leader, b.zxid, b.peer_epoch)
    weightless = not (quorum.weight(a.leader) or quorum.weight(b.leader))
    assert alike or weightless or succeeds(a, b, quorum) or succeeds(b, a, quorum)


VOTE = Vote(3, 8, 5, 1, config_version=7)


@pytest.mark.parametrize(
    ("other", "state", "version", "expected"),
    [
        (VOTE, LOOKING, 2, True),
        (VOTE._replace(config_version=0), LOOKING, 0, True),
        (VOTE._replace(zxid=9), LOOKING, 2, False),
        (VOTE._replace(election_epoch=6), LOOKING, 2, False),
        (VOTE._replace(peer_epoch=2), LOOKING, 2, False),
        (VOTE._replace(leader=2), LOOKING, 2, False),
        (VOTE._replace(zxid=9, election_epoch=6), LEADING, 2, True),  # ZOOKEEPER-1805
        (VOTE._replace(peer_epoch=2), LEADING, 2, False),
        (VOTE._replace(peer_epoch=2), LEADING, 0, True),  # ZOOKEEPER-1732
        (VOTE._replace(leader=2), LEADING, 2, False),
        (VOTE._replace(leader=2), LEADING, 0, False),
    ],
)
def test_agreement(other: Vote, state: ServerState, version: int, expected: bool) -> None:
    mine, theirs = Ballot(VOTE, FOLLOWING, 2), Ballot(other, state, version)
    assert agrees(mine, theirs) is expected
    assert agrees(theirs, mine) is expected


def test_in_one_round_the_leader_stands_for_its_history() -> None:
    settled, later = Ballot(VOTE, FOLLOWING, 2), Ballot(VOTE._replace(peer_epoch=2), LEADING, 2)
    assert agrees(settled, later, one_round=True)
    assert not agrees(settled._replace(state=LOOKING), later, one_round=True)
    other = later._replace(vote=VOTE._replace(leader=2))
    assert not agrees(settled, other, one_round=True)


def test_text() -> None:
    assert str(VOTE) == "3 with 0x8 of epoch 1 in round 5"
    assert str(Vote(1, -1, 0, 0)).startswith("1 with 0xffffffffffffffff ")
