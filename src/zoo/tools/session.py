"""A small blocking session for the demonstration: it rides through servers that die.

It holds one session, connects to any of the servers, and takes the session up again when the link
breaks. A request that was under way then may have been carried out or not: `Uncertain` says so, and
whoever asked must look.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from zoo.errors import Code
from zoo.jute import multi
from zoo.jute.client_records import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    DeleteRequest,
    ErrorResponse,
    GetDataRequest,
    GetDataResponse,
    ReplyHeader,
    RequestHeader,
    SetDataRequest,
)
from zoo.jute.codec import Reader
from zoo.jute.constants import NOTIFICATION_XID, OPEN_ACL_UNSAFE
from zoo.jute.framing import FrameReader, frame
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode

_CONNECT_SECONDS = 0.5
_REPLY_SECONDS = 5.0
_PAUSE_SECONDS = 0.005
_REPLY_SIZE = 16


class Uncertain(Exception):
    """The link broke while a request was under way."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(Code(code).name if code in Code._value2member_map_ else str(code))
        self.code = code


class SessionExpired(Exception):
    """The session is over, and what was ephemeral in it is gone."""


class Session:
    """`servers` are client addresses on (host, port)."""

    def __init__(self, servers: Sequence[tuple[str, int]], timeout_ms: int, rng: Random) -> None:
        self._servers = list(servers)
        self._rng = rng
        self._timeout_ms = timeout_ms
        self._session_id = 0
        self._password = bytes(16)
        self._zxid = 0
        self._xid = 0
        self._link: socket.socket | None = None
        self._frames: list[bytes] = []
        self._reader = FrameReader()

    # --- requests

    def create(self, path: str, data: bytes = b"", flags: int = 0) -> None:
        """Raises Refused, Uncertain, SessionExpired; so do all of these."""
        self._call(Op.create, encode(CreateRequest(path.encode(), data, [*OPEN_ACL_UNSAFE], flags)))

    def delete(self, path: str) -> None:
        self._call(Op.delete, encode(DeleteRequest(path.encode(), -1)))

    def get(self, path: str) -> tuple[bytes, int]:
        """Data and version."""
        body = self._call(Op.getData, encode(GetDataRequest(path.encode(), False)))
        answer = decode(GetDataResponse, body)
        return answer.data or b"", answer.stat.version

    def get_all(self, paths: Sequence[str]) -> list[bytes]:
        """The data of several znodes at one moment."""
        asked = [(Op.getData, GetDataRequest(path.encode(), False)) for path in paths]
        return [record.data or b"" for record in self._multi(Op.multiRead, asked)]

    def set_all(self, changes: Sequence[tuple[str, bytes, int]]) -> None:
        """Set (path, data, expected version), all or none."""
        self._multi(
            Op.multi,
            [(Op.setData, SetDataRequest(path.encode(), data, v)) for path, data, v in changes],
        )

    def _multi(self, op: Op, items: list[multi.Item]) -> list[Any]:
        body = self._call(op, multi.encode_request(items))
        records = [record for _, record in multi.decode_reply(Reader(body))]
        for record in records:
            if isinstance(record, ErrorResponse) and record.err:
                raise Refused(record.err)
        return records

    # --- the link

    def close(self) -> None:
        """End the session if there is a link; else it ends by itself."""
        if self._link is not None:
            with contextlib.suppress(Uncertain, Refused, SessionExpired):
                self._call(Op.closeSession, b"")
            self._drop()

    def connect(self) -> None:
        """Try all servers, until one takes us."""
        deadline = time.monotonic() + 60
        while self._link is None:
            order = self._rng.sample(self._servers, len(self._servers))
            for server in order:
                if self._connect_to(server):
                    return
            if time.monotonic() > deadline:
                raise Uncertain("no server takes this session")
            time.sleep(_PAUSE_SECONDS)

    def _connect_to(self, server: tuple[str, int]) -> bool:
        request = ConnectRequest(
            0, self._zxid, self._timeout_ms, self._session_id, self._password, False
        )
        try:
            self._link = socket.create_connection(server, _CONNECT_SECONDS)
            self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._link.settimeout(_REPLY_SECONDS)
            self._reader = FrameReader()
            self._frames.clear()
            self._link.sendall(frame(encode(request)))
            response = decode(ConnectResponse, self._receive())
        except (OSError, Uncertain):
            self._drop()
            return False
        if response.session_id == 0:
            self._drop()
            self._session_id, self._password = 0, bytes(16)
            raise SessionExpired
        self._session_id, self._password = response.session_id, response.passwd or b""
        return True

    def _call(self, op: Op, body: bytes) -> bytes:
        if self._link is None:
            self.connect()
        self._xid += 1
        link = self._link
        assert link is not None
        try:
            link.sendall(frame(encode(RequestHeader(self._xid, op)) + body))
            answer = self._receive()
            while int.from_bytes(answer[:4], "big", signed=True) == NOTIFICATION_XID:
                answer = self._receive()
        except OSError as error:
            self._drop()
            raise Uncertain(str(error)) from error
        header = decode(ReplyHeader, answer[:_REPLY_SIZE])
        assert header.xid == self._xid, f"reply {header.xid} to request {self._xid}"
        self._zxid = max(self._zxid, header.zxid)
        if header.err:
            if header.err == Code.SESSIONEXPIRED:
                raise SessionExpired
            raise Refused(header.err)
        return answer[_REPLY_SIZE:]

    def _receive(self) -> bytes:
        """The next frame. Raises OSError."""
        link = self._link
        assert link is not None
        while not self._frames:
            data = link.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the link")
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
