"""What the exercises of recipes under faults share: what was done, what may have been, and when to
stop. A write whose connection broke may have happened or not: the two are counted apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.client.live import poll_until
from zoo.client.async_client import AsyncClient
from zoo.client.errors import ConnectionLossError, OperationTimeoutError
from zoo.recipes import Place

Zk = AsyncClient[bytes]
_ELECTION_SECONDS = 60.0


async def settled(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """`poll_until`, for what may have to wait for an election on a busy machine."""
    await poll_until(condition, what, _ELECTION_SECONDS)


@dataclass
class Tally:
    """What was done, what may have been done, and when to stop."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    unknown: int = 0
    inside: Counts[str] = field(default_factory=Counts)
    tokens: dict[str, int] = field(default_factory=dict)

    async def attempt(self, work: Awaitable[Any]) -> None:
        try:
            await work
            self.done += 1
        except (ConnectionLossError, OperationTimeoutError):
            self.unknown += 1

    @contextlib.contextmanager
    def alone(self, what: str, place: Place, limit: int = 1) -> Iterator[None]:
        """Nobody else is inside meanwhile, as long as we are known to hold it."""
        if limit == 1:  # of several holders the second may have come in first
            assert place.token > self.tokens.get(what, 0), "the token grows from holder to holder"
            self.tokens[what] = place.token
        self.inside[what] += 1
        assert self.inside[what] <= limit
        try:
            yield
        finally:
            self.inside[what] -= 1

    def check_number(self, number: int) -> None:
        assert self.done > 0
        assert self.done <= number <= self.done + self.unknown


async def raise_number(zk: Zk, place: Any, path: str) -> None:
    """By reading and writing: whoever overlaps loses an update."""
    number = int((await zk.get(path)).data)
    transaction = place.guarded()
    transaction.set(path, b"%d" % (number + 1))
    await transaction.commit()


async def number_at(zk: Zk, path: str) -> int:
    await zk.sync()
    return int((await zk.get(path)).data)


async def rush(workers: list[Awaitable[None]], tally: Tally) -> None:
    """All of them until it is over; the first that fails ends the exercise."""
    tasks = [asyncio.ensure_future(each) for each in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        tally.over.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
