"""Whole worlds of the pure protocol: determinism, fresh seeds, and all that goes wrong in them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.sim.zab_scenarios import PARTITIONS, ROUGH
from zoo.sim.checking import Violation
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.zab_world import ZabScenario, ZabWorld

FRESH = 12


def lived(seed: int, seconds: int = 5, scenario: ZabScenario | None = None) -> list[str]:
    lines: list[str] = []
    world = ZabWorld(seed, scenario=scenario, trace=lines.append)
    world.run(seconds * SECOND)
    return [*lines, world.summary()]


def test_the_seed_decides_everything() -> None:
    assert lived(3) == lived(3)
    assert lived(3) != lived(4)


def test_fresh_seeds() -> None:
    base = random.SystemRandom().randrange(1 << 32)
    for seed in range(base, base + FRESH):
        try:
            lines = lived(seed)
        except Violation as violation:
            pytest.fail(f"zoo simulate --zab --seed {seed} --duration 5s --trace: {violation}")
        assert " committed" in lines[-1]


def test_a_world_without_faults_loses_nothing() -> None:
    scenario = replace(ROUGH, observers=1, crash_chance=0.0, faults=FaultMix(every=0))
    world = ZabWorld(1, scenario=scenario)
    world.run(3 * SECOND)
    assert world.clients.asked == world.clients.answered > 100
    assert world.clients.synced > 0
    assert world.ensemble.agreed.zxid >> 32 == 1


def test_all_ways_of_synchronisation_and_all_faults_occur() -> None:
    all_kinds = FaultMix(SECOND // 2, *[1] * 13)
    few = replace(ROUGH, window=3, snapshot_every=SECOND // 2, faults=all_kinds)
    lines: list[str] = []
    for seed in range(10):
        for scenario in (few, replace(PARTITIONS, voters=3)):
            lines += lived(seed, 6, scenario)
    trace = "\n".join(lines)
    for what in (
        *(" DIFF ", " TRUNC ", " SNAP ", "is killed", "loses its power", "stands still"),
        *("is asleep", "wall clock", "are parted", "nothing comes from", "links break"),
        *("times slower", "the mesh loses", "will fail on its disk", "crashes before"),
        "the net is whole",
    ):
        assert what in trace, what


def test_a_peer_that_raises_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.zab.leader.Leader.introduced", None)
    with pytest.raises(Violation, match="TypeError"):
        lived(1, scenario=ROUGH)


def test_who_never_serves_again_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.zab.leader.Leader._establish", lambda self: None)
    with pytest.raises(Violation, match=r"Converged: after all is quiet \[\] lead"):
        lived(1, 1, replace(ROUGH, faults=FaultMix(every=0)))
