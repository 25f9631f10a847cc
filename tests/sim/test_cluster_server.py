"""A whole simulated member: its files, its crashes, what checkers are told of its disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.test_cluster import CALM
from zoo.sim.checking import Violation
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND
from zoo.sim.cluster_server import ClusterServer


def settled(seconds: int = 2) -> ClusterWorld:
    world = ClusterWorld(1, scenario=replace(CALM, purge_every_ms=0))
    for server in world.servers:
        server.start()
    for client in world.clients:
        client.reconnect_later()
    world.schedule.run_until(seconds * SECOND)
    assert all(server.is_serving for server in world.servers)
    return world


def follower_of(world: ClusterWorld) -> ClusterServer:
    return next(server for server in world.servers if not server.is_leading)


@pytest.mark.parametrize("power", [True, False])
def test_a_member_comes_back_with_what_was_agreed(power: bool) -> None:
    world = settled()
    follower = follower_of(world)
    follower.crash(power=power)
    assert follower.sockets == {}
    world.schedule.run_until(3 * SECOND)
    follower.start()
    world.schedule.run_until(6 * SECOND)
    assert follower.is_serving
    assert follower.core.tree.last_zxid == follower.state.zxid
    assert world.ensemble.agreed.contains(follower.state)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_a_crash_within_an_operation_of_the_disk(count: int) -> None:
    world = settled()
    follower = follower_of(world)
    stopped: list[int] = []
    follower.on_stop = lambda: stopped.append(follower.sid)
    follower.files.faults.operations_until_interruption = count
    world.schedule.run_until(4 * SECOND)
    assert stopped == [follower.sid]
    follower.start()
    world.schedule.run_until(7 * SECOND)
    assert follower.is_serving


def test_checkers_see_what_is_on_the_disk() -> None:
    world = settled()
    for server in world.servers:
        assert server.disk.log.contains(server.disk.synced)
        assert server.disk.accepted == server.disk.current == 1
    follower = follower_of(world)
    synced = follower.disk.synced
    follower.crash(power=True)
    follower.start()
    assert follower.disk.synced.contains(synced)


def test_a_disk_that_lost_its_snapshots_is_refused() -> None:
    world = settled()
    follower = follower_of(world)
    follower.crash(power=False)
    for name in list(follower.files.files):
        if name.startswith("snapshot."):
            del follower.files.files[name]
    del follower.files.files[min(n for n in follower.files.files if n.startswith("log."))]
    with pytest.raises(Violation, match="does not start again"):
        follower.start()


def test_the_trees_of_all_members_are_one() -> None:
    world = settled(4)
    world.run(5 * SECOND)
    digests = {server.core.tree.digest for server in world.servers}
    assert len(digests) == 1
