"""Studies of local copies: NodeCache and TreeCache.

Checked: a copy has only states that the server had, each znode's in their order, and becomes equal
to the server once nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import BadVersionError, ClientError, NodeExistsError, NoNodeError
from zoo.client.results import Node
from zoo.recipes import NodeCache, TreeCache
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import keep_trying

PATH = "/value"
Listener = Callable[[str, Node[Any] | None], None]


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
            path, what = self.draw(process), process.rng.random()
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

    def draw(self, process: Process) -> str:
        """The path of the next change."""
        path = f"{PATH}/{process.rng.choice('abc')}"
        return path if process.rng.random() < 0.5 else f"{path}/{process.rng.choice('xyz')}"

    def make(self, zk: AsyncClient[bytes], listener: Listener) -> TreeCache[bytes]:
        return TreeCache(zk, PATH, listener)

    async def reader(self, process: Process) -> None:
        seen = self.copies[f"{process.name}.{process.life}"] = []

        def listener(path: str, node: Node[bytes] | None) -> None:
            if node is not None:
                seen.append((path, node.stat.mzxid, node.data))

        async with process.connect() as zk:
            await keep_trying(process, zk, PATH)
            cache = self.make(zk, listener)
            await cache.start(None)
            try:
                while self.writing or not process.is_ending:
                    await asyncio.sleep(0.5)
                while not await self.is_equal(zk, cache):
                    await asyncio.sleep(0.5)
            finally:
                await cache.stop()

    async def is_equal(self, zk: AsyncClient[bytes], cache: TreeCache[bytes]) -> bool:
        """Does the copy hold what the server has? It must, sooner or later."""
        try:
            await zk.sync(PATH)
            copy = {path: node.data for path, node in cache.snapshot().items()}
            return copy == await self.on_server(zk, PATH)
        except ClientError:
            return False

    async def on_server(self, zk: AsyncClient[bytes], path: str) -> dict[str, bytes]:
        found = {path: (await zk.get(path)).data}
        for name in await zk.children(path):
            found |= await self.on_server(zk, f"{path}/{name}")
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


class NodeCacheStudy(TreeCacheStudy):
    """One znode; it has children, too, which do not matter."""

    NAME = "NodeCache"

    def draw(self, process: Process) -> str:
        return PATH if process.rng.random() < 0.8 else f"{PATH}/a"

    def make(self, zk: AsyncClient[bytes], listener: Listener) -> NodeCache[bytes]:
        return NodeCache(zk, PATH, listener)

    async def on_server(self, zk: AsyncClient[bytes], path: str) -> dict[str, bytes]:
        try:
            return {path: (await zk.get(path)).data}
        except NoNodeError:
            return {}


COPIES = (TreeCacheStudy, NodeCacheStudy)
