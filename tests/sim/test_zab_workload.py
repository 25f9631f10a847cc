"""The clients of the pure protocol: sessions of a stay, numbered requests, sync."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.zab_scenarios import ROUGH
from zoo.sim.checking import Violation
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.zab_world import ZabWorld


def settled() -> ZabWorld:
    world = ZabWorld(1, scenario=replace(ROUGH, crash_chance=0.0, faults=FaultMix(every=0)))
    for server in world.servers:
        server.start()
    world.schedule.run_until(2 * SECOND)
    return world


def test_writes_are_answered_wherever_they_were_asked() -> None:
    world = settled()
    for server in world.servers:
        world.clients.write(server, 3)
    world.schedule.run_until(3 * SECOND)
    assert world.clients.asked == world.clients.answered == 9
    sessions = {prefix.entry[:8] for prefix in world.ensemble.prefixes if prefix.entry}
    assert len(sessions) == 3


def test_a_sync_that_comes_too_early_is_seen() -> None:
    world = settled()
    leader = next(server for server in world.servers if server.is_leading)
    follower = next(server for server in world.servers if server is not leader)
    world.clients.write(leader, 3)
    world.schedule.run_until(3 * SECOND)
    world.clients._syncs[follower.sid].append(leader.state.depth)
    follower.was_synced()
    assert world.clients.synced == 1
    world.clients._syncs[follower.sid].append(leader.state.depth + 1)
    with pytest.raises(Violation, match="1 transactions ahead"):
        follower.was_synced()


def test_they_fall_silent_when_they_are_told() -> None:
    world = settled()
    world.clients.begin()
    world.clients.stopped = True
    world.schedule.run_until(4 * SECOND)
    assert world.clients.asked == 0
