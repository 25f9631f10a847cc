"""Known bugs as gates: put back one by one, each is seen by a checker.

A gate is a bug that ZooKeeper had, or a hazard of its replication, as one broken function
(tests/sim/cluster_mutants.py), a world in which it can show, and the checkers of which one must see
it. docs/CORRECTNESS.md lists them all, with those that are guarded elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.sim import cluster_mutants as mutants
from tests.sim.zab_scenarios import CRASHES, FOUR, LINKS, PARTITIONS, ROUGH, verdict
from zoo.sim.zab_world import ZabScenario

SEEDS = range(1, 61)


class Gate(NamedTuple):
    bug: object
    scenario: ZabScenario
    seen_by: tuple[str, ...]


AGREEMENT = ("Agreement", "Durable", "AssertionError")

GATES = {
    "1154-2832 an old uncommitted tail stays": Gate(mutants.old_tails_stay, CRASHES, AGREEMENT),
    "2845 what is not committed is applied": Gate(mutants.commits_apply_in_sync, ROUGH, AGREEMENT),
    "3023-4394 COMMIT before UPTODATE is lost": Gate(
        mutants.commits_in_sync_are_dropped, ROUGH, (*AGREEMENT, "Converged")
    ),
    "3104 NEWLEADER ahead of the history": Gate(
        mutants.new_leader_before_the_state, ROUGH, (*AGREEMENT, "Acks")
    ),
    "3701 a cut that failed is reported done": Gate(
        mutants.cuts_do_nothing, PARTITIONS, (*AGREEMENT, "Continuity")
    ),
    "3911-4646-4685 NEWLEADER is acknowledged too early": Gate(
        mutants.new_leader_acked_at_once, ROUGH, ("Acks",)
    ),
    "4643 currentEpoch before its history": Gate(
        mutants.epoch_before_its_history, ROUGH, ("Acks",)
    ),
    "4712 the disk goes on for an earlier role": Gate(
        mutants.votes_before_the_disk, ROUGH, ("Votes",)
    ),
    "4785 transactions of a DIFF are not logged": Gate(
        mutants.diffs_miss_the_log, ROUGH, ("Acks", *AGREEMENT)
    ),
    "4925 transactions of a DIFF are not remembered": Gate(
        mutants.diffs_miss_the_history, ROUGH, AGREEMENT
    ),
    "5094 memory stays ahead of a cut log": Gate(mutants.cut_states_stay, PARTITIONS, AGREEMENT),
    "hazard 3 acceptedEpoch is lost with the power": Gate(
        mutants.promises_are_forgotten, CRASHES, ("Promises",)
    ),
    "rule 2 ACKEPOCH before acceptedEpoch": Gate(
        mutants.promises_before_the_disk, ROUGH, ("Promises",)
    ),
    "an ACK before the disk": Gate(mutants.acks_before_the_disk, ROUGH, ("Acks", "Durable")),
    "an ACK of before a cut counts": Gate(mutants.acks_outlive_their_link, LINKS, AGREEMENT),
    "half is a quorum": Gate(mutants.half_is_a_quorum, FOUR, ("OneLeader", *AGREEMENT)),
    "one ACK commits": Gate(mutants.one_ack_commits, ROUGH, ("Durable",)),
    "an epoch is used twice": Gate(
        mutants.the_same_epoch_again, CRASHES, ("OneLeader", "Converged", *AGREEMENT)
    ),
    "who lacks something leads": Gate(mutants.who_is_ahead_is_ignored, FOUR, AGREEMENT),
    "UPTODATE before the quorum": Gate(mutants.served_before_the_quorum, ROUGH, AGREEMENT),
    "votes without epochs": Gate(
        mutants.elections_forget_epochs, CRASHES, ("Converged", *AGREEMENT)
    ),
}


@pytest.mark.parametrize("name", GATES)
def test_a_known_bug_that_is_put_back_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = GATES[name]
    gate.bug(monkeypatch)  # type: ignore[operator]
    for seed in SEEDS:
        found = verdict(seed, gate.scenario)
        if found:
            assert found.startswith(gate.seen_by), found
            return
    pytest.fail(f"nobody saw it: {name}")


@pytest.mark.parametrize("scenario", [ROUGH, CRASHES, LINKS, FOUR, PARTITIONS])
def test_the_same_worlds_are_sound_without_the_bugs(scenario: ZabScenario) -> None:
    assert [verdict(seed, scenario) for seed in SEEDS[:8]] == [""] * 8
