from __future__ import annotations

import logging

import pytest

from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import FaultMix
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.sim.transfers import SECOND
from zoo.sim.zab_world import ZabScenario, ZabWorld


@pytest.mark.parametrize("seed", range(3))
def test_leadership_goes_round_while_transactions_are_made(seed: int) -> None:
    lines: list[str] = []
    world = ZabWorld(
        seed, scenario=ZabScenario(voters=3, faults=FaultMix(every=0)), trace=lines.append
    )
    world.transfers.every = SECOND
    world.run(20 * SECOND)
    assert world.transfers.begun > 3
    assert any("HANDOVER" in line for line in lines)


@pytest.mark.parametrize("seed", range(3))
def test_clients_are_kept(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scenario = ClusterScenario(voters=3, clients=3, lockers=2, faults=FaultMix(every=0))
    world = ClusterWorld(seed, scenario=scenario)
    world.transfers.every = 2 * SECOND
    world.run(20 * SECOND)
    assert world.transfers.begun > 2
    kept = [each for each in caplog.records if each.getMessage().startswith("clients were kept")]
    assert len(kept) > 2 * 3, "on all servers"


def test_it_is_drawn_whether_there_are_any() -> None:
    drawn = {ZabWorld(seed).transfers.every for seed in range(30)}
    assert 0 in drawn
    assert len(drawn) > 2
