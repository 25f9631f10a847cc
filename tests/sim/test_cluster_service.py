"""The checkers of an ensemble's service, on hand-made histories."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.entries import SESSION, closed, created, opened
from zoo.sim.checking import Checkers, Violation
from zoo.sim.cluster_checking import ClusterCheckers, Ensemble
from zoo.sim.cluster_service import Agreed, Digests, EnsembleSessions, Service
from zoo.sim.operator import initial
from zoo.sim.schedule import Schedule

TIMEOUT = 4_000
LEADER, OTHER = 1, 2


class Stage:
    """A session that was opened at 0 ms while server 1 led."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.checkers = Checkers(self.schedule, (Digests, EnsembleSessions))
        self.service = Service(self.checkers)
        self.service.disturbed(0, 100)
        self.service.led(LEADER)
        self.checkers.committed(opened(1))

    def at(self, ms: int) -> Stage:
        self.schedule.run_until(ms * 1000)
        return self

    def expire(self, sid: int = LEADER) -> None:
        self.service.closing(sid, SESSION, 2)
        self.checkers.committed(closed(2, []))


def test_what_is_agreed_makes_the_history() -> None:
    service = Checkers(Schedule(), ())
    ensemble = Ensemble(Schedule(), initial([1], []))
    cluster = ClusterCheckers(ensemble, [lambda all_of: Agreed(all_of, service)])
    one = ensemble.prefixes.after(ensemble.prefixes.root, 1, opened(1))
    two = ensemble.prefixes.after(one, 2, created(2, b"/a", 1))
    member: Any = "s1"
    cluster.agree(member, two)
    assert service.history.last_zxid == 2
    assert service.history.now(b"/a") is not None


def test_digests_are_compared_at_each_zxid() -> None:
    stage = Stage()
    right = stage.checkers.history.digests[1]
    stage.service.digest("s1", 1, right)
    with pytest.raises(Violation, match="the digest of s2"):
        stage.service.digest("s2", 1, right + 1)
    with pytest.raises(Violation, match="not nothing"):
        stage.service.digest("s2", 5, right)


def test_silence_ends_a_session() -> None:
    stage = Stage().at(TIMEOUT)
    stage.expire()
    assert stage.checkers.history.live_sessions() == {}


@pytest.mark.parametrize("heard_at", [2_000, 3_999])
def test_not_before_its_time_as_the_leader_knows_it(heard_at: int) -> None:
    stage = Stage().at(heard_at)
    stage.service.leader_heard(LEADER, SESSION)
    stage.at(heard_at + TIMEOUT - 5)
    with pytest.raises(Violation, match="after the leader heard of it"):
        stage.expire()


def test_what_a_deposed_leader_hears_or_ends_does_not_count() -> None:
    stage = Stage().at(3_000)
    stage.service.leader_heard(OTHER, SESSION)
    stage.at(TIMEOUT).expire()
    stage = Stage().at(1_000)
    stage.expire(OTHER)
    assert stage.checkers.history.live_sessions() == {}


def test_a_new_leader_gives_all_their_whole_time_again() -> None:
    stage = Stage().at(3_000)
    stage.service.led(LEADER)
    stage.at(TIMEOUT)
    with pytest.raises(Violation, match="after the leader heard of it"):
        stage.expire()


def test_what_a_member_hears_reaches_the_leader_while_nothing_is_wrong() -> None:
    stage = Stage().at(3_000)
    stage.service.heard(LEADER, SESSION)
    stage.at(TIMEOUT)
    with pytest.raises(Violation, match="after a member heard of it"):
        stage.expire()
    stage = Stage().at(3_000)
    stage.service.heard(LEADER, SESSION)
    stage.service.disturbed(3_500_000, 100)
    stage.at(TIMEOUT).expire()


def test_what_a_deposed_leader_or_its_follower_hears_reaches_nobody() -> None:
    stage = Stage().at(3_000)
    stage.service.heard(OTHER, SESSION)
    stage.service.heard(None, SESSION)
    stage.at(TIMEOUT).expire()
    assert stage.checkers.history.live_sessions() == {}


def test_what_a_member_hears_at_the_last_moment_may_come_too_late() -> None:
    """A net that was parted is whole again: what a client said meanwhile arrives all at once."""
    stage = Stage().at(3_900)
    stage.service.disturbed(3_890_000, 100)
    stage.service.heard(LEADER, SESSION)
    stage.at(TIMEOUT).expire()
    assert stage.checkers.history.live_sessions() == {}


def test_what_a_member_has_heard_and_not_told_is_lost_when_it_leaves() -> None:
    """Its leader cut it off, as it had been slow: seed 1065."""
    stage = Stage().at(3_000)
    stage.service.heard(LEADER, SESSION)
    ensemble = Ensemble(stage.schedule, initial([1], []))
    cluster = ClusterCheckers(ensemble, [lambda all_of: Agreed(all_of, stage.checkers)])
    stage.at(3_500)
    cluster.tell("stopped", "s2")
    stage.at(TIMEOUT).expire()
    assert stage.checkers.history.live_sessions() == {}
