"""Studies of what many wait at: Barrier and DoubleBarrier.

Checked: nobody passes a closed barrier; nobody begins before so many were inside at one moment, by
what the servers agreed on, and nobody has left while one that was inside with it still works; and
nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.recipes import Barrier, DoubleBarrier
from zoo.recipes.double_barrier import READY
from zoo.recipes.places import Place
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import Operator

PATH = "/barrier"


class BarrierStudy:
    """One closes and opens the barrier, three wait at it."""

    NAME: ClassVar[str] = "Barrier"

    def __init__(self) -> None:
        self.closed_since: float | None = None

    def programs(self) -> Sequence[Program]:
        return [self.keeper] + [self.waiter] * 3

    async def keeper(self, process: Process) -> None:
        self.closed_since = None

        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            barrier = Barrier(zk, PATH)
            await barrier.create()
            self.closed_since = process.now
            await asyncio.sleep(process.rng.uniform(0, 2))
            self.closed_since = None  # from here on it may be open
            await barrier.remove()
            await asyncio.sleep(process.rng.uniform(0, 0.5))

        await take_turns(process, turn)
        async with process.connect() as zk:
            await zk.retrying(Barrier(zk, PATH).remove)

    async def waiter(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            began = process.now
            await zk.sync("/")
            await self.wait(zk)
            closed = self.closed_since
            assert closed is None or closed > began, (
                f"{process.name} passes at {process.now:.6f}, it is closed since {closed:.6f}"
            )
            await asyncio.sleep(process.rng.uniform(0, 0.3))

        await take_turns(process, turn)

    async def wait(self, zk: AsyncClient[bytes]) -> None:
        await Barrier(zk, PATH).wait()

    def check(self, run: Run) -> None:
        """Who passed was judged at that moment."""


class Entry(NamedTuple):
    """`enter` has returned: by then no more than `newest` was agreed on."""

    process: str
    place: Place
    newest: int


class DoubleBarrierStudy:
    """One round after the other; some lose patience, and some die inside."""

    NAME: ClassVar[str] = "DoubleBarrier"
    members = 3
    processes = 4

    def __init__(self) -> None:
        self.inside: dict[str, Place] = {}
        self.entries: list[Entry] = []
        self.passed: dict[str, None] = {}
        """Who has been through once all was well."""
        self.operator = Operator(PATH)

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.processes + [self.operator.program]

    async def program(self, process: Process) -> None:
        self.inside.pop(process.name, None)
        async with process.connect(operation_timeout=process.rng.choice((1.0, 5.0, 30.0))) as zk:
            while len(self.passed) < self.processes:
                try:
                    await self.round(process, self.make(zk))
                except (ClientError, TimeoutError):
                    await asyncio.sleep(process.rng.uniform(0, 0.3))
        process.note("ended")

    def make(self, zk: AsyncClient[bytes]) -> DoubleBarrier:
        return DoubleBarrier(zk, PATH, self.members)

    async def round(self, process: Process, barrier: DoubleBarrier) -> None:
        await barrier.enter(process.rng.uniform(0.5, 8))
        place = barrier._place
        assert place is not None
        self.entries.append(Entry(process.name, place, process.sight.newest_zxid()))
        self.inside[process.name] = place
        try:
            await asyncio.sleep(process.rng.uniform(0, 0.5))
            if process.rng.random() < 0.1:
                await asyncio.sleep(process.rng.uniform(0, 8))
        finally:
            del self.inside[process.name]
        working = dict(self.inside)
        await barrier.leave(process.rng.choice((None, None, 3.0)))
        for name, other in working.items():
            is_there = self.inside.get(name) is other and other.path not in self.operator.struck
            assert not is_there or process.sight.has_ended(other.session_id), (
                f"{process.name} has left at {process.now:.6f}, and {name} still works"
            )
        if process.is_ending:
            self.passed[process.name] = None

    def check(self, run: Run) -> None:
        crowds = [
            (zxid, {child.decode() for child in state.children} - {READY})
            for zxid, state in run.versions(PATH)
            if state is not None
        ]
        for name, place, newest in self.entries:
            assert any(
                place.token <= zxid <= newest and place.name in crowd and len(crowd) >= self.members
                for zxid, crowd in crowds
            ), f"{name} entered as {place.name} by 0x{newest:x}: never were {self.members} inside"


BARRIERS = (BarrierStudy, DoubleBarrierStudy)
