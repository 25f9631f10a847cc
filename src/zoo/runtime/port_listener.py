"""A listening port between members, that comes back when it breaks.

An address of the machine can go away and come back, and a port can be held for a while by whoever
had it before. So what cannot be bound, or breaks, is tried again, `attempts` times in a row; then
`failed` is told, and the server must end: a member that nobody can reach is no member.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial

from zoo.runtime.hub import IN, Endpoint, Hub

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_BACKLOG = 128
_ACCEPTS_PER_TURN = 16
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL)
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
ANY = ""
"""The host that stands for all interfaces."""

Accepted = Callable[[socket.socket, str], None]
"""Takes a socket, non-blocking and without delay, and its peer's address in words."""


class PortListener:
    """Listens on all of `addresses`. `attempts` 0: tries for ever. `what` names the port in logs
    and errors.
    """

    def __init__(
        self,
        hub: Hub,
        what: str,
        addresses: Iterable[tuple[str, int]],
        accepted: Accepted,
        failed: Callable[[str], None],
        attempts: int,
    ) -> None:
        self.hub = hub
        self.what = what
        self.accepted = accepted
        self.failed = failed
        self.attempts = attempts
        self.closed = False
        self._places = [_Place(self, host, port) for host, port in dict.fromkeys(addresses)]

    def open(self) -> None:
        """Begin to listen; what does not work at once is tried again."""
        for place in self._places:
            place.open()

    @property
    def is_open(self) -> bool:
        return all(place.sockets for place in self._places)

    @property
    def ports(self) -> list[int]:
        return [sock.getsockname()[1] for place in self._places for sock in place.sockets]

    def close(self) -> None:
        self.closed = True
        for place in self._places:
            place.close()


class _Place:
    """One host and port of a listener, with a socket for each meaning of the host."""

    def __init__(self, listener: PortListener, host: str, port: int) -> None:
        self._listener = listener
        self._hub = listener.hub
        self._host = host
        self._port = port
        self._name = f"{host or 'any address'} port {port}"
        self._failures = 0
        self.sockets: list[socket.socket] = []

    def open(self) -> None:
        if self._listener.closed:
            return
        if self._host == ANY:
            self._bind_any()
        else:
            self._hub.resolve(self._host, self._port, self._resolved)

    def _bind_any(self) -> None:
        try:
            self._listen(Endpoint(socket.AF_INET6, ("::", self._port)))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                self._retry(f"cannot listen on {self._name}: {error.strerror}")
                return
            self._resolved([Endpoint(socket.AF_INET, ("", self._port))], "")
        else:
            self._opened()

    def _resolved(self, endpoints: list[Endpoint], problem: str) -> None:
        if self._listener.closed:
            return
        for endpoint in endpoints:
            try:
                self._listen(endpoint)
            except OSError as error:
                problem = error.strerror or str(error)
                if error.errno not in _NOT_HERE:  # a name may mean an address of no interface, too
                    self.close()
                    break
        if self.sockets:
            self._opened()
        else:
            self._retry(f"cannot listen on {self._name}: {problem}")

    def _listen(self, endpoint: Endpoint) -> None:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if endpoint.family == socket.AF_INET6:
                # On any address one socket serves both families, else each has its own.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self._host != ANY)
            sock.bind(endpoint.address)
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
        self.sockets.append(sock)
        self._hub.watch(sock.fileno(), IN, partial(self._accept, sock))

    def _opened(self) -> None:
        log.info("listening for %s on %s", self._listener.what, self._name)

    def _retry(self, problem: str) -> None:
        listener = self._listener
        self._failures += 1
        if listener.attempts and self._failures >= listener.attempts:
            listener.failed(f"{problem} ({listener.what}; {self._failures} attempts)")
            return
        log.error("%s; trying again in %g s", problem, _RETRY_SECONDS)
        self._hub.later(_RETRY_SECONDS, self.open)

    def _accept(self, listening: socket.socket, _mask: int) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._broken(listening, error)
                return
            self._failures = 0
            host, port = address[0].partition("%")[0].removeprefix("::ffff:"), address[1]
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                log.debug("%s is gone already: %s", host, error)
                sock.close()
                continue
            self._listener.accepted(sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def _broken(self, listening: socket.socket, error: OSError) -> None:
        if error.errno in _OUT_OF_RESOURCES:
            log.error(
                "cannot accept on %s, trying again in %g s: %s", self._name, _RETRY_SECONDS, error
            )
            self._hub.rewatch(listening.fileno(), 0)
            self._hub.later(_RETRY_SECONDS, partial(self._resume, listening))
            return
        self.close()
        self._retry(f"{self._name} accepts no more: {error.strerror}")

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._hub.rewatch(listening.fileno(), IN)

    def close(self) -> None:
        for sock in self.sockets:
            self._hub.unwatch(sock.fileno())
            sock.close()
        self.sockets.clear()
