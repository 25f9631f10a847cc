"""Watchers: one-shot callbacks, and streams of events of persistent watches.

Both live on an event loop; the core tells them of events in order, synchronously.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from zoo.client.watches import Event
from zoo.jute.constants import EventType, KeeperState

WatchCallback = Callable[[Event], Awaitable[None] | None]
DEFAULT_BUFFER = 10_000


def strip_prefix(path: bytes, prefix: str) -> str:
    """A path of the wire as the application knows it, below its chroot."""
    text = path.decode("utf-8", "replace")
    return text[len(prefix) :] or "/" if prefix else text


def hash_of(callback: object) -> int:
    """Also of an object that has none: it stands for itself alone then."""
    try:
        return hash(callback)
    except TypeError:
        return id(callback)


class OneShot:
    """Calls back once: with the event, or with one of type NONE when the session ends first.

    Two of one callback are the same watcher: asked for twice, it is called once.
    """

    def __init__(self, callback: WatchCallback, prefix: str, tasks: set[asyncio.Task[Any]]) -> None:
        self._callback = callback
        self._prefix = prefix
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._hash = hash_of(callback)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, OneShot)
            and self._hash == other._hash
            and self._callback == other._callback
            and self._prefix == other._prefix
        )

    def __hash__(self) -> int:
        return self._hash

    def notify(self, kind: EventType, path: bytes, zxid: int) -> None:
        self._call(Event(kind, strip_prefix(path, self._prefix), zxid))

    def missed(self, path: bytes, why: str) -> None:
        """The server makes up for what a one-shot watch misses."""

    def ended(self, path: bytes, state: KeeperState, why: str) -> None:
        self._call(Event(EventType.NONE, strip_prefix(path, self._prefix), 0, state, why))

    def _call(self, event: Event) -> None:
        # Not from within the core: a callback may ask for more, and may raise.
        self._loop.call_soon(self._run, event)

    def _run(self, event: Event) -> None:
        result = self._callback(event)
        if inspect.isawaitable(result):
            task = self._loop.create_task(_finish(result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _finish(result: Awaitable[None]) -> None:
    await result


class WatchStream:
    """`async for event in stream`: the events of a persistent watch, in order.

    At most `buffer` events wait to be read. When more come they are all thrown away and one gap
    event takes their place: read the znodes again. So it does after a broken connection, for the
    server does not say what happened meanwhile. The stream ends when it is closed, when the client
    is, or with the session: the last event then has the state EXPIRED.
    """

    def __init__(
        self,
        path: str,
        prefix: str,
        buffer: int,
        on_close: Callable[[WatchStream], Awaitable[None]],
    ) -> None:
        if buffer < 1:
            raise ValueError(f"buffer must be at least 1, not {buffer}")
        self.path = path
        self.dropped = 0
        """Events thrown away since the beginning."""
        self._prefix = prefix
        self._limit = buffer
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._ended = False
        self._on_close = on_close

    def __repr__(self) -> str:
        state = "ended" if self._ended else f"{len(self._events)} waiting"
        return f"<WatchStream {self.path} {state}>"

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()

    async def __aenter__(self) -> WatchStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Take the watch off, here and at the server."""
        if not self._ended:
            self._end()
            self._events.clear()
            await self._on_close(self)

    @property
    def waiting(self) -> int:
        """Events that have come and were not read yet."""
        return len(self._events)

    @property
    def is_ended(self) -> bool:
        return self._ended

    # --- what the core tells

    def notify(self, kind: EventType, path: bytes, zxid: int) -> None:
        if len(self._events) >= self._limit:
            self.dropped += 1
            self._overflow()
        else:
            self._put(Event(kind, strip_prefix(path, self._prefix), zxid))

    def missed(self, path: bytes, why: str) -> None:
        if self._events and self._events[-1].is_gap:
            return  # who reads that one reads the znodes after this one
        if len(self._events) >= self._limit:
            self._overflow()
        else:
            self._gap(why)

    def _overflow(self) -> None:
        self.dropped += sum(not event.is_gap for event in self._events)
        self._events.clear()
        self._gap(f"the buffer of {self._limit} events overflowed")

    def ended(self, path: bytes, state: KeeperState, why: str) -> None:
        self._put(Event(EventType.NONE, self.path, 0, state, why))
        self._end()

    def _gap(self, why: str) -> None:
        self._put(Event(EventType.NONE, self.path, gap=why))

    def _put(self, event: Event) -> None:
        if not self._ended:
            self._events.append(event)
            self._ready.set()

    def _end(self) -> None:
        self._ended = True
        self._ready.set()
