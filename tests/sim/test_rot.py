"""Disks that rot in an ensemble: who refuses its own is replaced, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from zoo.persistence import txn_log
from zoo.sim.checking import Violation
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario

ROTTEN = ClusterScenario(
    tick_ms=200,
    pause_us=40_000,
    clients=2,
    lockers=1,
    faults=FaultMix(every=0),
    rot_every=1_000 * SECOND,
)


def lived(seed: int, trace: Callable[[str], None] | None = None) -> ClusterWorld:
    """A bit of a follower's log flips, and it begins anew."""
    world = ClusterWorld(seed, scenario=ROTTEN, trace=trace)

    def strike() -> None:
        victim = next(server for server in world.servers if not server.is_leading)
        victim.files.rot(max(name for name in victim.files.files if "log." in name), Random(seed))
        victim.has_rotted = True
        victim.crash(power=True)
        world.schedule.after(SECOND // 10, victim.start)

    world.schedule.after(3 * SECOND // 2, strike)
    world.run(3 * SECOND)
    return world


def test_a_rotten_disk_is_noticed_and_replaced() -> None:
    lines: list[str] = []
    world = lived(1, lines.append)
    assert world.rot.counts["refusals"] >= 1
    trace = "\n".join(lines)
    for what in ("does not start", "is given an empty disk", "at 0x-1"):
        assert what in trace, what
    assert not any(server.has_rotted or server.is_lacking for server in world.servers)


def test_a_bit_that_nobody_notices_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(txn_log, "adler32", lambda data: 0)
    with pytest.raises(Violation):
        _some()


def _some() -> None:
    for seed in range(1, 5):
        lived(seed)


def test_who_has_no_quorum_beside_him_is_spared() -> None:
    often = replace(ROTTEN, voters=2, rot_every=SECOND // 10)
    world = ClusterWorld(1, scenario=often)
    world.run(2 * SECOND)
    assert world.rot.counts == {"flips": 0, "refusals": 0}
