from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from tests.sim.virtual import wait
from zoo.sim.client_loop import ProcessLoop
from zoo.sim.schedule import Schedule


class NoNetwork:
    async def connect(
        self, loop: ProcessLoop, protocol: asyncio.BaseProtocol, host: str, port: int
    ) -> asyncio.Transport:
        raise ConnectionRefusedError(f"{host}:{port}")


class Rig:
    """One loop on a schedule, and what it reported."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.reports: list[dict[str, Any]] = []
        self.loop = ProcessLoop(self.schedule, Random(1), NoNetwork(), self.reports.append)

    def run(self, main: Coroutine[Any, Any, Any], seconds: float = 100) -> asyncio.Task[Any]:
        task = self.loop.create_task(main)
        self.schedule.run_until(self.schedule.now + int(seconds * 1e6))
        return task


def test_sleeping_takes_virtual_time() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await wait(50)
        woke = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.Event().wait()
        return woke - began, loop.time() - woke

    slept, waited = Rig().run(main()).result()
    assert 50 <= slept < 50.01
    assert 3 <= waited < 3.01


def test_tasks_take_turns_in_order() -> None:
    order = []

    async def work(name: str) -> None:
        for n in range(3):
            order.append(f"{name}{n}")
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(work("a"), work("b"))

    Rig().run(main())
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_work_for_a_thread_is_done_in_between() -> None:
    async def main() -> int:
        assert await asyncio.to_thread(sum, [1, 2]) == 3
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, lambda: 1 // 0)
        return 7

    assert Rig().run(main()).result() == 7


def test_names_and_connections_come_from_the_network() -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, "10.0.0.1", 2181)
        return await loop.getaddrinfo("10.0.0.1", 2181)

    ((*_, address),) = Rig().run(main()).result()
    assert address == ("10.0.0.1", 2181)


def ticking(seen: list[float]) -> Callable[[], Coroutine[Any, Any, None]]:
    async def main() -> None:
        while True:
            await wait(1)
            seen.append(asyncio.get_running_loop().time())

    return main


def test_a_stopped_process_does_nothing_until_it_goes_on() -> None:
    rig, seen = Rig(), list[float]()
    rig.run(ticking(seen)(), 2.5)
    rig.loop.stall(10_000_000)
    rig.schedule.run_until(12_000_000)
    assert len(seen) == 2
    assert rig.loop.is_stalled
    rig.schedule.run_until(13_000_000)
    assert seen[2] >= 12.5


def test_the_clock_of_a_machine_that_sleeps_stands_still() -> None:
    rig, seen = Rig(), list[float]()
    rig.run(ticking(seen)(), 2.5)
    rig.loop.stall(10_000_000, asleep=True)
    rig.schedule.run_until(14_600_000)
    assert [int(each) for each in seen] == [1, 2, 3, 4]


def test_a_dead_process_does_nothing_more() -> None:
    rig, seen = Rig(), list[str]()

    async def main() -> None:
        try:
            await wait(1)
        finally:
            seen.append("cleaned up")
            await wait(1)
            seen.append("and waited")

    task = rig.run(main(), 0.5)
    rig.loop.die()
    rig.schedule.run_until(10_000_000)
    assert not task.done()
    assert seen == []
    rig.loop.bury()
    assert seen == ["cleaned up"]
    assert rig.loop.is_closed()


def test_errors_of_callbacks_are_reported() -> None:
    rig = Rig()
    rig.loop.call_soon(lambda: 1 // 0)
    rig.schedule.run_until(1_000)
    assert [type(each["exception"]) for each in rig.reports] == [ZeroDivisionError]


def test_a_cancelled_timer_does_nothing() -> None:
    rig, seen = Rig(), list[int]()
    rig.loop.call_later(1, seen.append, 1).cancel()
    rig.loop.call_later(2, seen.append, 2)
    rig.schedule.run_until(5_000_000)
    assert seen == [2]
    assert not rig.loop.is_running()


def test_generators_that_nobody_finishes_are_closed() -> None:
    closed = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            await wait(1)
            closed.append(True)

    async def main() -> None:
        async for _ in numbers():
            break

    Rig().run(main())
    assert closed == [True]
