"""Rough worlds of the pure protocol, each rich in one kind of trouble, for tests to live in."""

from __future__ import annotations

from dataclasses import fields, replace

from zoo.sim.checking import Violation
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.zab_world import ZabScenario, ZabWorld

_NONE = {field.name: 0 for field in fields(FaultMix)[1:]}


def only(every: int, **kinds: int) -> FaultMix:
    """A mix of these kinds and no others."""
    return FaultMix(every, **{**_NONE, **kinds})


ROUGH = ZabScenario(
    tick_ms=200,
    fsync_us=(2_000, 60_000),
    pause_us=30_000,
    snapshot_every=2 * SECOND,
    crash_chance=0.003,
    faults=FaultMix(every=SECOND),
)
CRASHES = replace(ROUGH, crash_chance=0.02, faults=only(SECOND // 2, kill=3, power=3, blackout=3))
LINKS = replace(
    ROUGH,
    voters=5,
    fsync_us=(20_000, 200_000),
    crash_chance=0.0,
    faults=only(SECOND // 8, links=1),
)
FOUR = replace(ROUGH, voters=4, faults=only(SECOND, split=2, isolate=2, one_way=1, kill=1))
PARTITIONS = replace(
    ROUGH,
    voters=5,
    faults=only(SECOND // 2, split=2, isolate=2, one_way=2, stall=1, links=1),
)

CHANGING = replace(
    ROUGH,
    spares=2,
    reconfig_every=SECOND // 4,
    crash_chance=0.002,
    faults=only(SECOND // 2, kill=2, power=2, blackout=1, isolate=1, links=2),
)


def verdict(seed: int, scenario: ZabScenario, seconds: int = 4) -> str:
    """What is wrong with this world; empty if nothing is."""
    world = ZabWorld(seed, scenario=scenario)
    try:
        world.run(seconds * SECOND)
    except Violation as violation:
        return str(violation)
    return ""
