"""The blocking twins of the queues."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from zoo.client.blocking import Client
from zoo.client.blocking_parts import BlockingTransaction
from zoo.recipes import queues, work_queue
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.blocking.places import blocking
from zoo.recipes.work_queue import Taken

T = TypeVar("T")


class Queue(Twin[queues.Queue[T]], Generic[T], of=queues.Queue):
    """See `zoo.recipes.Queue`."""

    def __init__(self, zk: Client[T], path: str) -> None:
        super().__init__(self._twin(zk, path))

    def _twin(self, zk: Client[T], path: str) -> queues.Queue[T]:
        return queues.Queue(zk._client, path)

    def put(self, item: T) -> str:
        return run(self._recipe.put(item))

    def get(self, timeout: float | None = None) -> T:
        return run(self._recipe.get(timeout))

    def size(self) -> int:
        return run(self._recipe.size())


class PriorityQueue(Queue[T], of=queues.PriorityQueue):
    """See `zoo.recipes.PriorityQueue`."""

    def _twin(self, zk: Client[T], path: str) -> queues.Queue[T]:
        return queues.PriorityQueue(zk._client, path)

    def put(self, item: T, priority: int = queues.USUAL) -> str:
        return run(self._recipe._put_by_priority(item, priority))


class WorkQueue(Twin[work_queue.WorkQueue[T]], Generic[T], of=work_queue.WorkQueue):
    """See `zoo.recipes.WorkQueue`."""

    def __init__(self, zk: Client[T], path: str) -> None:
        super().__init__(work_queue.WorkQueue(zk._client, path))

    def put(self, item: T, priority: int = queues.USUAL) -> str:
        return run(self._recipe.put(item, priority))

    def size(self) -> int:
        return run(self._recipe.size())

    def take(self, timeout: float | None = None) -> Taken[T]:
        return run(self._recipe.take(timeout))

    def ack(self, item: Taken[T]) -> bool:
        return run(self._recipe.ack(item))

    def guarded(self, item: Taken[T]) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded(item))

    def acking(self, item: Taken[T]) -> BlockingTransaction[Any]:
        return blocking(self._recipe.acking(item))

    def put_back(self, item: Taken[T]) -> bool:
        return run(self._recipe.put_back(item))
