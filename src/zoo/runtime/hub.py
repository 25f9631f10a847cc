"""Where the sockets between members meet: readiness, timers, and names that need a look-up.

Theory of operation. A callback per socket, on the epoll that the clients' sockets hang on, so that
links between members are served within the same turns. Timers are a heap; whoever runs the hub asks
`next_due` and calls `run_due`. Looking a name up can block for seconds, so it is done in a thread
of its own, one per name at a time, that wakes the epoll through an eventfd; an address that is
written as a number needs no thread.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from threading import Thread
from typing import Any, NamedTuple

IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Endpoint(NamedTuple):
    """What socket.connect or bind needs."""

    family: int
    address: tuple[Any, ...]


Resolved = Callable[[list[Endpoint], str], None]
"""Takes the endpoints of a name, or none and the reason."""


class Timer:
    """One call that is to be made; `cancel` takes it back."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Hub:
    """Callbacks, timers and a resolver. Not thread-safe.

    Whoever polls `epoll` calls what `callbacks` has for a ready descriptor, with its events.
    """

    def __init__(self, epoll: select.epoll, callbacks: dict[int, Callable[[int], None]]) -> None:
        self._epoll = epoll
        self._callbacks = callbacks
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._lookups: dict[tuple[str, int], list[Resolved]] = {}
        self._found: deque[tuple[tuple[str, int], list[Endpoint], str]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self.watch(self._wake, IN, self._looked_up)

    # --- readiness

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Call back with the events of `fd`; EPOLLHUP and EPOLLERR come unasked."""
        self._epoll.register(fd, mask)
        self._callbacks[fd] = callback

    def rewatch(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """To be called before `fd` is closed."""
        self._epoll.unregister(fd)
        del self._callbacks[fd]

    # --- time

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._numbers), timer))
        return timer

    def next_due(self) -> float | None:
        """When `run_due` has something to do, on the monotonic clock in seconds."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def run_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    # --- names

    def resolve(self, host: str, port: int, done: Resolved) -> None:
        """Look up where `host` and `port` are now; `done` may be called before this returns."""
        try:
            done(_look_up(host, port, socket.AI_NUMERICHOST), "")
            return
        except OSError:  # a name, then
            pass
        waiting = self._lookups.get((host, port))
        if waiting is not None:
            waiting.append(done)
            return
        self._lookups[host, port] = [done]
        thread = Thread(
            target=self._look_up_name, args=(host, port), name=f"resolve-{host}", daemon=True
        )
        thread.start()

    def _look_up_name(self, host: str, port: int) -> None:
        """In a thread."""
        try:
            found = (host, port), _look_up(host, port, 0), ""
        except (OSError, UnicodeError) as error:
            found = (host, port), [], f"{host} cannot be resolved: {_reason(error)}"
        self._found.append(found)
        if not self._closed:
            os.eventfd_write(self._wake, 1)

    def _looked_up(self, _mask: int) -> None:
        os.eventfd_read(self._wake)
        while self._found:
            name, endpoints, problem = self._found.popleft()
            for done in self._lookups.pop(name):
                done(endpoints, problem)

    def close(self) -> None:
        """The sockets that are watched are their owners'."""
        if self._closed:
            return
        self._closed = True
        self._timers.clear()
        self.unwatch(self._wake)
        # A thread that still looks a name up may be about to write to the eventfd: let it be.
        if not self._lookups:
            os.close(self._wake)


def _look_up(host: str, port: int, flags: int) -> list[Endpoint]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(Endpoint(int(info[0]), tuple(info[4])) for info in infos))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
