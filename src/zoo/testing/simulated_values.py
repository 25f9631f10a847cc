"""Studies of values that many change: Counter and AtomicValue.

Checked: every change that was told of is in the value once, computed from the state right before
it, and only those whose outcome nobody knows may be there, too; what was refused never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.converters import TEXT
from zoo.recipes import AtomicValue, Counter
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns

PATH = "/value"


class CounterStudy:
    NAME: ClassVar[str] = "Counter"

    def __init__(self) -> None:
        self.told: dict[int, str] = {}
        self.perhaps = 0

    def programs(self) -> Sequence[Program]:
        return [self.program] * 4

    async def program(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            self.perhaps += 1  # until we know
            value = await self.add(zk)
            assert value not in self.told, f"{value} is {self.told[value]}'s and {process.name}'s"
            self.told[value] = process.name
            self.perhaps -= 1
            await asyncio.sleep(process.rng.uniform(0, 0.2))

        await take_turns(process, turn)

    async def add(self, zk: AsyncClient[bytes]) -> int:
        return await Counter(zk, PATH).add()

    def check(self, run: Run) -> None:
        total, sure = int(run.tree.get(PATH, b"0")), len(self.told)
        assert sure <= total <= sure + self.perhaps, (
            f"the counter is {total}; {sure} additions are known, {self.perhaps} perhaps"
        )


class AtomicValueStudy:
    """Each state names the one that it was made from; nobody writes what it cannot name again."""

    NAME: ClassVar[str] = "AtomicValue"

    def __init__(self) -> None:
        self.replaced: dict[str, str] = {}
        """Of changes that were told of: what is there now, and what was there before."""
        self.refused: dict[str, str] = {}

    def programs(self) -> Sequence[Program]:
        return [self.program] * 4

    async def program(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            value = self.make(zk)
            name = f"{process.name}.{process.life}.{process.now:.6f}"
            if process.rng.random() < 0.5:
                made = await value.update(lambda now: f"{name} after {named(now)}")
                self.replaced[name] = made.partition(" after ")[2]
            else:
                await self.compare(process, value, name)
            await asyncio.sleep(process.rng.uniform(0, 0.2))

        await take_turns(process, turn)

    def make(self, zk: AsyncClient[bytes]) -> AtomicValue[str]:
        return AtomicValue(zk, PATH, TEXT, "")

    async def compare(self, process: Process, value: AtomicValue[str], name: str) -> None:
        expected = await value.get()
        await asyncio.sleep(process.rng.uniform(0, 0.1))
        outcome = self.replaced if await self.set(value, expected, name) else self.refused
        outcome[name] = named(expected)

    async def set(self, value: AtomicValue[str], expected: str, name: str) -> bool:
        return await value.compare_and_set(expected, f"{name} after {named(expected)}")

    def check(self, run: Run) -> None:
        before, known = "", dict[str, str]()
        for zxid, state in run.versions(PATH):
            assert state is not None, f"it was deleted at 0x{zxid:x}"
            now = (state.data or b"").decode()
            name, _, basis = now.partition(" after ")
            assert basis == before, f"{now} at 0x{zxid:x}, where it was {before}"
            assert name not in known, f"{name} was set twice"
            known[name] = before
            before = name
        for name, basis in self.replaced.items():
            assert known.get(name) == basis, f"{name} was told to stand after {basis}"
        written = sorted(self.refused.keys() & known.keys())
        assert not written, f"refused, and written: {written}"


def named(value: str) -> str:
    return value.partition(" after ")[0]


VALUES = (CounterStudy, AtomicValueStudy)
