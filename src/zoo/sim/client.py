"""A client of the simulated world: it speaks ZooKeeper's bytes and remembers what it was told.

Theory of operation. A client connects, opens a session or takes its old one up again, pings, sends
what its workload gives it, keeps the requests that are not answered in order, and connects anew
when the link breaks: what was not answered then stays unknown. It judges nothing; every message
goes to a `ClientObserver`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from random import Random
from struct import Struct
from typing import Any, NamedTuple, Protocol

from zoo.jute.client_records import AuthPacket, ConnectRequest, ConnectResponse, WatcherEvent
from zoo.jute.codec import Reader
from zoo.jute.constants import AUTH_XID, NOTIFICATION_XID, PING_XID
from zoo.jute.multi import encode_request
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.sim.network import Link
from zoo.sim.schedule import Schedule

HEAD = Struct(">ii")
REPLY = Struct(">iqi")
LENGTH = Struct(">i")


class Request(NamedTuple):
    """One request; `record` is None for operations without a body, a list of items for a multi."""

    xid: int
    op: Op
    record: Any

    def encode(self) -> bytes:
        body = b""
        if self.op in (Op.multi, Op.multiRead):
            body = encode_request(self.record)
        elif self.record is not None:
            body = encode(self.record)
        return HEAD.pack(self.xid, self.op) + body


class State(Enum):
    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    SILENT = "silent"  # connected, but sends and reads nothing more


class ClientObserver(Protocol):
    """Whoever checks what a client sees."""

    def connected(self, client: SimClient, response: ConnectResponse) -> None: ...

    def refused(self, client: SimClient) -> None:
        """The server says that the session is over."""

    def sent(self, client: SimClient, request: Request) -> None: ...

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None: ...

    def ponged(self, client: SimClient, zxid: int) -> None: ...

    def notified(self, client: SimClient, zxid: int, event: WatcherEvent) -> None: ...

    def disconnected(self, client: SimClient) -> None: ...


class SimClient:
    """One client and its sessions, one after the other."""

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        rng: Random,
        observer: ClientObserver,
        dial: Callable[[SimClient], Link],
        timeout_ms: int,
        trace: Callable[[str], None],
    ) -> None:
        self.name = name
        self.schedule = schedule
        self.rng = rng
        self.observer = observer
        self.timeout_ms = timeout_ms
        self.trace = trace
        self.state = State.IDLE
        self.session_id = 0
        self.password = bytes(16)
        self.granted_ms = timeout_ms
        self.last_zxid = 0
        self.pending: deque[Request] = deque()
        self.on_ready: Callable[[], None] = lambda: None
        self.may_connect = True
        self.patience = 0.0
        """The part of its timeout after which a client gives up a silent server; 0: never."""
        self.credentials: bytes | None = None
        """user:password, shown on each connection."""
        self.dial = dial
        self.server = 0
        """The member that it has dialled last."""
        self.accepts_read_only = False
        self.is_read_only = False
        """What it is connected to serves reads alone."""
        self.answered = 0
        self._leaves_session = False
        self._heard = 0
        self._link: Link | None = None
        self._xid = 0
        self._buffer = b""
        self._attempt = 0

    def __repr__(self) -> str:
        return f"{self.name}(0x{self.session_id & (1 << 64) - 1:x})"

    # --- connecting

    def connect(self) -> None:
        if self.state is not State.IDLE or not self.may_connect:
            return
        if self._leaves_session:
            last_zxid = self.last_zxid
            self.forget_session()
            self.last_zxid = last_zxid
        self.state = State.CONNECTING
        self._buffer = b""
        self._attempt += 1
        attempt = self._attempt
        self._link = self.dial(self)
        request = ConnectRequest(
            0,
            self.last_zxid,
            self.timeout_ms,
            self.session_id,
            self.password,
            self.accepts_read_only,
        )
        self._send(encode(request))
        self.schedule.after(self.timeout_ms * 1000, lambda: self._give_up(attempt))

    def _give_up(self, attempt: int) -> None:
        if self.state is State.CONNECTING and attempt == self._attempt and self._link is not None:
            self._link.break_both()

    def reconnect_later(self) -> None:
        self.schedule.after(self.rng.randint(1_000, 200_000), self.connect)

    def hang_up(self) -> None:
        """Break the link without a word; the session stays and will be taken up again."""
        if self._link is not None and self.patience:
            self._link.give_up()
        elif self._link is not None:
            self._link.break_both()

    def fall_silent(self) -> None:
        """Stay connected and do nothing more, until the server ends the session."""
        self.state = State.SILENT

    def broken(self) -> None:
        if self._link is None:
            return
        self._link = None
        if self.state in (State.CONNECTED, State.SILENT):
            self.trace(f"{self!r} is disconnected")
            self.observer.disconnected(self)
        self.pending.clear()
        self.state = State.IDLE
        self.reconnect_later()

    def forget_session(self) -> None:
        """The next connection opens a new session."""
        self.session_id, self.password, self.last_zxid = 0, bytes(16), 0
        self._xid = 0
        self._leaves_session = False

    # --- sending

    def submit(self, op: Op, record: Any) -> None:
        """Send a request if connected."""
        if self.state is not State.CONNECTED:
            return
        self._xid += 1
        request = Request(self._xid, op, record)
        self.pending.append(request)
        self.observer.sent(self, request)
        self.trace(f"{self!r} #{request.xid} {op.name} {_brief(record)}")
        self._send(request.encode())

    def _send(self, body: bytes) -> None:
        if self._link is not None and not self._link.is_broken:
            self._link.to_server.send(LENGTH.pack(len(body)) + body)

    def _ping(self, attempt: int) -> None:
        if self.state is State.CONNECTED and attempt == self._attempt:
            silence = self.schedule.now - self._heard
            if self.patience and silence > self.patience * self.granted_ms * 1000:
                self.trace(f"{self!r} gives up a server that is silent")
                self.hang_up()
                return
            self._send(HEAD.pack(PING_XID, Op.ping))
            self.schedule.after(self.granted_ms * 1000 // 3, lambda: self._ping(attempt))

    # --- receiving

    def received(self, data: bytes) -> None:
        if self.state is State.SILENT:
            return
        self._heard = self.schedule.now
        self._buffer += data
        while len(self._buffer) >= 4:
            stop = 4 + LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < stop:
                return
            frame, self._buffer = self._buffer[4:stop], self._buffer[stop:]
            if self.state is State.CONNECTING:
                self._established(frame)
            elif self.state is State.CONNECTED:
                self._message(frame)

    def _established(self, frame: bytes) -> None:
        response = decode(ConnectResponse, frame)
        if response.session_id == 0:
            self.trace(f"{self!r} has no session any more")
            self.observer.refused(self)
            self.forget_session()
            self.hang_up()
            return
        self.state = State.CONNECTED
        self.session_id = response.session_id
        self.password = response.passwd or b""
        self.granted_ms = response.timeout
        self.is_read_only = bool(response.read_only)
        how = ", to read only" if self.is_read_only else ""
        self.trace(f"{self!r} is connected, timeout {response.timeout} ms{how}")
        if self.credentials is not None:
            packet = AuthPacket(0, "digest", self.credentials)
            self._send(HEAD.pack(AUTH_XID, Op.auth) + encode(packet))
        self.observer.connected(self, response)
        self._ping(self._attempt)
        self.on_ready()
        if self.is_read_only:
            attempt = self._attempt
            self.schedule.after(self.rng.randint(10_000, 5_000_000), lambda: self._seek(attempt))

    def _seek(self, attempt: int) -> None:
        """Look for a server that takes writes. It cannot know this session: many clients know."""
        if self.state is State.CONNECTED and attempt == self._attempt:
            self._leaves_session = self.rng.random() < 0.7
            self.hang_up()

    def _message(self, frame: bytes) -> None:
        xid, zxid, err = REPLY.unpack_from(frame)
        body = frame[REPLY.size :]
        if xid == PING_XID:
            self.observer.ponged(self, zxid)
        elif xid == AUTH_XID:
            assert not err, f"{self!r}: the credentials are refused, {err}"
        elif xid == NOTIFICATION_XID:
            event = decode(WatcherEvent, Reader(body))
            self.trace(f"{self!r} event {event.type} {event.path.decode()} at 0x{zxid:x}")
            self.observer.notified(self, zxid, event)
        else:
            assert self.pending, f"{self!r}: a reply to xid {xid}, but nothing is asked"
            request = self.pending.popleft()
            assert request.xid == xid, f"{self!r}: a reply to {xid}, {request.xid} was asked first"
            self.trace(f"{self!r} #{xid} {request.op.name} -> {err} at 0x{zxid:x}")
            self.answered += 1
            self.observer.replied(self, request, zxid, err, body)
        if zxid > 0:
            self.last_zxid = max(self.last_zxid, zxid)


def _brief(record: Any) -> str:
    if isinstance(record, list):
        return "[" + ", ".join(f"{op.name} {_brief(item)}" for op, item in record) + "]"
    path = getattr(record, "path", None)
    return path.decode() if isinstance(path, bytes) else ""
