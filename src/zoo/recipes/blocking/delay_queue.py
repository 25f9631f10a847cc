"""The blocking twin of the queue of items that are not due yet."""

from __future__ import annotations

from typing import Generic, TypeVar

from zoo.client.blocking import Client
from zoo.recipes import delay_queue
from zoo.recipes.blocking.base import Twin, run

T = TypeVar("T")


class DelayQueue(Twin[delay_queue.DelayQueue[T]], Generic[T], of=delay_queue.DelayQueue):
    """See `zoo.recipes.DelayQueue`."""

    def __init__(self, zk: Client[T], path: str) -> None:
        super().__init__(delay_queue.DelayQueue(zk._client, path))

    def put(self, item: T, delay: float = 0.0) -> str:
        return run(self._recipe.put(item, delay))

    def get(self, timeout: float | None = None) -> T:
        return run(self._recipe.get(timeout))

    def size(self) -> int:
        return run(self._recipe.size())
