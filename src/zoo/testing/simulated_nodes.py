"""Studies of znodes that stand for somebody: PersistentNode and Group.

Checked: while somebody keeps a znode it comes back whenever it was taken away, with the data last
given; whoever keeps one leaves other sessions' alone, and none of its own behind; of those who want
the same path one after the other has it. All members of a group see each other in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, NodeExistsError, NoNodeError
from zoo.client.states import State
from zoo.recipes import Group, PersistentNode
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import Operator, keep_trying

PATH = "/nodes"


class PersistentNodeStudy:
    """Two have a znode each, two want the same one, and one deletes whatever it finds."""

    NAME: ClassVar[str] = "PersistentNode"
    paths = ("own", "lasting", "shared", "shared")

    def __init__(self) -> None:
        self.vandals = 1
        self.left: list[str] = []
        self.owners: dict[int, str] = {}
        """Session id -> process."""

    def programs(self) -> Sequence[Program]:
        return [*([self.keeper] * len(self.paths)), self.vandal]

    async def vandal(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            try:
                await zk.delete(f"{PATH}/{process.rng.choice(self.paths)}")
            except NoNodeError:
                await asyncio.sleep(0.05)
            await asyncio.sleep(process.rng.expovariate(2))

        await take_turns(process, turn)
        self.vandals -= 1

    async def keeper(self, process: Process) -> None:
        async with process.connect(operation_timeout=process.rng.choice((1.0, 5.0, 30.0))) as zk:

            def on_state(_: State) -> None:
                if zk.session_id:
                    self.owners[zk.session_id] = process.name

            zk.add_listener(on_state)
            on_state(zk.state)
            await keep_trying(process, zk, PATH)
            while self.vandals:
                try:
                    await self.keep_for_a_while(process, zk)
                except (ClientError, TimeoutError):
                    await asyncio.sleep(process.rng.uniform(0, 0.3))
            await self.keep_at_last(process, zk)
        process.note("ended")

    def make(self, process: Process, zk: AsyncClient[bytes]) -> PersistentNode[bytes]:
        name = self.paths[process.number]
        data = f"{process.name} {process.now:.6f}".encode()
        return PersistentNode(zk, f"{PATH}/{name}", data, ephemeral=name != "lasting")

    async def keep_for_a_while(self, process: Process, zk: AsyncClient[bytes]) -> None:
        node = self.make(process, zk)
        await node.start(process.rng.uniform(0.1, 5))
        try:
            for _ in range(process.rng.randint(0, 6)):
                await asyncio.sleep(process.rng.uniform(0, 1))
                if not node.path.endswith("shared"):
                    await node.set_data(f"{process.name} {process.now:.6f}".encode())
            await asyncio.sleep(process.rng.uniform(0, 0.3))
        finally:
            await node.stop()
        await self.check_gone(process, zk, node.path)

    async def check_gone(self, process: Process, zk: AsyncClient[bytes], path: str) -> None:
        """Nobody else has this session."""
        stat = await zk.exists(path)
        is_ours = stat is not None and stat.ephemeral_owner == zk.session_id
        assert not is_ours, f"{process.name} has stopped, and {path} is still there"

    async def keep_at_last(self, process: Process, zk: AsyncClient[bytes]) -> None:
        node = self.make(process, zk)
        while True:
            try:
                await node.start(60)
                break
            except (NodeExistsError, ClientError):
                continue  # who has it will leave
        with contextlib.suppress(ClientError):
            await zk.delete(node.path)
        while not await self.is_as_given(zk, node):
            await asyncio.sleep(0.2)
        while True:
            try:
                await node.stop()
                await self.check_gone(process, zk, node.path)
                return
            except ClientError:
                await asyncio.sleep(0.2)

    async def is_as_given(self, zk: AsyncClient[bytes], node: PersistentNode[bytes]) -> bool:
        """Its session may still end of what went wrong before."""
        try:
            if not node.path.endswith("shared"):
                await node.set_data((node.data or b"") + b".")
            return node.is_there and (await zk.get(node.path)).data == node.data
        except ClientError:
            return False

    def check(self, run: Run) -> None:
        for name in set(self.paths):
            for zxid, state in run.versions(f"{PATH}/{name}"):
                if state is None or not state.owner:
                    continue
                owner, writer = self.owners.get(state.owner), (state.data or b"").decode().split()
                assert owner is None or owner == writer[0], (
                    f"{name} at 0x{zxid:x} is {owner}'s, and {writer[0]} writes there"
                )
        left = [name for name in set(self.paths) if f"{PATH}/{name}" in run.tree]
        assert not left, f"left behind: {left}"


class GroupStudy:
    """All who are there see each other in the end."""

    NAME: ClassVar[str] = "Group"
    members = 4

    def __init__(self) -> None:
        self.left: dict[str, None] = {}
        self.operator = Operator(PATH)

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.members + [self.operator.program]

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


NODES = (PersistentNodeStudy, GroupStudy)
