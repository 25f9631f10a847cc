from __future__ import annotations

from random import Random

import pytest

from tests.sim.virtual import wait
from zoo.client.outside import outside
from zoo.sim.checking import Violation
from zoo.sim.client_loop_process import Process
from zoo.sim.client_loop_world import ProcessFaults, ProgramWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario


async def counting(process: Process) -> int:
    """Changes one znode for as long as things go wrong."""
    done = 0
    async with process.connect() as zk:
        await zk.ensure_path("/count")
        while not process.is_ending:
            await zk.retrying(lambda: zk.set("/count", outside().unique_name().encode()))
            done += 1
            await wait(process.rng.uniform(0, 0.2))
    return done


def lived(seed: int) -> ProgramWorld:
    world = ProgramWorld(seed, [counting] * 2, faults=ProcessFaults(every=SECOND))
    world.run(10 * SECOND)
    return world


def test_the_same_seed_gives_the_same_events() -> None:
    first, again, other = lived(5), lived(5), lived(6)
    assert first.fingerprint.digest() == again.fingerprint.digest()
    assert first.summary() == again.summary()
    assert first.fingerprint.digest() != other.fingerprint.digest()
    assert first.strikes


def test_what_the_servers_agreed_on_is_there_version_by_version() -> None:
    world = lived(7)
    values = [state.data for _, state in world.history.versions(b"/count") if state is not None]
    assert len(values) > 10
    assert b"/count" in list(world.history.paths())
    assert all(len(value or b"") in (0, 36) for value in values)


def test_servers_that_never_serve_again_are_a_violation() -> None:
    async def program(process: Process) -> None:
        world.faults.end = lambda: None  # type: ignore[method-assign]
        for server in world.servers:
            server.crash(power=True)

    calm = ClusterScenario(voters=3, faults=FaultMix(every=0))
    world = ProgramWorld(1, [program], scenario=calm, faults=ProcessFaults(every=0))
    with pytest.raises(Violation, match="not all servers serve"):
        world.run(SECOND)


def test_faults_are_drawn() -> None:
    drawn = {ProcessFaults.drawn(Random(seed)).every for seed in range(30)}
    assert {0, SECOND} < drawn
