"""What happens on a connection before its first request.

Theory of operation. The first bytes tell who calls: a four-letter word is answered and the
connection closed; a stranger (HTTP, TLS) is told so in his own language; all else must be the frame
of a ConnectRequest. That frame asks for a new session, which is a transaction and answered once it
has committed, or for an old one, which a password proves and which is answered at once. Bytes
behind the frame wait until the session stands.

A client that has seen a zxid which we have not is turned away without an answer: served here it
would see time run backwards, so it must try another server.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from zoo.errors import ProtocolViolation
from zoo.jute.client_records import ConnectRequest, ConnectResponse
from zoo.jute.codec import Reader
from zoo.jute.schema import decode, encode
from zoo.server import four_letter_words, hello
from zoo.server.four_letter_words import READ_ONLY_MODE
from zoo.server.hello import Hello
from zoo.server.writing import NotServing
from zoo.session.ids import NO_PASSWORD, password, password_matches
from zoo.session.tracker import negotiate
from zoo.tree.record import LENGTH

if TYPE_CHECKING:
    from zoo.server.connection import ClientConnection

log = logging.getLogger(__name__)

MAX_CONNECT_REQUEST = 1024
"""Bytes; nothing in it is of variable length but the password, which has 16."""


class Handshake:
    """The state of one connection until its session is established."""

    __slots__ = ("_connection", "accepts_read_only", "timeout")

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.accepts_read_only: bool | None = None
        self.timeout = 0

    def receive(self, buf: bytes) -> bytes:
        """Look at all bytes so far; returns those that are not used up."""
        verdict = hello.classify(buf)
        if verdict is Hello.NEED_MORE:
            return buf
        if verdict is not Hello.FRAME:
            self._not_a_client(verdict, buf)
            return b""
        return self._frame(buf)

    def _not_a_client(self, verdict: Hello, buf: bytes) -> None:
        connection, core = self._connection, self._connection.core
        if verdict is Hello.FOUR_LETTER_WORD:
            log.debug("%s asks %s", connection.peer, buf[:4].decode())
            core.stats.packets_received += 1
            connection.send(
                four_letter_words.answer(buf, core.view, core.config.four_letter_words, core.now_ms)
            )
        else:
            line = hello.log_line(verdict, buf, connection.peer)
            if line:
                log.warning("%s", line)
            reply = hello.reply_to(verdict)
            if reply:
                connection.send(reply)
        connection.close()

    def _frame(self, buf: bytes) -> bytes:
        length = LENGTH.unpack_from(buf)[0]
        if not 0 <= length <= MAX_CONNECT_REQUEST:
            raise ProtocolViolation(
                f"the first frame claims {length} bytes, a ConnectRequest has 44 or 45: this is no "
                "ZooKeeper client"
            )
        if len(buf) < 4 + length:
            return buf
        request = decode(ConnectRequest, Reader(buf, 4, 4 + length))
        self._connection.pause()  # what the client sends ahead waits until the session stands
        self._connect(request)
        return buf[4 + length :]

    def _connect(self, request: ConnectRequest) -> None:
        connection, core = self._connection, self._connection.core
        self.accepts_read_only = request.read_only
        core.stats.packets_received += 1
        core.stats.metrics.connection_request_count.value += 1
        if not core.is_serving:
            assert isinstance(core.writing, NotServing)
            core.writing.refuse(connection)
            return
        if request.last_zxid_seen > core.tree.last_zxid:
            raise ProtocolViolation(
                f"the client has seen zxid 0x{request.last_zxid_seen:x}, our last is "
                f"0x{core.tree.last_zxid:x}: it must try another server"
            )
        config = core.config
        self.timeout = negotiate(
            request.timeout, config.min_session_timeout_ms, config.max_session_timeout_ms
        )
        session_id = request.session_id
        if session_id == 0:
            core.writing.open_session(connection, self.timeout)
        elif password_matches(session_id, request.passwd or b""):
            core.writing.take_up(connection, session_id, self.timeout)
        else:
            self.refuse("wrong password for", session_id)

    def refuse(self, reason: str, session_id: int) -> None:
        """There is no such session, at least not for this client."""
        shown = session_id & (1 << 64) - 1
        log.info("%s: %s session 0x%x", self._connection.peer, reason, shown)
        self._respond(0, 0, NO_PASSWORD)
        self._connection.close()

    def established(self) -> None:
        """The session stands: say so, then take the requests that came meanwhile."""
        connection = self._connection
        session_id = connection.session_id
        self._respond(self.timeout, session_id, password(session_id))
        connection.stats.session_id = session_id
        connection.stats.session_timeout_ms = self.timeout
        connection.handshake = None
        connection.core.resume_later(connection)

    def _respond(self, timeout: int, session_id: int, secret: bytes) -> None:
        # A client of before 3.4 sends no read-only byte and must not be sent one.
        read_only = None
        if self.accepts_read_only is not None:
            read_only = self._connection.core.mode == READ_ONLY_MODE
        body = encode(ConnectResponse(0, timeout, session_id, secret, read_only))
        self._connection.send(LENGTH.pack(len(body)) + body)
