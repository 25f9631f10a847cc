"""An event loop that serves the server's own sockets right where it finds them ready.

Theory of operation. asyncio asks its selector what is ready, and makes of each answer a handle that
it runs later. For the few things that asyncio is used for here (timers, signals, calls from other
threads) that is fine; for sockets it costs more than the request. So the loop has a selector of our
own, with one epoll for everything: descriptors that asyncio has registered are reported to it, all
others belong to whoever has set `serve`, and are served before `select` returns. One system call
per wake-up finds what clients, other members and the disk have ready.
"""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any

MAX_EVENTS = 512
Events = list[tuple[int, int]]
"""(descriptor, mask of EPOLLIN and so on)."""


class Readiness(BaseSelector):
    """`serve` takes the events of one poll and returns those that are not its own.

    It must not raise. Its descriptors are registered with `epoll`, and not as a selector's are.
    """

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.serve: Callable[[Events], Events] | None = None
        self._keys: dict[int, SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            seconds = -1.0
        else:  # epoll knows whole milliseconds only: not too early
            seconds = math.ceil(timeout * 1e3) * 1e-3 if timeout > 0 else 0.0
        events = self.epoll.poll(seconds, MAX_EVENTS)
        if events and self.serve is not None:
            events = self.serve(events)
        return [(self._keys[fd], _of_mask(mask)) for fd, mask in events if fd in self._keys]

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        self.epoll.register(fd, _to_mask(events))
        key = self._keys[fd] = SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        self.epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        key = self.get_key(fileobj)
        self.epoll.modify(key.fd, _to_mask(events))
        key = self._keys[key.fd] = key._replace(events=events, data=data)
        return key

    def get_key(self, fileobj: Any) -> SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        return self._keys[fd]

    def get_map(self) -> Mapping[Any, SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()
        self.epoll.close()


def _to_mask(events: int) -> int:
    return (select.EPOLLIN if events & EVENT_READ else 0) | (
        select.EPOLLOUT if events & EVENT_WRITE else 0
    )


def _of_mask(mask: int) -> int:
    """A descriptor that hangs up is ready for everything: who uses it finds out."""
    return (EVENT_READ if mask & ~select.EPOLLOUT else 0) | (
        EVENT_WRITE if mask & ~select.EPOLLIN else 0
    )


class TurnLoop(asyncio.SelectorEventLoop):
    """The event loop that a Driver needs."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        super().__init__(self.readiness)


def running_loop() -> TurnLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TurnLoop), f"a server needs a TurnLoop, not {loop}"
    return loop
