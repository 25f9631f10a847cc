"""Whole worlds: determinism, fixed seeds that found something once, and fresh ones."""

from __future__ import annotations

import random

import pytest

from zoo.sim.checking import Violation
from zoo.sim.world import SECOND, Scenario, World, config_of

# What each found when it was new.
FOUND = {
    3: "a paused connection's deferred read stood before a committed write: the server asserted",
    7: "a killed server's unsynced log tail was served, then lost to the power",
    14: "a TTL node was reaped that had been created anew since it was found",
}
FRESH = 4


def run(seed: int, seconds: int = 10) -> World:
    world = World(seed)
    world.run(seconds * SECOND)
    return world


def test_the_seed_decides_everything() -> None:
    first, second, other = run(1, 4), run(1, 4), run(2, 4)
    assert first.fingerprint.digest() == second.fingerprint.digest()
    assert first.fingerprint.digest() != other.fingerprint.digest()
    assert first.summary() == second.summary()


@pytest.mark.parametrize("seed", FOUND)
def test_seeds_that_found_something(seed: int) -> None:
    assert run(seed).checkers.txns > 0


def test_fresh_seeds() -> None:
    base = random.SystemRandom().randrange(1 << 32)
    print(f"seed base {base}")
    for seed in range(base, base + FRESH):
        try:
            world = run(seed, 6)
        except Violation as violation:
            pytest.fail(f"zoo simulate --seed {seed} --duration 6s --trace: {violation}")
        assert world.server.is_up


def test_a_world_has_all_that_goes_wrong_in_it() -> None:
    scenario = Scenario(
        snap_count=60,
        purge_every_ms=1_000,
        power_every=2 * SECOND,
        kill_every=2 * SECOND,
        stall_every=2 * SECOND,
        disk_fault_every=3 * SECOND,
    )
    lines: list[str] = []
    world = World(5, scenario=scenario, trace=lines.append)
    world.run(20 * SECOND)
    assert min(world.crashes, world.stalls, world.disk_faults, world.server.snapshots) > 0
    assert world.server.purges > 0
    trace = "\n".join(lines)
    for what in ("the power fails", "is killed", "stalls for", " flips", "event ", "multi"):
        assert what in trace


def test_config_of() -> None:
    config = config_of(Scenario(tick_ms=123, snap_count=77))
    assert (config.tick_time_ms, config.snap_count, config.min_session_timeout_ms) == (123, 77, 246)
