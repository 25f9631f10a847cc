"""The client port of a simulated server: its sockets with their buffers, and the turns they cause.

Theory of operation. Whatever kind of server it is, bytes lie in a socket until the server has time
to read them, and what the other side does not take stays here. `ClientPort` is the part of a server
that does this; the server brings its core, its turns and its sense of time.
"""

from __future__ import annotations

from collections.abc import Callable

from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore, TooManyConnections
from zoo.sim.network import Link


class ServerLink:
    """The server's end of a link: a socket with its buffers."""

    def __init__(self, server: ClientPort) -> None:
        self.server = server
        self.link: Link | None = None
        self.connection: ClientConnection | None = None
        self.inbox: list[bytes] = []
        self.unsent = b""
        self.reading = False
        self.is_dead = False

    def received(self, data: bytes) -> None:
        if self.is_dead:  # nobody has told the client
            if self.server.is_up and self.link is not None:
                self.link.break_both()
            return
        self.inbox.append(data)
        self.wake()

    def wake(self) -> None:
        if self.inbox and not self.reading:
            self.reading = True
            self.server.later(1, self._read)

    def _read(self) -> None:
        self.reading = False
        connection = self.connection
        if connection is None or connection.paused or not self.inbox:
            return
        data, self.inbox = b"".join(self.inbox), []
        self.server.feed(self, connection, data)

    def broken(self) -> None:
        if self.is_dead:
            return
        self.server.later(1, lambda: self.server.drop(self))


class ClientPort:
    """To be inherited by a server."""

    core: ServerCore
    is_up: bool
    sockets: dict[ClientConnection, ServerLink]

    # --- what the server brings

    def trace(self, text: str) -> None:
        raise NotImplementedError

    def later(self, delay: int, action: Callable[[], None]) -> None:
        raise NotImplementedError

    def _begin_turn(self) -> None:
        raise NotImplementedError

    def _end_turn(self) -> None:
        raise NotImplementedError

    def heard_from(self, session_id: int) -> None:
        """Bytes of this session's client have reached the core."""
        raise NotImplementedError

    # --- clients

    def accept(self, server_link: ServerLink, link: Link, peer: str) -> None:
        """A client's connection reaches the server, whatever becomes of it."""
        server_link.link = link
        if not self.is_up:
            link.break_both()
            return
        self.later(1, lambda: self._admit(server_link, peer))

    def _admit(self, server_link: ServerLink, peer: str) -> None:
        self._begin_turn()
        try:
            connection = self.core.connect(peer, peer.partition(":")[0])
        except TooManyConnections as refusal:
            self.trace(f"refused {peer}: {refusal}")
            if server_link.link is not None:
                server_link.link.break_both()
            return
        server_link.connection = connection
        self.sockets[connection] = server_link
        server_link.wake()

    def feed(self, server_link: ServerLink, connection: ClientConnection, data: bytes) -> None:
        self._begin_turn()
        was_closing = connection.closing
        connection.receive(data)
        if not was_closing:  # only now is the session known to which a ConnectRequest belongs
            self.heard_from(connection.session_id)
        self._end_turn()
        server_link.wake()

    def flush(self, connection: ClientConnection) -> None:
        """Send what the link takes; tell the connection what is left."""
        server_link = self.sockets.get(connection)
        if server_link is None or server_link.link is None:
            connection.take_output()
            return
        link = server_link.link
        connection.dirty = False
        while data := server_link.unsent or connection.take_output():
            fits = data[: max(0, link.room)]
            if fits:
                link.to_client.send(fits)
            server_link.unsent = data[len(fits) :]
            connection.sent(len(fits))
            if server_link.unsent:
                break
        if server_link.unsent:
            self.later(1_000, lambda: self._flush_rest(connection))
        elif connection.closing:
            link.close_behind()
            self.drop(server_link)
        server_link.wake()

    def _flush_rest(self, connection: ClientConnection) -> None:
        server_link = self.sockets.get(connection)
        if server_link is not None and server_link.unsent:
            self._begin_turn()
            self.flush(connection)
            self._end_turn()

    def drop(self, server_link: ServerLink) -> None:
        connection = server_link.connection
        if connection is not None and self.sockets.pop(connection, None) is not None:
            connection.closed()

    def break_clients(self, *, quietly: bool = False) -> None:
        """The process has ended; `quietly`: the clients are not told."""
        sockets, self.sockets = self.sockets, {}
        for server_link in sockets.values():
            server_link.is_dead = True
            if server_link.link is not None and not quietly:
                server_link.link.break_both()

    def flush_dirty(self) -> None:
        """At the end of a turn: send what connections have to say."""
        core = self.core
        while core.dirty:
            dirty, core.dirty = core.dirty, []
            for connection in dirty:
                if connection.dirty:
                    self.flush(connection)
