"""The client port: sockets on one side, connections of the core on the other.

Theory of operation. The sockets of all clients hang on an epoll of our own, and that epoll, itself
a file descriptor, hangs on the event loop. So one wake-up of the loop serves every socket that is
ready, in a plain loop without a callback, a handle or a task per socket; asyncio's own transports
cost more per request than the request.

Each ready socket: one recv, one call into the core, one send. What a socket does not take at once
is kept here and sent when it can be; the core is told how much that is and stops taking requests
from a client that does not read.
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable

from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore, TooManyConnections

log = logging.getLogger(__name__)

RECEIVE_SIZE = 1 << 16
_ACCEPTS_PER_TURN = 64
_MAX_EVENTS = 512
_ROUNDS = 16  # how often one wake-up may look for more before the event loop gets its turn
IN, OUT = select.EPOLLIN, select.EPOLLOUT


class ClientLink:
    """One client's socket."""

    __slots__ = ("connection", "fd", "mask", "sock", "unsent")

    def __init__(self, sock: socket.socket, connection: ClientConnection) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.connection = connection
        self.unsent: list[bytes] = []
        self.mask = IN


class ClientListener:
    """Listening sockets and all client links. `begin_turn` and `end_turn` are the driver's."""

    def __init__(
        self,
        core: ServerCore,
        sockets: list[socket.socket],
        begin_turn: Callable[[], None],
        end_turn: Callable[[], None],
    ) -> None:
        self.core = core
        self.epoll = select.epoll()
        self._begin_turn = begin_turn
        self._end_turn = end_turn
        self._links: dict[int, ClientLink] = {}
        self._of: dict[ClientConnection, ClientLink] = {}
        self._extra: dict[int, Callable[[], None]] = {}
        self._listening = {sock.fileno(): sock for sock in sockets}
        for fd in self._listening:
            self.epoll.register(fd, IN)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back, within a turn, whenever fd is readable."""
        self._extra[fd] = callback
        self.epoll.register(fd, IN)

    def on_ready(self) -> None:
        """The event loop says that something on the epoll is ready."""
        poll, links, extra = self.epoll.poll, self._links, self._extra
        for _ in range(_ROUNDS):
            events = poll(0, _MAX_EVENTS)
            if not events:
                return
            self._begin_turn()
            for fd, mask in events:
                link = links.get(fd)
                if link is not None:
                    if mask & OUT:
                        self.flush(link.connection)
                    if mask & ~OUT:
                        self._read(link)
                elif fd in extra:
                    extra[fd]()
                elif fd in self._listening:
                    self._accept(self._listening[fd])
            self._end_turn()

    def _read(self, link: ClientLink) -> None:
        connection = link.connection
        try:
            data = link.sock.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("%s: %s", connection.peer, error)
            data = b""
        if not data:
            self._drop(link)
            return
        connection.receive(data)
        if connection.dirty:
            self.flush(connection)

    def flush(self, connection: ClientConnection) -> None:
        """Send what there is, note what is left, and settle what the socket is to be polled for."""
        link = self._of.get(connection)
        if link is None:
            connection.dirty = False
            return
        data = connection.take_output()
        unsent = link.unsent
        if unsent:
            if data:
                unsent.append(data)
            data = b"".join(unsent)
            unsent.clear()
        if data:
            try:
                sent = link.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                log.debug("%s: %s", connection.peer, error)
                self._drop(link)
                return
            if sent < len(data):
                data = data[sent:]
                unsent.append(data)
                connection.sent(len(data))
            else:
                connection.out_size = 0
                if connection.paused:
                    connection.sent(0)
        if connection.closing and not unsent:
            self._drop(link)
            return
        mask = (OUT if unsent else 0) | (0 if connection.paused else IN)
        if mask != link.mask:
            link.mask = mask
            self.epoll.modify(link.fd, mask)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors, or the client has gone already: the next turn tries again.
                log.warning("cannot accept a connection: %s", error)
                return
            ip, port = _plain(address[0]), address[1]
            try:
                connection = self.core.connect(f"{ip}:{port}", ip)
            except TooManyConnections as refusal:
                log.warning("refused %s:%d: %s", ip, port, refusal)
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.core.config.client_tcp_keep_alive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            link = ClientLink(sock, connection)
            self._links[link.fd] = link
            self._of[connection] = link
            self.epoll.register(link.fd, IN)

    def _drop(self, link: ClientLink) -> None:
        self.epoll.unregister(link.fd)
        del self._links[link.fd]
        del self._of[link.connection]
        link.connection.dirty = False
        link.connection.closed()
        link.sock.close()

    def stop_listening(self) -> None:
        """Take no more connections and no more requests; what is under way goes on."""
        for fd, sock in self._listening.items():
            self.epoll.unregister(fd)
            sock.close()
        self._listening.clear()
        for link in self._links.values():
            link.mask &= ~IN
            self.epoll.modify(link.fd, link.mask)

    def has_unsent(self) -> bool:
        return any(link.unsent for link in self._links.values())

    def close(self) -> None:
        for link in list(self._links.values()):
            self._drop(link)
        self.epoll.close()


def _plain(ip: str) -> str:
    """An IPv4 client of an IPv6 socket under its own address, and no zone index."""
    if ip.startswith("::ffff:") and "." in ip:
        return ip[7:]
    return ip.partition("%")[0]
