from __future__ import annotations

from typing import Any

import pytest

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError
from zoo.recipes import DelayQueue, PriorityQueue, Queue, WorkQueue
from zoo.recipes.waiting import Wake
from zoo.recipes.work_queue import Taken
from zoo.testing.simulated import Process, Violation, simulate
from zoo.testing.simulated_queues import (
    QUEUES,
    DelayQueueStudy,
    PriorityQueueStudy,
    QueueStudy,
    WorkQueueStudy,
)

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", QUEUES, ids=lambda study: study.NAME)
def test_queues(study: type[QueueStudy]) -> None:
    one = study()
    run = simulate(one.programs(), seed=1, servers=0, duration=8, check=one.check)
    assert len(run.noted("ended")) >= 5


def check_that_it_fails(study: type[QueueStudy], match: str) -> None:
    for seed in range(6):
        one = study()
        try:
            simulate(one.programs(), seed=seed, servers=3, duration=10, check=one.check)
        except Violation as violation:
            if match in str(violation):
                return
    pytest.fail(f"no seed says {match!r}")


class Careless(Queue[bytes]):
    """Whether its delete deleted anything is not looked at."""

    async def _take(self, name: str, deadline: Any) -> Any:
        try:
            node = await self._zk.get(f"{self.path}/{name}")
        except NoNodeError:
            return None
        try:
            await self._zk.delete(node.path)
        except NoNodeError:
            return node
        return node


class Backwards(Queue[bytes]):
    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        names, pause = await super()._ready(wake)
        return names[::-1], pause


def test_items_that_are_handed_out_twice_are_seen() -> None:
    class Study(QueueStudy):
        def make(self, zk: Zk) -> Any:
            return Careless(zk, "/queue")

    check_that_it_fails(Study, "was handed out twice")


def test_items_out_of_order_are_seen() -> None:
    class Study(QueueStudy):
        def make(self, zk: Zk) -> Any:
            return Backwards(zk, "/queue")

    check_that_it_fails(Study, "was taken before")


def test_items_that_are_put_twice_or_lost_are_seen() -> None:
    class Twice(QueueStudy):
        async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
            await queue.put(item)
            return await super().put_one(process, queue, item)

    class Lost(QueueStudy):
        async def put_one(self, process: Process, queue: Any, item: bytes) -> str:
            return "/queue/nowhere"

    check_that_it_fails(Twice, "twice")
    check_that_it_fails(Lost, "never there")


class Hasty(WorkQueue[bytes]):
    """Says that it acknowledged an item, and lets another take it."""

    async def ack(self, item: Taken[bytes]) -> bool:
        await self.put_back(item)
        return True


def test_items_that_are_acknowledged_twice_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.testing.simulated_queues.WorkQueue", Hasty)
    check_that_it_fails(WorkQueueStudy, "acknowledged")


class Unranked(PriorityQueue[bytes]):
    """Takes the oldest, however urgent the others are."""

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        names, pause = await super()._ready(wake)
        return sorted(names, key=lambda name: name[-10:]), pause


class Greedy(DelayQueue[bytes]):
    """Takes what is not due."""

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        return await Queue._ready(self, wake)


class Sloppy(DelayQueue[bytes]):
    """Of all that is due it takes what was put first, not what was due first."""

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        names, pause = await super()._ready(wake)
        return sorted(names, key=lambda name: name[-10:]), pause


@pytest.mark.parametrize(
    ("study", "kind", "match"),
    [
        (PriorityQueueStudy, Unranked, "was taken before"),
        (DelayQueueStudy, Greedy, "too early"),
        (DelayQueueStudy, Sloppy, "was taken before"),
    ],
)
def test_queues_that_are_wrong_are_seen(
    study: type[QueueStudy], kind: type[Queue[bytes]], match: str
) -> None:
    class Study(study):  # type: ignore[misc, valid-type]
        def make(self, zk: Zk) -> Any:
            return kind(zk, "/queue")

    check_that_it_fails(Study, match)
