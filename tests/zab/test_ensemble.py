"""Whole ensembles: whatever is killed, histories agree and nothing acknowledged is lost."""

from __future__ import annotations

import pytest

from tests.zab.ensemble_rig import TICK_MS, Ensemble, Server
from zoo.zab.learner import Learner
from zoo.zab.vote import ServerState

SEEDS = range(5)


def started(seed: int, voters: int = 3, observers: int = 0, window: int = 1000) -> Ensemble:
    ensemble = Ensemble(seed, voters, observers, window)
    ensemble.boot()
    ensemble.wait_until_all_serve()
    return ensemble


def ways(caplog: pytest.LogCaptureFixture) -> list[str]:
    """How learners were synchronised."""
    records = [each for each in caplog.records if each.name == "zoo.zab.learner_sync"]
    return [record.getMessage().split()[0] for record in records]


def a_follower(ensemble: Ensemble) -> Server:
    return next(
        server
        for server in ensemble.up
        if server.peer and server.peer.state is ServerState.FOLLOWING
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("voters", [1, 2, 3, 5])
def test_writes_commit_everywhere(seed: int, voters: int) -> None:
    ensemble = started(seed, voters, observers=1)
    for _ in range(20):
        ensemble.write(5)
        ensemble.run(1)
    state = ensemble.settle()
    assert len(state) == len(ensemble.acknowledged) == 100


@pytest.mark.parametrize("seed", SEEDS)
def test_another_leads_when_the_leader_is_killed(seed: int) -> None:
    ensemble = started(seed)
    old = ensemble.wait_for_leader()
    ensemble.write(50)
    ensemble.run(2)
    ensemble.crash(old.sid)
    took = ensemble.run_until(lambda: ensemble.leader is not None)
    assert took <= 50, "election, discovery and synchronisation in the blink of an eye"
    ensemble.write(10)
    ensemble.settle()
    ensemble.boot(old.sid)
    ensemble.write(10)
    assert len(ensemble.settle()) >= 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_follower_comes_back_by_a_diff(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    ensemble = started(seed)
    ensemble.write(10)
    ensemble.settle()
    follower = a_follower(ensemble)
    ensemble.crash(follower.sid)
    ensemble.write(200)
    ensemble.run(20)
    with caplog.at_level("INFO", "zoo.zab.learner_sync"):
        ensemble.boot(follower.sid)
        ensemble.write(10)
        assert len(ensemble.settle()) == 220
    assert ways(caplog) == ["DIFF"]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_empty_disk_is_filled_by_a_snapshot(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    ensemble = Ensemble(seed, window=100)
    ensemble.boot(1, 2)
    ensemble.wait_for_leader()
    for _ in range(30):
        ensemble.write(100)
        ensemble.run(10)
    with caplog.at_level("INFO", "zoo.zab.learner_sync"):
        ensemble.boot(3)
        ensemble.write(10)
        assert len(ensemble.settle()) == 3010
    assert ways(caplog) == ["SNAP"]
    ensemble.crash()
    ensemble.boot()
    assert len(ensemble.settle()) == 3010


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("has_restarted", [False, True])
def test_the_tail_of_an_old_leader_is_cut_off(
    seed: int, has_restarted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ensemble = started(seed)
    ensemble.write(10)
    ensemble.settle()
    old = ensemble.wait_for_leader()
    for other in ensemble.others(old.sid):
        ensemble.sever(old.sid, other.sid)
    assert old.peer is not None
    if old.replica.role is not None:
        old.call(lambda peer: old.replica.write(b"nobody hears of this"))
    ensemble.run(10)
    lonely = old.disk.state[-1]
    if has_restarted:
        ensemble.crash(old.sid)
        old.boot()
        assert old.replica.state[-1] == lonely, "recovery takes all of the log"
    ensemble.run_until(lambda: ensemble.leader not in (None, old))
    ensemble.write(10)
    ensemble.run(50)
    with caplog.at_level("INFO", "zoo.zab.learner_sync"):
        ensemble.heal()
        state = ensemble.settle()
    kinds = ways(caplog)
    assert len(state) == 20
    assert kinds == (["TRUNC"] if b"nobody" in lonely[1] else ["DIFF"])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_deposed_leader_that_cannot_go_back_is_given_a_snapshot(seed: int) -> None:
    ensemble = started(seed)
    ensemble.write(10)
    ensemble.settle()
    old = ensemble.wait_for_leader()
    ensemble.crash(*(other.sid for other in ensemble.others(old.sid)))
    if old.replica.role is not None:
        old.call(lambda peer: old.replica.write(b"nobody hears of this"))
    ensemble.run(10)
    ensemble.crash(old.sid)
    old.disk.compact()
    ensemble.boot(*(other.sid for other in ensemble.others(old.sid)))
    ensemble.wait_for_leader()
    ensemble.write(10)
    ensemble.run(50)
    ensemble.boot(old.sid)
    assert len(ensemble.settle()) == 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_ensemble_restarts(seed: int) -> None:
    ensemble = started(seed, 3, observers=1)
    for _ in range(5):
        ensemble.write(10)
        ensemble.run(3)
        ensemble.crash()
        ensemble.run(10)
        ensemble.boot()
        ensemble.wait_until_all_serve()
    state = ensemble.settle()
    assert len(state) <= 50
    assert {*ensemble.acknowledged} <= {*state}


def test_a_leader_without_a_quorum_steps_down() -> None:
    ensemble = started(1)
    leader = ensemble.wait_for_leader()
    ensemble.crash(*(other.sid for other in ensemble.others(leader.sid)))
    ensemble.run(TICK_MS * 12)
    assert leader.peer is not None
    assert leader.peer.state is ServerState.LOOKING
    assert not leader.is_serving


def test_roles_and_phases_are_told() -> None:
    ensemble = started(1, 3, observers=1)
    leader = ensemble.wait_for_leader()
    for server in ensemble.up:
        assert server.peer is not None
        assert server.peer.zab_state == "broadcast"
        assert server.peer.leader_id == leader.sid
        epoch = server.peer.epochs
        assert epoch.accepted == epoch.current == 1
    follower = a_follower(ensemble)
    ensemble.crash(leader.sid)
    ensemble.run(1)
    assert follower.peer is not None
    assert follower.peer.zab_state in ("election", "discovery", "synchronization")
    observer = ensemble.servers[4]
    assert observer.peer is not None
    ensemble.wait_until_all_serve()
    assert observer.peer.state is ServerState.OBSERVING


@pytest.mark.parametrize("seed", range(40))
def test_histories_agree_whatever_is_killed(seed: int) -> None:
    ensemble = Ensemble(seed, 3 + 2 * (seed % 2), observers=seed % 3, window=20 + 60 * (seed % 4))
    ensemble.drops = 0.05
    rng = ensemble.rng
    ensemble.boot()
    for _ in range(60):
        for _ in range(rng.randrange(1, 15)):
            ensemble.write(rng.randrange(20))
            ensemble.run(rng.randrange(1, 8))
        server = ensemble.servers[rng.choice([*ensemble.servers])]
        what = rng.random()
        if server.peer is None:
            if rng.random() < 0.2:
                server.disk.compact()
            server.boot()
        elif what < 0.4:
            server.crash()
        elif what < 0.5 and ensemble.leader is not None:
            ensemble.leader.crash()
        elif what < 0.6:
            for pipe in server.links[:1]:
                pipe.cut()
        elif what < 0.75:
            for other in ensemble.others(server.sid):
                if rng.random() < 0.7:
                    ensemble.sever(server.sid, other.sid)
        else:
            ensemble.heal()
    ensemble.heal()
    ensemble.drops = 0
    for server in ensemble.servers.values():
        if server.peer is None:
            server.boot()
    before = len(ensemble.acknowledged)
    ensemble.wait_for_leader()
    ensemble.write(10)
    state = ensemble.settle()
    assert len(state) > before > 0


def test_a_server_follows_one_leader_at_a_time() -> None:
    """Links of an earlier role lead nowhere."""
    ensemble = started(3)
    follower = a_follower(ensemble)
    peer = follower.peer
    assert peer is not None
    first = peer.role
    assert isinstance(first, Learner)
    peer.look("for the test")
    assert not follower.is_serving
    assert first is not peer.role
    first.persisted()
    ensemble.settle()
    assert follower.is_serving


@pytest.mark.parametrize("seed", SEEDS)
def test_who_lost_everything_gets_it_back_and_is_a_member_like_others_then(seed: int) -> None:
    ensemble = started(seed)
    ensemble.write(20)
    ensemble.settle()
    lost = a_follower(ensemble)
    ensemble.crash(lost.sid)
    lost.lose_everything()
    ensemble.write(5)
    lost.boot(lacks_history=True)
    ensemble.wait_until_all_serve()
    state = ensemble.settle()
    ensemble.run(100)
    assert lost.disk.state == state
    assert lost.peer
    assert not lost.peer.lacks_history
    ensemble.crash(next(s.sid for s in ensemble.others(lost.sid)))
    ensemble.wait_for_leader()  # it takes two, so its vote counts
    ensemble.write(3)
    assert len(ensemble.settle()) == 28


@pytest.mark.parametrize("seed", SEEDS)
def test_members_that_lost_everything_elect_nobody(seed: int) -> None:
    ensemble = started(seed)
    ensemble.write(20)
    state = ensemble.settle()
    lost = ensemble.wait_for_leader(), a_follower(ensemble)
    for server in lost:
        ensemble.crash(server.sid)
        server.lose_everything()
        server.boot(lacks_history=True)
    ensemble.run(20_000)
    assert ensemble.leader is None
    (left,) = [server for server in ensemble.up if server not in lost]
    assert left.disk.state == state
    # The operator decides: one of them was empty in truth.
    ensemble.crash(lost[0].sid)
    lost[0].boot()
    ensemble.wait_until_all_serve()
    assert ensemble.settle() == state


def test_a_new_ensemble_waits_for_its_operator() -> None:
    ensemble = Ensemble(1)
    for server in ensemble.servers.values():
        server.boot(lacks_history=True)
    ensemble.run(5000)
    assert ensemble.leader is None
