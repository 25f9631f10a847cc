"""What the blocking client hands out: transactions and streams of events."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from zoo.client.portal import portal
from zoo.client.streams import WatchStream
from zoo.client.transaction import Result, Transaction, TransactionParts
from zoo.client.watches import Event

T = TypeVar("T")


class BlockingTransaction(TransactionParts[T]):
    """All of its operations or none: `with client.transaction() as t: t.check(...); t.set(...)`."""

    def __enter__(self) -> BlockingTransaction[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not self._is_done:
            self.commit()

    def commit(self, *, timeout: float | None = None) -> list[Result]:
        """The results. Raises TransactionFailedError: then nothing was applied."""
        twin = Transaction(self._client)
        twin._items, twin._paths, twin._is_done = self._items, self._paths, self._is_done
        self._is_done = True
        self.results = portal().run(twin.commit(timeout=timeout))
        return self.results


class BlockingWatchStream:
    """`for event in stream`, or `stream.next(timeout)`; see `WatchStream`."""

    def __init__(self, stream: WatchStream) -> None:
        self._stream = stream

    def __repr__(self) -> str:
        return repr(self._stream)

    def __iter__(self) -> BlockingWatchStream:
        return self

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None when the stream has ended. TimeoutError after `timeout` s."""
        return portal().run(self._next(timeout))

    async def _next(self, timeout: float | None) -> Event | None:
        async with asyncio.timeout(timeout):
            return await anext(self._stream, None)

    @property
    def path(self) -> str:
        return self._stream.path

    @property
    def dropped(self) -> int:
        return self._stream.dropped

    @property
    def is_ended(self) -> bool:
        return self._stream.is_ended

    def close(self) -> None:
        portal().run(self._stream.close())

    def __enter__(self) -> BlockingWatchStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
