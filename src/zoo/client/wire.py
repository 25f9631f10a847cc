"""A plain connection of the portal's loop, lent to the thread that has something to ask.

Theory of operation. A blocking call that is alone needs no event loop: its thread sends the request
and reads the reply itself, which saves two changes of threads and all of asyncio. While nothing is
under way the connection is lent: a thread that gets the lock sends, its call is then `_user`, and
it waits in poll without the lock. Who comes second goes the portal's way.

The portal stays the master: it takes the connection whenever it has to send or to read (requests of
others, pings, the end). For that it needs the lock, which threads hold only for the moments in
which they send or read, and then adopts the call that is under way; its thread is woken and waits
like every other caller. A thread reads nothing but its own reply, and only if that came alone: all
else (watch events, a part of a reply, the end of the connection) it hands to the portal as it is.

The loop does not hear of what comes for a thread: it watches an epoll of the connection's own, in
which the socket is muted meanwhile.

A thread may be interrupted anywhere (Ctrl-C, whatever a signal's handler raises). Hence `_is_amid`
while it sends or reads: found with the lock free it means that nobody knows how far that went, and
the connection is broken off. So it is when a thread keeps the lock, stopped in a handler.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable
from math import ceil
from struct import Struct
from typing import Any, Protocol

from zoo.client.calls import Call

IS_POSSIBLE = hasattr(select, "epoll") and hasattr(os, "eventfd")
_CHUNK = 65536
_PATIENCE = 0.5  # seconds, for a thread to have sent what a socket takes at once
_MOST_POLL = 1e6  # seconds; poll takes 31 bits of milliseconds
_HEAD = Struct(">ii")  # a reply's length, its xid
_LEAST_REPLY = 20


class Owner(Protocol):
    """Whose connection it is: an asyncio.Protocol that takes over what threads have begun."""

    def connection_made(self, transport: asyncio.BaseTransport, /) -> None: ...

    def data_received(self, data: bytes, /) -> None: ...

    def connection_lost(self, error: Exception | None, /) -> None: ...

    def adopt(self, call: Call, /) -> None:
        """A thread has sent it, ahead of all that is still to be sent."""


class Wire(asyncio.Transport):
    """All methods but `send` and `receive` belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: Owner) -> None:
        super().__init__()
        self.loop = loop
        self._sock = sock
        self._peer = sock.getpeername()
        self._owner = owner
        self._backlog = bytearray()  # what the socket did not take yet
        self._early = b""  # what a thread has read and not understood
        self._is_closed = False
        self._lock = threading.Lock()
        self._is_lent = False
        self._user: Call | None = None
        self._is_amid = False
        self._is_waiting = self._is_woken = False  # a thread in poll
        self._epoll = select.epoll()
        self._epoll.register(sock, select.EPOLLIN)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        loop.add_reader(self._epoll, self._readable)
        owner.connection_made(self)

    # --- as a transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._peer if name == "peername" else default

    def is_closing(self) -> bool:
        return self._is_closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.take():
            return
        if not self._backlog:
            try:
                data = data[self._sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._lose(error)
                return
        if data:
            self._backlog += data
            self.loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        try:
            del self._backlog[: self._sock.send(self._backlog)]
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if not self._backlog:
            self.loop.remove_writer(self._sock)

    def _readable(self) -> None:
        if not self.take():
            return
        data, self._early = self._early, b""
        try:
            data += self._sock.recv(_CHUNK)
        except BlockingIOError:
            if not data:
                return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._owner.data_received(data)
        else:
            self._lose(None)

    def abort(self) -> None:
        """Break it off. The owner is not told."""
        if self._is_closed:
            return
        self.loop.remove_reader(self._epoll)
        self.loop.remove_writer(self._sock)
        self._is_closed = True  # from now on a thread may close the descriptors
        self._take()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        # A thread that has the lock now, or is in poll, finds it closed and does this.
        if self._lock.acquire(blocking=False):
            if not self._is_waiting:
                self._release()
            self._lock.release()

    def _lose(self, error: Exception | None) -> None:
        self.abort()
        self._owner.connection_lost(error)

    def _release(self) -> None:
        """The descriptors. Not while a thread polls them: their numbers may become others'."""
        if self._wake >= 0:
            self._epoll.close()
            self._sock.close()
            os.close(self._wake)
            self._wake = -1

    # --- lending and taking back

    def lend(self) -> None:
        """Nothing is under way: threads may use it."""
        if self._is_closed or self._is_lent or self._backlog or self._early:
            return
        if self._lock.acquire(blocking=False):
            self._is_lent = not self._is_waiting  # who was woken has to leave first
            self._lock.release()

    def take(self) -> bool:
        """It is the loop's from now on; False when it is closed, if need be by this."""
        why = self._take()
        if why and not self._is_closed:
            self._lose(ConnectionError(why))
        return not self._is_closed

    def _take(self) -> str:
        """Returns why it is of no use, or nothing."""
        if not self._is_lent and self._user is None:
            return ""
        self._is_lent = False
        if not self._lock.acquire(timeout=_PATIENCE):
            return "a thread that was using the connection does not go on"
        is_amid, self._is_amid = self._is_amid, False
        call, self._user = self._user, None
        if self._is_waiting:
            self._is_woken = True
            os.eventfd_write(self._wake, 1)
        self._lock.release()
        if call is not None:
            self._owner.adopt(call)
        if is_amid:
            return "a thread was interrupted while it was using the connection"
        if call is not None and not self._is_closed:
            self._epoll.modify(self._sock, select.EPOLLIN)
            if self._backlog:
                self.loop.add_writer(self._sock, self._writable)
        return ""

    # --- in a caller's thread

    def send(self, call: Call, frame: Callable[[], bytes]) -> bool:
        """Send a request, if the connection is free; `frame` gives it its number.

        True: `receive` its reply then. False: it was not sent.
        """
        if not (self._is_lent and self._lock.acquire(blocking=False)):
            return False
        try:
            if not self._is_lent or self._user is not None or self._is_amid:
                return False
            self._is_amid = True
            data = frame()
            self._epoll.modify(self._sock, 0)
            try:
                sent = self._sock.send(data)
            except OSError:  # the portal will see for itself
                sent = 0
            if sent:
                self._backlog += data[sent:]
                self._user = call
            else:
                self._epoll.modify(self._sock, select.EPOLLIN)
            self._is_amid = False
            return sent > 0
        finally:
            if self._is_closed and self._user is None:
                self._release()
            self._lock.release()

    def receive(self, call: Call, seconds: float, settle: Callable[[bytes], None]) -> None:
        """Wait for the reply, and `settle` it. It is late, or else the portal's, when that was not
        called."""
        if self._backlog or (self._wait(call, seconds) and not self._read(call, settle)):
            self.loop.call_soon_threadsafe(self._readable)

    def _wait(self, call: Call, seconds: float) -> bool:
        """Is there something to read, and nobody else to do it?"""
        is_in = False
        try:
            with self._lock:
                if self._user is not call:
                    return False
                self._is_waiting = is_in = True
            return bool(self._poll.poll(ceil(min(max(seconds, 0), _MOST_POLL) * 1000)))
        finally:
            if is_in:
                with self._lock:
                    self._leave()

    def _leave(self) -> None:
        self._is_waiting = False
        if self._is_woken:
            self._is_woken = False
            os.eventfd_read(self._wake)
        if self._is_closed:
            self._release()

    def _read(self, call: Call, settle: Callable[[bytes], None]) -> bool:
        """False: it is for the portal to see to it."""
        with self._lock:
            if self._user is not call:
                return True
            if not self._is_lent:  # broken off while this thread had the lock
                return False
            self._is_amid = True
            try:
                data = self._sock.recv(_CHUNK)
            except OSError:
                data = b""
            is_alone = len(data) >= _LEAST_REPLY and _HEAD.unpack_from(data) == (
                len(data) - 4,
                call.xid,
            )
            if is_alone:
                settle(data)
                self._epoll.modify(self._sock, select.EPOLLIN)
                self._user = None
            else:
                self._early = data
            self._is_amid = False
            return is_alone


async def connect(
    loop: asyncio.AbstractEventLoop,
    owner: Owner,
    family: int,
    address: tuple[str, int],
) -> None:
    """Dial, and give the owner its Wire. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await loop.sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Wire(loop, sock, owner)
    except BaseException:
        sock.close()
        raise
