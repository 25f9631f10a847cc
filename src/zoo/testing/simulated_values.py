"""Studies of shared values: Counter, TreeCache, Group, Barrier.

Checked: every change that was told of is in the value once, and only those whose outcome nobody
knows may be, too; a copy has only states that the server had, in their order, and becomes equal to
the server once nothing changes; all who are there are listed; nobody passes a closed barrier, and
nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import BadVersionError, ClientError, NodeExistsError, NoNodeError
from zoo.client.results import Node
from zoo.recipes import Barrier, Counter, Group, TreeCache
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import keep_trying

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


class TreeCacheStudy:
    """Two change a tree, three have copies of it."""

    NAME: ClassVar[str] = "TreeCache"

    def __init__(self) -> None:
        self.writing = 2
        self.copies: dict[str, list[tuple[str, int, bytes]]] = {}

    def programs(self) -> Sequence[Program]:
        return [self.writer] * 2 + [self.reader] * 3

    async def writer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            path = f"{PATH}/{process.rng.choice('abc')}"
            if process.rng.random() < 0.5:
                path += f"/{process.rng.choice('xyz')}"
            what = process.rng.random()
            try:
                if what < 0.4:
                    await zk.create(path, b"new", make_parents=True)
                elif what < 0.8:
                    await zk.set(path, b"%f" % process.now)
                else:
                    await zk.delete_all(path)
            except (NodeExistsError, NoNodeError, BadVersionError):
                return
            await asyncio.sleep(process.rng.uniform(0, 0.2))

        await take_turns(process, turn)
        self.writing -= 1

    def make(
        self, zk: AsyncClient[bytes], listener: Callable[[str, Node[Any] | None], None]
    ) -> TreeCache[bytes]:
        return TreeCache(zk, PATH, listener)

    async def reader(self, process: Process) -> None:
        seen = self.copies[f"{process.name}.{process.life}"] = []

        def listener(path: str, node: Node[bytes] | None) -> None:
            if node is not None:
                seen.append((path, node.stat.mzxid, node.data))

        async with process.connect() as zk:
            await keep_trying(process, zk, PATH)
            async with self.make(zk, listener) as cache:
                while self.writing or not process.is_ending:
                    await asyncio.sleep(0.5)
                while not await self.is_equal(zk, cache):
                    await asyncio.sleep(0.5)

    async def is_equal(self, zk: AsyncClient[bytes], cache: TreeCache[bytes]) -> bool:
        """Does the copy hold what the server has? It must, sooner or later."""
        try:
            await zk.sync(PATH)
            copy = {path: node.data for path, node in cache.snapshot().items()}
            return copy == await self._tree(zk, PATH)
        except ClientError:
            return False

    async def _tree(self, zk: AsyncClient[bytes], path: str) -> dict[str, bytes]:
        found = {path: (await zk.get(path)).data}
        for name in await zk.children(path):
            found |= await self._tree(zk, f"{path}/{name}")
        return found

    def check(self, run: Run) -> None:
        for who, seen in self.copies.items():
            last: dict[str, int] = {}
            for path, mzxid, data in seen:
                state = run.at(path, mzxid)
                assert state is not None, f"{who} has {path} of 0x{mzxid:x}, when it was not there"
                assert state.data == data, f"{who} has {data!r} in {path}, it was {state.data!r}"
                before = last.get(path, 0)
                assert mzxid >= before, f"{who} has {path} of 0x{mzxid:x} after 0x{before:x}"
                last[path] = mzxid


class GroupStudy:
    """All who are there see each other in the end."""

    NAME: ClassVar[str] = "Group"
    members = 4

    def __init__(self) -> None:
        self.left: dict[str, None] = {}

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.members

    async def program(self, process: Process) -> None:
        async with process.connect() as zk, Group(zk, PATH, process.name, b"") as group:
            while not process.is_ending:
                await asyncio.sleep(0.5)
            names = {f"p{number}" for number in range(self.members)}
            while not names <= {*await self.listed(group), *self.left}:
                await asyncio.sleep(0.2)
            process.note("sees all")
            self.left[process.name] = None
            while len(self.left) < self.members:
                await asyncio.sleep(0.2)

    async def listed(self, group: Group[bytes]) -> list[str]:
        try:
            return list(await group.members())
        except ClientError:
            return []

    def check(self, run: Run) -> None:
        told = {note.process for note in run.noted("sees all")}
        assert len(told) == self.members, f"only {sorted(told)} saw all others"


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


VALUES = (CounterStudy, TreeCacheStudy, GroupStudy, BarrierStudy)
