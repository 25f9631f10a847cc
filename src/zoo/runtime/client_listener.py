"""The client port: sockets on one side, connections of the core on the other.

Theory of operation. The sockets of all clients hang on the one epoll of zoo.runtime.turn_loop. So
one wake-up of the loop serves every socket that is ready, in a plain loop without a callback, a
handle or a task per socket; asyncio's own transports cost more per request than the request.

Each ready socket: one recv, one call into the core, one send. What a socket does not take at once
is kept here and sent when it can be; the core is told how much that is and stops taking requests
from a client that does not read.

A client that is to be closed is told all there is, then the sending side is shut, and for a moment
more its bytes are read and thrown away: closing with bytes unread would be a reset, and a reset
takes back the answer that the client has not read yet.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Callable

from zoo.runtime.hub import Hub
from zoo.runtime.port_listener import PortListener
from zoo.runtime.turn_loop import MAX_EVENTS, Events
from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore, TooManyConnections
from zoo.server.lone_request import lone_request

log = logging.getLogger(__name__)

RECEIVE_SIZE = 1 << 16
_ACCEPTS_PER_TURN = 64
_ROUNDS = 16
_MAX_LINGERING = 256
_LINGER_SECONDS = 1.0
_ACCEPT_PAUSE_SECONDS = 1.0
_REFUSAL_LOG_SECONDS = 1.0
IN, OUT = select.EPOLLIN, select.EPOLLOUT
GONE = select.EPOLLHUP | select.EPOLLERR


class ClientLink:
    """One client's socket."""

    __slots__ = ("connection", "fd", "mask", "sock", "unsent")

    def __init__(self, sock: socket.socket, connection: ClientConnection) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.connection = connection
        self.unsent = b""
        self.mask = IN


