"""The blocking twin of the partitioner."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoo.client.blocking import Client
from zoo.client.blocking_parts import BlockingTransaction
from zoo.recipes import partitioner
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.blocking.places import blocking


class Partition(Twin[partitioner.Partition], of=partitioner.Partition):
    """See `zoo.recipes.Partition`. A thread cannot be cancelled: `stopping` is set instead."""

    def __init__(self, partition: partitioner.Partition) -> None:
        super().__init__(partition)
        self.stopping = threading.Event()
        """The partition moves, or is lost: let go of it and return."""

    @property
    def name(self) -> str:
        return self._recipe.name

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier owner."""
        return self._recipe.token

    @property
    def is_held(self) -> bool:
        return self._recipe.is_held

    def guarded(self) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded())


class Partitioner(Twin[partitioner.Partitioner], of=partitioner.Partitioner):
    """See `zoo.recipes.Partitioner`. `work(partition)` is called in a thread for each partition;
    when `partition.stopping` is set it must return: only then can another own the partition.
    """

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        name: str,
        partitions: int | Iterable[str],
        work: Callable[[Partition], None],
        *,
        weight: float = 1.0,
    ) -> None:
        names = map(str, range(partitions)) if isinstance(partitions, int) else partitions
        self.partitions = list(names)
        self._threads = ThreadPoolExecutor(
            max(1, len(self.partitions)), thread_name_prefix=f"zoo partitioner {name}"
        )

        async def in_thread(partition: partitioner.Partition) -> None:
            twin = Partition(partition)
            running = asyncio.get_running_loop().run_in_executor(self._threads, work, twin)
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                twin.stopping.set()
                await asyncio.wait([running])
                raise

        super().__init__(
            partitioner.Partitioner(
                zk._client, path, name, self.partitions, in_thread, weight=weight
            )
        )

    @property
    def owned(self) -> list[str]:
        """The names of what is ours now."""
        return list(self._recipe.owned)

    def assignment(self) -> dict[str, str]:
        return run(self._recipe.assignment())

    def start(self) -> None:
        run(self._recipe.start())

    def stop(self) -> None:
        run(self._recipe.stop())

    def __enter__(self) -> Partitioner:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
