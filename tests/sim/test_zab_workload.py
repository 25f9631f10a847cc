"""The clients of the pure protocol: sessions of a stay, numbered requests, sync."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.cluster_mutants import deposed_leaders_answer_syncs
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
    with pytest.raises(Violation, match="1 transactions more"):
        follower.was_synced()


def deposed_leader_is_asked() -> ZabWorld:
    """The leader is cut off and stands still, and the others have another one. It wakes up, takes
    nobody's silence amiss, and is asked for a sync.
    """
    world = settled()
    old = next(server for server in world.servers if server.is_leading)
    others = [server for server in world.servers if server is not old]
    sids = [server.sid for server in others]
    world.reach.block([old.sid], sids)
    world.reach.block(sids, [old.sid])
    old.stall(2 * SECOND, asleep=False)
    while not any(server.is_leading for server in others):
        world.schedule.run_until(world.schedule.now + 1000)
    world.clients.write(next(server for server in others if server.is_leading), 1)
    while world.clients.answered < 1:
        world.schedule.run_until(world.schedule.now + 1000)
    world.schedule.run_until(old.stalled_until + 1000)
    assert old.is_leading
    world.clients._ask_sync(old)
    return world


def test_a_deposed_leader_answers_no_sync() -> None:
    world = deposed_leader_is_asked()
    world.schedule.run_until(world.schedule.now + 2 * SECOND)
    assert world.clients.synced == 0
    assert sum(server.is_leading for server in world.servers) == 1


def test_one_that_does_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    deposed_leaders_answer_syncs(monkeypatch)
    with pytest.raises(Violation, match="1 transactions more were committed when it asked"):
        deposed_leader_is_asked()


def test_leaders_and_followers_are_synced_by_those_that_follow() -> None:
    world = settled()
    for server in world.servers:
        world.clients._ask_sync(server)
    world.schedule.run_until(3 * SECOND)
    assert world.clients.synced == 3


def test_they_fall_silent_when_they_are_told() -> None:
    world = settled()
    world.clients.begin()
    world.clients.stopped = True
    world.schedule.run_until(4 * SECOND)
    assert world.clients.asked == 0