class ClientListener:
    """Listening sockets and all client links.

    The callbacks are the driver's: a turn begins, it ends, and no more input is ready. `watched`
    has the callbacks of descriptors that others have on the same epoll, each served in a turn.
    """

    def __init__(
        self,
        core: ServerCore,
        sockets: list[socket.socket],
        epoll: select.epoll,
        begin_turn: Callable[[], None],
        end_turn: Callable[[], None],
        all_read: Callable[[], None],
    ) -> None:
        self.core = core
        self.epoll = epoll
        self.rounds = _ROUNDS
        """How often one wake-up may look for more before `all_read` is called all the same."""
        self._begin_turn = begin_turn
        self._end_turn = end_turn
        self._all_read = all_read
        self._links: dict[int, ClientLink] = {}
        self._of: dict[ClientConnection, ClientLink] = {}
        self.watched: dict[int, Callable[[int], None]] = {}
        self._draining = False
        self._bytes_in = self._bytes_out = 0  # since the last tick
        self._lingering: dict[ClientLink, float] = {}
        self._starved = False
        self._accept_again = float("inf")
        self._refusals = 0
        self._refusal_logged = float("-inf")
        self._moved: PortListener | None = None
        self._listening = {sock.fileno(): sock for sock in sockets}
        for fd in self._listening:
            self.epoll.register(fd, IN)

    def serve(self, events: Events) -> Events:
        """Serve what is ready, and what becomes ready meanwhile; returns what is not ours."""
        links, watched = self._links, self.watched
        others: Events = []
        for _ in range(self.rounds):
            self._begin_turn()
            for fd, mask in events:
                link = links.get(fd)
                if link is not None:
                    if mask == IN:
                        self._read(link)
                    else:
                        self._attend(link, mask)
                elif fd in watched:
                    watched[fd](mask)
                elif fd in self._listening:
                    self._accept(self._listening[fd])
                else:
                    others.append((fd, mask))
            self._end_turn()
            if others:  # they would be ready again and again
                break
            events = self.epoll.poll(0, MAX_EVENTS)
            if not events:
                break
        self._all_read()
        return others

    def _attend(self, link: ClientLink, mask: int) -> None:
        """More than bytes to read: room to send, or the other side is gone."""
        if mask & OUT:
            self.flush(link.connection)
            if self._links.get(link.fd) is not link:
                return
        if link.mask & IN:
            if mask & ~OUT:
                self._read(link)
        elif mask & GONE:  # reported even of a socket that we do not poll for anything
            self._drop(link)

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
        self._bytes_in += len(data)
        reply = lone_request(connection, data)
        if reply:
            self._answer(link, reply)
        elif reply is None:
            connection.receive(data)
            if connection.dirty or connection.paused:
                self.flush(connection)

    def _answer(self, link: ClientLink, reply: bytes) -> None:
        """Send what has nothing before it."""
        try:
            sent = link.sock.send(reply)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            log.debug("%s: %s", link.connection.peer, error)
            self._drop(link)
            return
        self._bytes_out += sent
        if sent < len(reply):
            link.unsent = reply[sent:]
            link.connection.out_size += len(link.unsent)
            self.flush(link.connection)

    def _send(self, link: ClientLink) -> bool:
        """Send until nothing is left or the socket takes no more; False if that dropped it."""
        connection = link.connection
        while True:
            data = link.unsent or connection.take_output()
            link.unsent = b""
            if not data:
                return True
            try:
                sent = link.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                log.debug("%s: %s", connection.peer, error)
                self._drop(link)
                return False
            self._bytes_out += sent
            connection.sent(sent)
            if sent < len(data):
                link.unsent = data[sent:]
                return True
            if not connection.out:
                return True

    def flush(self, connection: ClientConnection) -> None:
        """Send what there is, note what is left, and settle what the socket is to be polled for."""
        link = self._of.get(connection)
        if link is None:
            connection.dirty = False
            return
        connection.dirty = False
        if not self._send(link):
            return
        unsent = link.unsent
        closing = connection.closing
        if closing and not unsent:
            self._linger(link)
            return
        mask = OUT if unsent else 0
        # A client that has shut its sending side still gets what is on the way to it: so a
        # connection that is to be closed is not read from.
        if not (connection.paused or closing or self._draining):
            mask |= IN
        if mask != link.mask:
            self._poll_for(link, mask)

    def _poll_for(self, link: ClientLink, mask: int) -> None:
        link.mask = mask
        self.epoll.modify(link.fd, mask)

    # --- who comes

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                if self._starved:
                    self._starved = False
                    log.warning("accepting connections again")
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause_accepting(error)
                return
            self._take(sock, address)

    def _take(self, sock: socket.socket, address: tuple[str, int]) -> None:
        try:
            self._admit(sock, *address[:2])
        except TooManyConnections as refusal:
            self._refuse(sock, address, refusal)
        except OSError as error:
            log.warning("cannot serve %s: %s", address[0], error)
            sock.close()

    def _admit(self, sock: socket.socket, host: str, port: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.core.config.client_tcp_keep_alive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        ip = plain_ip(host)
        connection = self.core.connect(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}", ip)
        link = ClientLink(sock, connection)
        try:
            self.epoll.register(link.fd, IN)
        except OSError:
            connection.closed()
            raise
        self._links[link.fd] = link
        self._of[connection] = link

    def _refuse(
        self, sock: socket.socket, address: tuple[str, int], refusal: TooManyConnections
    ) -> None:
        """Close, and say so: once a second, since a refused client tries again at once."""
        sock.close()
        self.core.stats.metrics.connection_rejected.value += 1
        self._refusals += 1
        now = time.monotonic()
        if now - self._refusal_logged >= _REFUSAL_LOG_SECONDS:
            log.warning(
                "refused %s (%d refused since the last such line): %s",
                plain_ip(address[0]),
                self._refusals,
                refusal,
            )
            self._refusals, self._refusal_logged = 0, now

    def _pause_accepting(self, error: OSError) -> None:
        """Usually out of descriptors. What waits in the backlog would make the poll spin."""
        if not self._starved:
            self._starved = True
            log.error(
                "cannot accept connections, trying again every %g s: %s; raise the limit on open "
                "files (ulimit -n), or set maxCnxns below it",
                _ACCEPT_PAUSE_SECONDS,
                error,
            )
        self._accept_again = time.monotonic() + _ACCEPT_PAUSE_SECONDS
        for fd in self._listening:
            self.epoll.modify(fd, 0)

    # --- who goes

    def tick(self) -> None:
        """Now and then: end what has lingered long enough, try to accept again, hand on counts."""
        now = time.monotonic()
        metrics = self.core.stats.metrics
        metrics.bytes_received_count.value += self._bytes_in
        metrics.response_bytes.value += self._bytes_out
        self._bytes_in = self._bytes_out = 0
        for link, until in list(self._lingering.items()):
            if until > now:
                break
            self._drop(link)
        if now >= self._accept_again:
            self._accept_again = float("inf")
            for fd in self._listening:
                self.epoll.modify(fd, IN)

    def _linger(self, link: ClientLink) -> None:
        connection = link.connection
        if self._draining or len(self._lingering) >= _MAX_LINGERING:
            self._drop(link)
            return
        try:
            link.sock.shutdown(socket.SHUT_WR)
        except OSError:  # reset meanwhile
            self._drop(link)
            return
        del self._of[connection]
        connection.dirty = False
        connection.closed()
        self._lingering[link] = time.monotonic() + _LINGER_SECONDS
        if link.mask != IN:
            self._poll_for(link, IN)

    def _drop(self, link: ClientLink) -> None:
        self.epoll.unregister(link.fd)
        del self._links[link.fd]
        if self._lingering.pop(link, None) is None:
            connection = link.connection
            del self._of[connection]
            connection.dirty = False
            connection.closed()
            if connection.session_id and not connection.session.closing:
                self.core.stats.metrics.connection_drop_count.value += 1
        link.sock.close()

    def stop_listening(self) -> None:
        """Take no more connections and no more requests; what is under way goes on."""
        self._draining = True
        self._close_ports()
        for link in list(self._links.values()):
            if link.mask & IN:
                self._poll_for(link, link.mask & ~IN)

    def move(self, hub: Hub, address: tuple[str, int]) -> None:
        """Take connections at another address from now on. Those that there are stay."""
        if self._draining:
            return
        self._close_ports()
        log.info("clients are served at %s port %d from now on", *address)
        self._moved = PortListener(hub, "clients", [address], self._adopt, lambda problem: None, 0)
        self._moved.open()

    def _adopt(self, sock: socket.socket, name: str) -> None:
        host, _, port = name.rpartition(":")
        self._take(sock, (host.strip("[]"), int(port)))

    def _close_ports(self) -> None:
        for fd, sock in self._listening.items():
            self.epoll.unregister(fd)
            sock.close()
        self._listening.clear()
        if self._moved is not None:
            self._moved.close()

    def has_unsent(self) -> bool:
        return any(link.unsent for link in self._links.values())

    def close(self) -> None:
        for link in list(self._links.values()):
            self._drop(link)
        for sock in self._listening.values():
            sock.close()
        self._listening.clear()
        if self._moved is not None:
            self._moved.close()


def plain_ip(ip: str) -> str:
    """An IPv4 client of an IPv6 socket under its own address, and no zone index."""
    if ip.startswith("::ffff:") and "." in ip:
        return ip[7:]
    return ip.partition("%")[0]
