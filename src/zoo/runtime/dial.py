"""Connect to a member: all of its addresses at once, the first that answers wins.

A member may have several addresses, and a name several meanings. Each is looked up anew and tried
without waiting for the others, so that a dead network costs nothing while another one works.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable

from zoo.runtime.hub import OUT, Endpoint, Hub

Done = Callable[[socket.socket | None, str], None]
"""Takes the connected socket, non-blocking and without delay, or None and the reason."""


class Dial:
    """One attempt to reach a member. `done` is called once, unless `cancel` comes first."""

    def __init__(
        self, hub: Hub, targets: Iterable[tuple[str, int]], seconds: float, done: Done
    ) -> None:
        self._hub = hub
        self._done: Done | None = done
        self._trying: dict[int, tuple[socket.socket, str]] = {}
        self._problems: list[str] = []
        self._targets = list(dict.fromkeys(targets))
        self._unresolved = len(self._targets)
        self._timer = hub.later(seconds, lambda: self._give_up(f"no answer in {seconds:g} s"))
        # Not at once: nobody is called back before he holds the Dial.
        hub.later(0, self._begin)

    def cancel(self) -> None:
        self._done = None
        self._clear()

    def _begin(self) -> None:
        if not self._targets:
            self._give_up("no address is known")
        for host, port in self._targets:
            if self._done is not None:
                self._hub.resolve(host, port, self._resolved)

    def _resolved(self, endpoints: list[Endpoint], problem: str) -> None:
        self._unresolved -= 1
        if self._done is None:
            return
        if problem:
            self._problems.append(problem)
        for endpoint in endpoints:
            self._try(endpoint)
            if self._done is None:
                return
        self._check()

    def _try(self, endpoint: Endpoint) -> None:
        host, port = endpoint.address[:2]
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        except OSError as error:
            self._problems.append(f"{name}: {error.strerror}")
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(endpoint.address)
        if code in (0, errno.EINPROGRESS):
            # Connected or not, the epoll tells: one way for both.
            self._trying[sock.fileno()] = sock, name
            self._hub.watch(sock.fileno(), OUT, lambda _mask: self._settled(sock, name))
        else:
            self._problems.append(f"{name}: {os.strerror(code)}")
            sock.close()

    def _settled(self, sock: socket.socket, name: str) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code:
            try:
                if sock.getpeername() == sock.getsockname():
                    # A port that nobody listens on can be given to the very socket that dials it.
                    code = errno.ECONNREFUSED
            except OSError:  # still connecting: the event was for an earlier user of this number
                return
        self._hub.unwatch(sock.fileno())
        del self._trying[sock.fileno()]
        if code:
            sock.close()
            self._problems.append(f"{name}: {os.strerror(code)}")
            self._check()
            return
        done, self._done = self._done, None
        self._clear()
        assert done is not None
        done(sock, "")

    def _check(self) -> None:
        if not self._trying and not self._unresolved:
            self._give_up("no address")

    def _give_up(self, reason: str) -> None:
        done, self._done = self._done, None
        tried = [name for _, name in self._trying.values()]
        self._clear()
        if done is not None:
            silent = [f"{name}: {reason}" for name in tried]
            done(None, "; ".join(self._problems + silent) or reason)

    def _clear(self) -> None:
        self._timer.cancel()
        for sock, _ in self._trying.values():
            self._hub.unwatch(sock.fileno())
            sock.close()
        self._trying.clear()
