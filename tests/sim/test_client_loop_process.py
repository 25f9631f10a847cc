from __future__ import annotations

import asyncio

import pytest

from tests.sim.test_client_loop_transport import CALM, calm
from tests.sim.virtual import wait
from zoo.sim.checking import Violation
from zoo.sim.client_loop_process import Process
from zoo.sim.client_loop_world import ProcessFaults, ProgramWorld
from zoo.sim.cluster_faults import SECOND


def test_a_program_that_is_killed_starts_again_and_remembers_nothing() -> None:
    async def program(process: Process) -> int:
        remembered = 0
        async with process.connect() as zk:
            if process.life == 0:
                await zk.create("/mine", ephemeral=True)
                remembered = 1
                process.crash(power=process.number == 1)
                await wait(1)
                raise AssertionError("a dead process goes on")
            assert await zk.exists("/mine") is not None  # the session lives on for a while
            while await zk.exists("/mine") is not None:
                await wait(0.1)
        return remembered

    for number in (0, 1):
        world = calm(program)
        world.processes[0].number = number
        world.run(SECOND)
        assert world.processes[0].result == 0
        assert world.processes[0].life == 1


def test_an_error_of_the_client_ends_the_process_and_another_the_run() -> None:
    async def unlucky(process: Process) -> int:
        async with process.connect() as zk:
            if process.life < 2:
                await zk.get("/nothing")
        return process.life

    world = calm(unlucky)
    world.run(SECOND)
    assert world.processes[0].result == 2

    async def wrong(process: Process) -> None:
        raise KeyError("wrong")

    with pytest.raises(Violation, match="p0: KeyError: 'wrong'"):
        calm(wrong).run(SECOND)


def test_an_exception_in_a_callback_fails_the_run() -> None:
    async def program(process: Process) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await wait(1)

    with pytest.raises(Violation, match="ZeroDivisionError"):
        calm(program).run(SECOND)


def test_notes_are_kept_with_time_and_process() -> None:
    async def program(process: Process) -> None:
        await wait(2)
        process.note("was here", process.number)

    world = ProgramWorld(1, [program], scenario=CALM, faults=ProcessFaults(every=0))
    world.run(SECOND)
    ((at, process, what, value),) = world.notes
    assert 2 <= at < 3.1
    assert (process, what, value) == ("p0", "was here", 0)


def test_a_program_that_does_not_end_is_named_with_the_place_where_it_waits() -> None:
    async def waits_for_godot() -> None:
        await asyncio.Event().wait()

    async def program(process: Process) -> None:
        await waits_for_godot()

    with pytest.raises(Violation, match=r"p0 waits in locks.wait:\d+ < .*waits_for_godot"):
        calm(program).run(SECOND)


def test_a_stopped_process_says_so() -> None:
    lines: list[str] = []

    async def program(process: Process) -> float:
        process.stall(SECOND, asleep=True)
        await asyncio.sleep(0)
        return process.woke_at

    world = ProgramWorld(
        *(1, [program]), scenario=CALM, faults=ProcessFaults(every=0), trace=lines.append
    )
    world.run(SECOND)
    assert any("p0 is asleep for 1.000 s" in line for line in lines)
    assert 1 <= world.processes[0].result < 3
    assert not world.processes[0].is_up
