"""A member of the pure protocol: the steps of a Ready, crashes between them, the driver's part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.zab_scenarios import ROUGH
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.operator import initial
from zoo.sim.zab_server import ZabServer
from zoo.sim.zab_world import ZabWorld
from zoo.zab.ready import Configured, Install, Ready

CALM = replace(ROUGH, crash_chance=0.0, faults=FaultMix(every=0))


def settled(voters: int = 3) -> ZabWorld:
    world = ZabWorld(1, scenario=replace(CALM, voters=voters))
    for server in world.servers:
        server.start()
    world.schedule.run_until(2 * SECOND)
    assert all(server.is_serving for server in world.servers)
    return world


def leader_of(world: ZabWorld) -> ZabServer:
    (leader,) = [server for server in world.servers if server.is_leading]
    return leader


def test_the_steps_of_a_ready_come_in_the_contracts_order() -> None:
    server = settled().servers[0]
    ready = Ready([b"x"], 1, 1, False, 3, 1, Install(1, [b"y"], True, False), 3)
    ready = ready._replace(configured=Configured(b"", 0, None))
    names = [name for name, _, _ in server._steps(ready)]
    assert names == ["configure", "accept", "truncate", "install", "append", "sync", "follow"]


@pytest.mark.parametrize("where", ["append", "sync", "persisted"])
def test_a_crash_before_any_step_acknowledges_nothing(where: str) -> None:
    world = settled()
    follower = next(server for server in world.servers if not server.is_leading)

    def crash(step: str) -> bool:
        if step == where:
            follower.crash(power=True)
        return step == where

    follower.crash_here = crash
    world.clients.write(leader_of(world), 1)
    world.schedule.run_until(3 * SECOND)
    assert not follower.is_up
    assert follower.disk.synced.zxid == (0 if where != "persisted" else (1 << 32) + 1)
    assert world.clients.answered == 1
    follower.crash_here = lambda step: False
    follower.start()
    world.schedule.run_until(5 * SECOND)
    assert follower.state is world.ensemble.agreed


def test_a_failing_disk_ends_the_server() -> None:
    world = settled()
    follower = next(server for server in world.servers if not server.is_leading)
    stopped: list[int] = []
    follower.on_stop = lambda: stopped.append(follower.sid)
    follower.disk.trouble.syncs_until_failure = 1
    world.clients.write(leader_of(world), 1)
    world.schedule.run_until(3 * SECOND)
    assert stopped == [follower.sid]
    assert not follower.is_up
    assert world.clients.answered == 1


def test_a_leader_without_its_quorum_steps_down() -> None:
    world = settled()
    leader = leader_of(world)
    for server in world.servers:
        if server is not leader:
            server.crash(power=True)
    world.schedule.run_until(20 * SECOND)
    assert not leader.is_serving
    world.clients.stopped = True
    for server in world.servers:
        if not server.is_up:
            server.start()
    world.schedule.run_until(40 * SECOND)
    assert leader_of(world).is_serving


def test_who_is_not_listed_does_not_start() -> None:
    world = ZabWorld(1, scenario=replace(CALM, spares=1))
    spare = world.servers[3]
    spare.start()
    assert not spare.is_up
    assert not spare.is_prepared
    spare.prepare(initial([1, 2, 3], []))
    spare.start()
    assert spare.is_prepared
    assert not spare.is_up
    spare.prepare(initial([1, 2, 3], [4]))
    spare.start()
    assert spare.is_up
