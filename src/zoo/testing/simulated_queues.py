"""Studies of queues: Queue, PriorityQueue, DelayQueue, WorkQueue.

Checked: an item is handed out once at most; whoever takes one leaves none before it (by what the
servers agreed on); an item that was put is there, was handed out, or was in the hands of a taker
that lost its connection or its life; an item of a WorkQueue is acknowledged once and never lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Bag
from collections.abc import Sequence
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, OperationTimeoutError
from zoo.recipes import DelayQueue, PriorityQueue, Queue, WorkQueue
from zoo.recipes.queues import in_order
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns

PATH = "/queue"


class QueueStudy:
    """Two that put and three that take."""

    NAME: ClassVar[str] = "Queue"
    STRICT: ClassVar[bool] = True
    """Nobody takes an item while an earlier one is there."""

    def __init__(self) -> None:
        self.put: list[str] = []
        self.taken: Bag[str] = Bag()
        self.in_hands = 0
        """Takings that may have ended with an item and nobody who knows."""
        self.given_up = 0
        """Puttings of which nobody knows; the client takes back what it gave up in time."""

    def programs(self) -> Sequence[Program]:
        return [self.producer] * 2 + [self.consumer] * 3

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return Queue(zk, PATH)

    async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
        path: str = await queue.put(item)
        return path

    async def producer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            item = f"{process.name}.{process.life}.{process.now:.6f}".encode()
            self.given_up += 1
            self.put.append(await self.put_one(process, self.make(zk), item))
            self.given_up -= 1
            await asyncio.sleep(process.rng.uniform(0, 0.3))

        await take_turns(process, turn)

    async def consumer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            self.in_hands += 1  # until we know better; a process that dies here never does
            try:
                item = await self.make(zk).get(process.rng.uniform(0.1, 2))
                self.taken[item.decode()] += 1
                assert self.taken[item.decode()] == 1, f"{item!r} was handed out twice"
                self.in_hands -= 1
            except OperationTimeoutError as error:
                self.in_hands -= error.operation == "get"
                raise

        await take_turns(process, turn)

    def check(self, run: Run) -> None:
        gone = [path for path in run.paths() if is_item(path) and path not in run.tree]
        known = sum(self.taken.values())
        perhaps = self.in_hands + self.given_up
        assert known <= len(gone) <= known + perhaps, (
            f"{len(gone)} items are gone, {known} were handed out, {perhaps} perhaps"
        )
        values = [run.versions(path)[0][1] for path in run.paths() if is_item(path)]
        items = Bag(state.data for state in values if state is not None)
        twice = [item for item, count in items.items() if count > 1]
        assert not twice, f"put twice: {twice}"
        lost = never_there(run, self.put)
        assert not lost, f"never there, yet put: {lost}"
        if self.STRICT:
            self.check_order(run, [path for path in gone if path in self.put])

    def check_order(self, run: Run, gone: list[str]) -> None:
        for path in gone:
            zxid = run.versions(path)[-1][0]
            parent = run.at(PATH, zxid - 1)
            names = [child.decode() for child in parent.children] if parent is not None else []
            first = in_order(names)[0].name
            assert path == f"{PATH}/{first}", f"{path} was taken before {first}"


def never_there(run: Run, put: list[str]) -> list[str]:
    """Of what `put` returned; of an item that was taken at once that is a path without a number."""
    known = [path for path in run.paths() if is_item(path)]
    return [path for path in put if not any(each.startswith(path) for each in known)]


def is_item(path: str) -> bool:
    parent, _, name = path.rpartition("/")
    return parent == PATH and bool(in_order([name]))


class PriorityQueueStudy(QueueStudy):
    NAME = "PriorityQueue"
    STRICT = False  # a more urgent one may come while we reach for the first

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return PriorityQueue(zk, PATH)

    async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
        path: str = await queue.put(item, process.rng.choice((0, 10, 500, 999)))
        return path


class DelayQueueStudy(QueueStudy):
    NAME = "DelayQueue"
    STRICT = False

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return DelayQueue(zk, PATH)

    async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
        path: str = await queue.put(item, process.rng.choice((0, 0.5, 3)))
        return path


class WorkQueueStudy(QueueStudy):
    NAME = "WorkQueue"

    def __init__(self) -> None:
        super().__init__()
        self.acked: dict[str, float] = {}
        self.tokens: dict[str, int] = {}

    async def consumer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            queue = WorkQueue(zk, PATH)
            item = await queue.take(process.rng.uniform(0.1, 2))
            token, last = item.token, self.tokens.get(item.path, 0)
            assert item.path not in self.acked, f"{item.path} is handed out, and was acknowledged"
            assert token > last, f"{item.path} is handed out with {token}, after {last}"
            self.tokens[item.path] = token
            await asyncio.sleep(process.rng.uniform(0, 0.6))
            if process.rng.random() < 0.1:
                await queue.put_back(item)
            elif await queue.ack(item):
                assert item.path not in self.acked, f"{item.path} was acknowledged twice"
                self.acked[item.path] = process.now

        await take_turns(process, turn)
        await self.drain(process)

    async def drain(self, process: Process) -> None:
        """No more faults: what is left can be done."""
        async with process.connect() as zk:
            queue = WorkQueue(zk, PATH)
            while await queue.size():
                try:
                    item = await queue.take(5)
                    if await queue.ack(item):
                        self.acked[item.path] = process.now
                except ClientError:
                    process.note("waits for an item in another's hands")

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return WorkQueue(zk, PATH)

    def check(self, run: Run) -> None:
        alive = [path for path in self.put if path in run.tree]
        late = [path for path in alive if path in self.acked]
        assert not late, f"acknowledged, and still there: {late}"
        lost = never_there(run, self.put)
        assert not lost, f"never there, yet put: {lost}"


QUEUES = (QueueStudy, PriorityQueueStudy, DelayQueueStudy, WorkQueueStudy)
