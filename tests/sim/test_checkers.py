"""The checkers see what they are for: servers broken on purpose do not pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.mutants import MUTANTS, Break, charge_stalls
from zoo.sim.checking import Violation
from zoo.sim.world import SECOND, Scenario, World

ROUGH = Scenario(
    clients=5,
    tick_ms=200,
    snap_count=100,
    power_every=3 * SECOND,
    kill_every=0,
    stall_every=3 * SECOND,
    disk_fault_every=0,
)
STALLING = replace(ROUGH, power_every=0, stall_every=SECOND)
SEEDS = range(1, 6)


def verdict(seed: int, scenario: Scenario = ROUGH) -> str:
    world = World(seed, scenario=scenario)
    try:
        world.run(6 * SECOND)
    except Violation as violation:
        return str(violation)
    return ""


@pytest.mark.parametrize("broken", MUTANTS, ids=lambda broken: broken.__name__)
def test_a_broken_server_is_seen(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    for seed in SEEDS:
        found = verdict(seed, STALLING if broken is charge_stalls else ROUGH)
        if found:
            assert found.startswith(MUTANTS[broken]), found
            return
    pytest.fail(f"nobody saw {broken.__name__}")


def test_a_sound_server_passes_the_same_worlds() -> None:
    assert [verdict(seed) for seed in SEEDS[:2]] == ["", ""]
