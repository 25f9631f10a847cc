"""A ServerCore with clients and a disk, all in one thread: a driver as small as a test needs.

The disk works by itself after each input unless `disk_works` is false: then `commit` makes it do
its work. A client takes what it is sent unless `reads` is false.
"""

from __future__ import annotations

from random import Random
from struct import Struct
from typing import Any, NamedTuple

from zoo.config import config_from
from zoo.jute.client_records import ConnectRequest, ConnectResponse, CreateRequest, SetDataRequest
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.multi import encode_request
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import ACL
from zoo.jute.schema import decode, encode
from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore
from zoo.server.core_view import CoreView, HostFacts
from zoo.server.view import ServerConf
from zoo.session.tracker import SessionTracker
from zoo.tree.data_tree import DataTree
from zoo.zab.ready import Ready

NOW = 1_000_000
WALL = 1_700_000_000_000
LENGTH = Struct(">i")
REQUEST = Struct(">iii")
REPLY = Struct(">iqi")
CONNECT = ConnectRequest(0, 0, 10_000, 0, bytes(16), False)
OPEN = list(OPEN_ACL_UNSAFE)
CONF = ServerConf(2181, "/data", "/log", 3000, 60, 6000, 60_000)
HOST = HostFacts(
    version="3.9.5-zoo-test, built on a day",
    conf=CONF,
    environment=(("host.name", "here"),),
    data_dir_size=lambda: 11,
    log_dir_size=lambda: 22,
    open_file_descriptors=lambda: 33,
    max_file_descriptors=lambda: None,
)


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def request(xid: int, op: int, body: Any = b"") -> bytes:
    """The frame of a request; `body` is a record, a list of them for a multi, or bytes."""
    payload: bytes = body
    if isinstance(body, list):
        payload = encode_request(body)
    elif not isinstance(body, bytes):
        payload = encode(body)
    return REQUEST.pack(8 + len(payload), xid, op) + payload


def create(path: bytes, data: bytes = b"", flags: int = 0, acl: list[ACL] = OPEN) -> CreateRequest:
    return CreateRequest(path, data, acl, flags)


def put(path: bytes, data: bytes = b"", version: int = -1) -> SetDataRequest:
    return SetDataRequest(path, data, version)


class Reply(NamedTuple):
    xid: int
    zxid: int
    err: int
    body: bytes

    def record(self, op: Op) -> Any:
        cls = OPERATIONS[op].reply
        assert cls is not None
        return decode(cls, self.body)


def reply_of(body: bytes) -> Reply:
    xid, zxid, err = REPLY.unpack_from(body)
    return Reply(xid, zxid, err, body[REPLY.size :])


class Client:
    """The client's end of one connection."""

    def __init__(self, server: Server, peer: str = "10.0.0.1:50000") -> None:
        self.server = server
        self.connection: ClientConnection = server.core.connect(peer, peer.partition(":")[0])
        self.received = b""
        self.reads = True
        self.is_open = True
        server.clients[self.connection] = self

    # --- sending

    def send(self, data: bytes) -> None:
        """Bytes on the link. As with a real driver none arrive while the connection is paused."""
        server = self.server
        server.begin()
        if self.is_open:
            self.connection.receive(data)
        server.end()

    def open(self, hello: ConnectRequest = CONNECT) -> ConnectResponse:
        """Say hello, take the answer."""
        self.send(frame(encode(hello)))
        (answer,) = self.frames()
        return decode(ConnectResponse, answer)

    def ask(self, *requests: tuple[int, Any] | int) -> list[Reply]:
        """Send requests in one piece, with xids from 1; the replies that come at once."""
        pairs = [(r, b"") if isinstance(r, int) else r for r in requests]
        self.send(b"".join(request(xid, *pair) for xid, pair in enumerate(pairs, 1)))
        return self.replies()

    def leave(self) -> None:
        """The socket is gone."""
        self.server.begin()
        self.is_open = False
        self.connection.closed()
        self.server.end()

    # --- what came

    def take(self) -> bytes:
        received, self.received = self.received, b""
        return received

    def frames(self) -> list[bytes]:
        data, found = self.take(), []
        while data:
            stop = 4 + LENGTH.unpack_from(data)[0]
            assert stop <= len(data), "half a frame"
            found.append(data[4:stop])
            data = data[stop:]
        return found

    def replies(self) -> list[Reply]:
        return [reply_of(body) for body in self.frames()]

    def read_on(self) -> None:
        """Take what has piled up, and go on taking."""
        self.reads = True
        self.server.begin()
        self.connection.mark_dirty()
        self.server.end()


class Server:
    def __init__(self, **values: object) -> None:
        """`values`: keys of zoo.cfg, with `_` for `.`."""
        pairs = {key.replace("_", "."): value for key, value in values.items()}
        config = config_from({"dataDir": "/nowhere", **pairs})
        self.now, self.wall = NOW, WALL
        self.clients: dict[ClientConnection, Client] = {}
        self.disk_works = True
        self.entries: list[bytes] = []
        self._busy: Ready | None = None

        def notify(watcher: Any, event: int, path: bytes, zxid: int, acl: Any) -> None:
            self.core.notify(watcher, event, path, zxid, acl)

        self.tree = DataTree(
            notify, digest=config.digest_enabled, extended_types=config.extended_types_enabled
        )
        sessions = SessionTracker(config.tick_time_ms, self.now)
        self.core = ServerCore(config, self.tree, sessions, Random(1), self.now, self.wall)
        self.core.view = CoreView(self.core, HOST)

    # --- turns

    def begin(self) -> None:
        self.core.turn(self.now, self.wall)

    def end(self) -> None:
        self._flush()
        while self.disk_works and self._disk():
            pass

    def commit(self) -> None:
        """The disk does one batch, and a second one if the first is what it was busy with."""
        self.begin()
        self._disk()
        self._flush()

    def hand_over(self) -> None:
        """The disk takes a batch and is busy with it until the next `commit`."""
        assert self._busy is None
        self._busy = self.core.ready()

    def tick(self, after_ms: int = 0) -> None:
        self.now += after_ms
        self.wall += after_ms
        self.begin()
        self.core.tick()
        self.end()

    def live(self, ms: int) -> None:
        """Time goes by as it does: with a tick every quarter of the tick time."""
        step = self.core.config.tick_time_ms // 4
        for _ in range(ms // step):
            self.tick(step)

    def _disk(self) -> bool:
        self.core.go_on()
        ready = self._busy or self.core.ready()
        self._busy = None
        if ready is None:
            return False
        self.entries += ready.entries
        self.core.persisted(ready.last_zxid)
        self._flush()
        return True

    def _flush(self) -> None:
        core = self.core
        core.go_on()
        while core.dirty:
            dirty, core.dirty = core.dirty, []
            for connection in dirty:
                if connection.dirty:
                    self._serve(connection)
            core.go_on()

    def _serve(self, connection: ClientConnection) -> None:
        client = self.clients[connection]
        connection.dirty = False
        if not client.reads:
            return
        while data := connection.take_output():
            client.received += data
            connection.sent(len(data))
        if connection.closing and client.is_open:
            client.is_open = False
            connection.closed()

    # --- shortcuts

    def client(self, hello: ConnectRequest = CONNECT, peer: str = "10.0.0.1:50000") -> Client:
        """A client with a session."""
        works, self.disk_works = self.disk_works, True
        client = Client(self, peer)
        client.open(hello)
        self.disk_works = works
        return client
