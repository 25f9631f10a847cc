"""The driver of a simulated peer: dials once, holds who comes too early, ticks when it is due."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.zab_scenarios import ROUGH
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.learner_links import End
from zoo.sim.peer_host import HOLD
from zoo.sim.zab_world import ZabWorld
from zoo.zab.vote import ServerState

CALM = replace(ROUGH, crash_chance=0.0, faults=FaultMix(every=0))


def world(voters: int = 3) -> ZabWorld:
    return ZabWorld(1, scenario=replace(CALM, voters=voters))


def dialled(it: ZabWorld, one: int, other: int) -> End:
    """The dialler's end of a connection to a quorum port."""
    found: list[End | None] = []
    source = it.servers[one - 1]
    it.links.dial(
        source, it.servers[other - 1], lambda link: found.append(link and it.links.end_of(link))
    )
    it.schedule.run_until(it.schedule.now + SECOND // 10)
    (end,) = found
    assert end is not None
    return end


def test_a_message_that_makes_no_sense_is_dropped() -> None:
    lines: list[str] = []
    it = ZabWorld(1, scenario=CALM, trace=lines.append)
    it.servers[0].start()
    it.servers[0].notification(2, b"nonsense")
    it.schedule.run_until(SECOND)
    assert any("drops a message of s2" in line for line in lines)
    assert it.servers[0].is_up


def test_who_is_looking_holds_connections_for_a_while() -> None:
    it = world()
    it.servers[0].start()
    it.servers[1].start()
    it.reach.block([1, 2, 3], [1, 2, 3])
    it.schedule.run_until(SECOND)
    it.reach.heal()
    for server in it.servers:
        server.notification = lambda sid, data: None  # type: ignore[method-assign]
    end = dialled(it, 1, 2)
    assert it.servers[1].peer.state is ServerState.LOOKING
    assert not end.is_gone
    assert len(it.servers[1]._held) == 1
    it.schedule.run_until(it.schedule.now + HOLD)
    assert it.servers[1]._held == []
    assert end.is_gone


def test_a_follower_closes_connections_to_its_quorum_port() -> None:
    it = world()
    for server in it.servers:
        server.start()
    it.schedule.run_until(2 * SECOND)
    leader = next(server for server in it.servers if server.is_leading)
    one, other = [server.sid for server in it.servers if server is not leader]
    end = dialled(it, one, other)
    it.schedule.run_until(it.schedule.now + SECOND)
    assert end.is_gone


def test_an_idle_ensemble_costs_few_steps() -> None:
    it = world()
    for server in it.servers:
        server.start()
    it.schedule.run_until(5 * SECOND)
    before = it.schedule.count
    it.schedule.run_until(15 * SECOND)
    assert (it.schedule.count - before) / 10 < 60 * len(it.servers)
