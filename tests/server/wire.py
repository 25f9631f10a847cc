"""A core without disk or sockets: the test says what is durable, and how bytes are cut."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from struct import Struct
from typing import Any, NamedTuple

from zoo.config import config_from
from zoo.jute.client_records import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    WatcherEvent,
)
from zoo.jute.codec import Reader
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.multi import encode_request
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.schema import decode, encode
from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore
from zoo.session.tracker import SessionTracker
from zoo.tree.data_tree import DataTree

HEAD = Struct(">ii")
REPLY = Struct(">iqi")
LENGTH = Struct(">i")
START = 1_000_000
WALL = 1_700_000_000_000
OPEN = list(OPEN_ACL_UNSAFE)


class Reply(NamedTuple):
    xid: int
    zxid: int
    err: int
    body: bytes

    def record(self, op: Op) -> Any:
        cls = OPERATIONS[op].reply
        assert cls is not None
        return decode(cls, self.body)

    @property
    def event(self) -> WatcherEvent:
        assert self.xid == -1
        return decode(WatcherEvent, self.body)


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def request(xid: int, op: int, record: Any = None) -> bytes:
    """One request, framed. `record` may be raw bytes, or a list of parts for a multi."""
    if isinstance(record, list):
        body = encode_request(record)
    elif isinstance(record, bytes):
        body = record
    else:
        body = b"" if record is None else encode(record)
    return frame(HEAD.pack(xid, op) + body)


class Server:
    """One core. `fields` are fields of Config that are not keys, `keys` are zoo.cfg keys."""

    def __init__(self, fields: dict[str, Any] | None = None, **keys: object) -> None:
        pairs: dict[str, object] = {"dataDir": "/none", "clientPort": 1, "tickTime": 1000, **keys}
        config = replace(config_from(pairs), **(fields or {}))
        cores: list[ServerCore] = []
        tree = DataTree(
            lambda *event: cores[0].notify(*event), extended_types=config.extended_types_enabled
        )
        tracker = SessionTracker(config.tick_time_ms, START)
        self.core = ServerCore(config, tree, tracker, Random(1), START, WALL)
        cores.append(self.core)
        self.entries: list[bytes] = []
        self.now = START
        self.core.turn(START, WALL)

    def wait(self, ms: int, step: int = 100) -> None:
        """Let time pass as a driver does: a tick every `step` ms."""
        end = self.now + ms
        while self.now < end:
            self.now = min(end, self.now + step)
            self.core.turn(self.now, WALL + self.now - START)
            self.core.tick()
            self.core.go_on()

    def settle(self) -> None:
        """Make all that is prepared durable, until nothing is left to do."""
        core = self.core
        while True:
            core.go_on()
            ready = core.ready()
            if ready is None:
                return
            self.entries += ready.entries
            core.persisted(ready.last_zxid)

    def dial(self, ip: str = "10.0.0.1") -> Client:
        return Client(self, self.core.connect(f"{ip}:{len(self.core.connections)}", ip))

    def client(self, timeout: int = 10_000, ip: str = "10.0.0.1") -> Client:
        """A client with a session."""
        client = self.dial(ip)
        client.send(connect(timeout))
        self.settle()
        assert client.hello().session_id
        return client


def connect(
    timeout: int = 10_000,
    session_id: int = 0,
    password: bytes = bytes(16),
    last_zxid: int = 0,
    read_only: bool | None = False,
) -> bytes:
    body = ConnectRequest(0, last_zxid, timeout, session_id, password, read_only)
    return frame(encode(body))


def reply_of(body: bytes) -> Reply:
    xid, zxid, err = REPLY.unpack_from(body)
    return Reply(xid, zxid, err, body[REPLY.size :])


class Client:
    """The other end of a connection, and a driver that sends at once."""

    def __init__(self, server: Server, connection: ClientConnection) -> None:
        self.server = server
        self.connection = connection
        self.session_id = 0
        self.password = b""
        self.granted = 0
        self.raw = b""

    def send(self, data: bytes) -> None:
        self.connection.receive(data)
        self.server.core.go_on()

    def ask(self, op: Op, record: Any = None, xid: int = 1) -> Reply:
        """One request, made durable if it is a write, and its reply."""
        self.send(request(xid, op, record))
        self.server.settle()
        replies = [reply for reply in self.replies() if reply.xid != -1]
        assert len(replies) == 1, replies
        return replies[0]

    def create(self, path: bytes, data: bytes | None = b"", flags: int = 0) -> Reply:
        return self.ask(Op.create, CreateRequest(path, data, OPEN, flags))

    def take(self) -> bytes:
        """All bytes that are out, taken by a client that reads."""
        while True:
            data = self.connection.take_output()
            if not data:
                return self._cut()
            self.raw += data
            self.connection.sent(len(data))
            self.server.core.go_on()

    def _cut(self) -> bytes:
        data, self.raw = self.raw, b""
        return data

    def frames(self) -> list[bytes]:
        data, found = self.take(), []
        while data:
            stop = 4 + LENGTH.unpack_from(data)[0]
            found.append(data[4:stop])
            assert len(found[-1]) == stop - 4
            data = data[stop:]
        return found

    def hello(self) -> ConnectResponse:
        (body,) = self.frames()
        response = decode(ConnectResponse, Reader(body))
        self.session_id, self.password = response.session_id, response.passwd or b""
        self.granted = response.timeout
        return response

    def replies(self) -> list[Reply]:
        return [Reply(*REPLY.unpack_from(f), f[REPLY.size :]) for f in self.frames()]
