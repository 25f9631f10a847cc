"""Leadership goes from one server to another: the target wins, and nothing is lost on the way."""

from __future__ import annotations

import re

import pytest

from tests.zab.ensemble_rig import Ensemble, Server
from tests.zab.test_ensemble import started
from zoo.zab.leader import Leader

SEEDS = range(5)


def leading(server: Server) -> Leader:
    assert server.peer is not None
    assert isinstance(server.peer.role, Leader)
    return server.peer.role


def transfer(ensemble: Ensemble, target: int, timeout_ms: int = 1000) -> str | None:
    """Ask the leader for it; what speaks against it."""
    leader = ensemble.wait_for_leader()
    answers: list[str | None] = []
    leader.call(lambda peer: answers.append(leading(leader).broadcast.transfer(target, timeout_ms)))
    return answers[0]


def others(ensemble: Ensemble, leader: Server) -> list[int]:
    """The voters that do not lead, the one first that an election would never choose."""
    return [server.sid for server in ensemble.others(leader.sid)]


@pytest.mark.parametrize("voters", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_target_leads_though_others_have_as_much(seed: int, voters: int) -> None:
    ensemble = started(seed, voters, observers=1)
    old = ensemble.wait_for_leader()
    ensemble.write(20)
    target = min(sid for sid in others(ensemble, old) if sid <= voters)
    assert transfer(ensemble, target) is None
    took = ensemble.run_until(lambda: ensemble.leader is not None and ensemble.leader is not old)
    assert ensemble.leader is not None
    assert ensemble.leader.sid == target
    assert took <= 30, "no timeout had to run out"
    assert ("keep",) in old.replica.answers
    ensemble.write(5)
    assert len(ensemble.settle()) == 26, (
        "what was written, and the transaction that changes nothing"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_to_and_fro(seed: int) -> None:
    ensemble = started(seed)
    for turn in range(12):
        target = turn % 3 + 1
        leader = ensemble.wait_for_leader()
        ensemble.write(3)
        why_not = transfer(ensemble, target)
        assert (why_not is None) == (leader.sid != target)
        if why_not is None:
            ensemble.run_until(
                lambda sid=target: ensemble.leader is not None and ensemble.leader.sid == sid
            )
        ensemble.wait_until_all_serve()
    state = ensemble.settle()
    assert {entry for _, entry in ensemble.acknowledged} <= {entry for _, entry in state}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_that_dies_leaves_the_leader_leading(seed: int) -> None:
    ensemble = started(seed)
    leader = ensemble.wait_for_leader()
    target = others(ensemble, leader)[0]
    ensemble.write(10)
    assert transfer(ensemble, target) is None
    ensemble.crash(target)
    ensemble.run_until(lambda: any(each[0] == "release" for each in leader.replica.answers))
    assert ensemble.wait_for_leader() is leader
    ensemble.write(5)
    ensemble.boot(target)
    ensemble.write(5)
    assert len(ensemble.settle()) in (20, 21)


def test_a_target_that_is_silent_is_given_up() -> None:
    ensemble = started(0)
    leader = ensemble.wait_for_leader()
    target = others(ensemble, leader)[0]
    transfer_of = leading(leader)
    ensemble.servers[target].call = lambda what: None  # type: ignore[method-assign]
    assert transfer(ensemble, target, 50) is None
    ensemble.write(3)
    ensemble.run_until(lambda: transfer_of.transfer is None)
    (released,) = [each for each in leader.replica.answers if each[0] == "release"]
    assert f"server {target}" in released[1]
    assert re.search(r"has not acknowledged .* after 5\d ms", released[1])
    assert ensemble.leader is leader


def test_writes_are_held_for_a_second_at_most() -> None:
    ensemble = started(0)
    leader = ensemble.wait_for_leader()
    target = others(ensemble, leader)[0]
    ensemble.servers[target].call = lambda what: None  # type: ignore[method-assign]
    assert transfer(ensemble, target, 60_000) is None
    assert ("hold",) in leader.replica.answers, "it had everything"
    role = leading(leader)
    assert ensemble.run_until(lambda: role.transfer is None or ensemble.leader is None) <= 1010


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_offered_to_a_lost_target_is_proposed_to_all(seed: int) -> None:
    ensemble = started(seed)
    leader = ensemble.wait_for_leader()
    target = others(ensemble, leader)[0]
    ensemble.write(3)
    assert transfer(ensemble, target) is None
    ensemble.run_until(
        lambda: leading(leader).transfer is not None and leading(leader).transfer.offered != 0
    )
    offered = leading(leader).proposed
    ensemble.crash(target)
    ensemble.run_until(lambda: leader.replica.last_zxid >= offered)
    ensemble.boot(target)
    assert offered in [zxid for zxid, _ in ensemble.settle()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_that_dies_when_it_has_won_is_replaced(seed: int) -> None:
    ensemble = started(seed)
    old = ensemble.wait_for_leader()
    target = others(ensemble, old)[0]
    ensemble.write(10)
    assert transfer(ensemble, target) is None
    ensemble.run_until(lambda: ("keep",) in old.replica.answers)
    ensemble.crash(target)
    ensemble.run_until(lambda: ensemble.leader is not None)
    ensemble.boot(target)
    ensemble.write(5)
    assert len(ensemble.settle()) in (15, 16)


def test_what_speaks_against_it() -> None:
    ensemble = started(1, observers=1)
    leader = ensemble.wait_for_leader()
    target = others(ensemble, leader)[0]
    assert transfer(ensemble, leader.sid) == f"server {leader.sid} is the leader"
    assert transfer(ensemble, 4) == "server 4 is no voting member"
    assert transfer(ensemble, 17) == "server 17 is no voting member"
    ensemble.crash(target)
    ensemble.run_until(lambda: all(each.sid != target for each in leading(leader).handlers))
    assert transfer(ensemble, target) == f"server {target} is not connected and in step"
    assert ("hold",) not in leader.replica.answers


def test_a_second_transfer_has_to_wait() -> None:
    ensemble = started(2)
    leader = ensemble.wait_for_leader()
    first, second = others(ensemble, leader)
    ensemble.write(3)
    assert transfer(ensemble, first) is None
    assert transfer(ensemble, second) == f"a transfer to server {first} is under way"


def test_what_was_offered_before_anything_was_proposed_counts_as_what_all_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A target that is a quorum by its weight acknowledged what no history here has."""
    ensemble = started(1)
    role = leading(ensemble.wait_for_leader())
    heard: list[tuple[int, int]] = []
    monkeypatch.setattr(role.broadcast, "acknowledged", lambda *what: heard.append(what))
    handler = next(iter(role.handlers))
    role.acknowledged(handler, role.broadcast.next_zxid())
    assert heard == [(handler.sid, role.context.history.last_zxid)]
    assert heard[0][1] < role.broadcast.proposed
