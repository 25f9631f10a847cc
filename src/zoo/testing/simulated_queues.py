"""Studies of queues: Queue, PriorityQueue, DelayQueue, WorkQueue.

Checked: an item is handed out once at most; whoever takes one leaves none before it, by what the
servers agreed on (of other ranks: none that it knew when it asked), and not before its time; an
item that was put is there, was handed out, or was in the hands of a taker that lost its connection
or its life; an item of a WorkQueue is acknowledged once and never lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Bag
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, OperationTimeoutError
from zoo.recipes import DelayQueue, PriorityQueue, Queue, WorkQueue
from zoo.recipes.queues import Item, in_order
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import LEDGER, Operator, still_held

PATH = "/queue"


class Taking(NamedTuple):
    """`known` is the newest zxid that the taker had seen when it asked."""

    item: bytes
    known: int


class QueueStudy:
    """Two that put and three that take."""

    NAME: ClassVar[str] = "Queue"
    pause = 0.0
    """Between two takings, at most: with a pause the queue grows, and the order matters more."""
    folders: tuple[str, ...] = (f"{PATH}/producers",)
    """Where the operator strikes: not at the items."""

    def __init__(self) -> None:
        self.put: list[str] = []
        self.taken: Bag[str] = Bag()
        self.takings: list[Taking] = []
        self.in_hands = 0
        """Takings that may have ended with an item and nobody who knows."""
        self.given_up = 0
        """Puttings of which nobody knows; the client takes back what it gave up in time."""
        self.operator = Operator(*self.folders)

    def programs(self) -> Sequence[Program]:
        return [self.producer] * 2 + [self.consumer] * 3 + [self.operator.program]

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
                known = zk.last_zxid
                item = await self.make(zk).get(process.rng.uniform(0.1, 2))
                self.taken[item.decode()] += 1
                assert self.taken[item.decode()] == 1, f"{item!r} was handed out twice"
                self.in_hands -= 1
                self.takings.append(Taking(item, known))
                self.check_time(process, item)
            except OperationTimeoutError as error:
                self.in_hands -= error.operation == "get"
                raise
            await asyncio.sleep(process.rng.uniform(0, self.pause))

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
        self.check_order(run, [path for path in gone if path in self.put])

    def check_time(self, process: Process, item: bytes) -> None:
        """Was it due?"""

    def check_order(self, run: Run, gone: list[str]) -> None:
        """Nobody takes an item while an earlier one is there."""
        for path in gone:
            first = f"{PATH}/{items_before(run, path)[0].name}"
            assert path == first, f"{path} was taken before {first}"


def items_before(run: Run, path: str) -> list[Item]:
    """What was there, in order, right before an item was taken."""
    parent = run.at(PATH, run.versions(path)[-1][0] - 1)
    return in_order([child.decode() for child in parent.children] if parent is not None else [])


def never_there(run: Run, put: list[str]) -> list[str]:
    """Of what `put` returned; of an item that was taken at once that is a path without a number."""
    known = [path for path in run.paths() if is_item(path)]
    return [path for path in put if not any(each.startswith(path) for each in known)]


def is_item(path: str) -> bool:
    parent, _, name = path.rpartition("/")
    return parent == PATH and bool(in_order([name]))


class PriorityQueueStudy(QueueStudy):
    NAME = "PriorityQueue"
    pause = 0.6

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return PriorityQueue(zk, PATH)

    async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
        path: str = await queue.put(item, process.rng.choice((0, 10, 500, 999)))
        return path

    def check_order(self, run: Run, gone: list[str]) -> None:
        """A more urgent one may come while we reach for the first, but who knows it takes it."""
        paths = {state.data: path for path in gone if (state := run.versions(path)[0][1])}
        for item, known in self.takings:
            path = paths.get(item)
            if path is None:
                continue  # of its putting nobody was told
            for other in items_before(run, path):
                if path == f"{PATH}/{other.name}":
                    break
                was_there = run.at(f"{PATH}/{other.name}", known)
                assert not was_there, f"{path} was taken before {other.name}"


class DelayQueueStudy(PriorityQueueStudy):
    NAME = "DelayQueue"

    def __init__(self) -> None:
        super().__init__()
        self.due: dict[bytes, float] = {}

    def make(self, zk: AsyncClient[bytes]) -> Any:
        return DelayQueue(zk, PATH)

    async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
        delay = process.rng.choice((0, 0.5, 3))
        self.due[item] = process.now + delay
        path: str = await queue.put(item, delay)
        return path

    def check_time(self, process: Process, item: bytes) -> None:
        """By the clock of the service, as long as that is one."""
        early = self.due[item] - process.now
        if process.sight.were_clocks_well():
            assert early <= 0, f"{item!r} was handed out {early:.3f} s too early"


class WorkQueueStudy(QueueStudy):
    NAME = "WorkQueue"
    folders = (*QueueStudy.folders, f"{PATH}/claims", f"{PATH}/takers")

    def __init__(self) -> None:
        super().__init__()
        self.acked: dict[str, float] = {}
        self.tokens: dict[str, int] = {}

    async def consumer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            queue = WorkQueue(zk, PATH)
            item = await queue.take(process.rng.uniform(0.1, 2))
            token, last = item.token, self.tokens.get(item.path, 0)
            if item.claim not in self.operator.struck:  # else another may be done with it by now
                where = f"{item.path} is handed out with {token}"
                assert item.path not in self.acked, f"{where}, and was acknowledged"
                assert token > last, f"{where}, after {last}"
            self.tokens[item.path] = max(last, token)
            await asyncio.sleep(process.rng.uniform(0, 0.6))
            guarded = queue.guarded(item)
            guarded.set(LEDGER, f"{token} {item.path}".encode())
            await still_held(guarded)
            if process.rng.random() < 0.1:
                await queue.put_back(item)
            elif await queue.ack(item):
                is_twice = item.path in self.acked and item.claim not in self.operator.struck
                assert not is_twice, f"{item.path} was acknowledged twice"
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
        newest: dict[str, int] = {}
        written = [state.data for _, state in run.versions(LEDGER) if state and state.data]
        for token, item in (data.decode().split(" ", 1) for data in written):
            assert int(token) >= newest.get(item, 0), f"{item}: {token} writes after {newest[item]}"
            newest[item] = int(token)
        late = [path for path in alive if path in self.acked]
        assert not late, f"acknowledged, and still there: {late}"
        lost = never_there(run, self.put)
        assert not lost, f"never there, yet put: {lost}"


QUEUES = (QueueStudy, PriorityQueueStudy, DelayQueueStudy, WorkQueueStudy)
