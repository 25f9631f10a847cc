"""Run a hub, or several, by hand until something is so; and plain sockets for the other side."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator

from zoo.runtime.hub import Hub

DEADLINE = 10.0


class LoneHub(Hub):
    """A hub with an epoll of its own."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.watched: dict[int, Callable[[int], None]] = {}
        super().__init__(self.epoll, self.watched)

    def on_ready(self) -> None:
        """Serve what is ready."""
        for fd, mask in self.epoll.poll(0):
            callback = self.watched.get(fd)
            if callback is not None:  # else closed by the callback of another
                callback(mask)

    def close(self) -> None:
        if not self.epoll.closed:
            super().close()
            self.epoll.close()


def wait_until(
    condition: Callable[[], object], *hubs: LoneHub, after: Callable[[], None] | None = None
) -> None:
    """Turns of all hubs until `condition()`; `after` is called at the end of each."""
    end = time.monotonic() + DEADLINE
    while True:
        if after is not None:
            after()
        if condition():
            return
        assert time.monotonic() < end, f"not within {DEADLINE} s"
        dues = [due for hub in hubs if (due := hub.next_due()) is not None]
        wait = max(0.0, min([0.05, *(due - time.monotonic() for due in dues)]))
        select.select([hub.epoll for hub in hubs], [], [], wait)
        for hub in hubs:
            hub.on_ready()
            hub.run_due()


def wait_for_bytes(sock: socket.socket, size: int, *hubs: LoneHub) -> bytes:
    """Exactly `size` bytes, the hubs running meanwhile."""
    sock.setblocking(False)
    data = b""

    def enough() -> bool:
        nonlocal data
        with contextlib.suppress(BlockingIOError):
            data += sock.recv(size - len(data))
        return len(data) == size

    wait_until(enough, *hubs)
    return data


def wait_for_end(sock: socket.socket, *hubs: LoneHub) -> bytes:
    """All bytes until the other side closes; a reset counts as the end."""
    sock.setblocking(False)
    pieces: list[bytes] = []

    def ended() -> bool:
        try:
            piece = sock.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        pieces.append(piece)
        return not piece

    wait_until(ended, *hubs)
    return b"".join(pieces)


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """A plain socket that listens on a free port of the loopback, with a deadline for accept."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server
