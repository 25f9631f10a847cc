"""The client without IO: a session, its requests and its watches, from bytes to bytes.

Theory of operation. A runtime dials servers and tells the core `opened`, `received`, `lost` and
`tick`; the core leaves bytes in `out` and tells its listener of new states. A session outlives its
connections: after each handshake credentials are sent, then the watches are armed anew in bounded
pieces, then what waits, in the order in which it was asked for. Replies come in the order of the
requests; any other xid breaks the link. When a link breaks, reads that were on their way wait
again, at the front; writes fail, their outcome unknown. When the session has expired all that waits
fails, for it was meant for that session, and a new one is begun by the next handshake.

Pings go out when nothing else has for a third of the timeout; a server that is silent for two
thirds is given up, so that a third is left to find another. Times are milliseconds of any clock
that does not go back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from struct import Struct

from zoo.client.calls import Call
from zoo.client.errors import ClientClosedError, ClientError, Outcome, error_for
from zoo.client.states import TRANSITIONS, State
from zoo.client.watches import Kind, Removal, WatchTable
from zoo.errors import Code, ProtocolViolation, code_of
from zoo.jute import schema
from zoo.jute.client_records import AuthPacket, ConnectRequest, ConnectResponse, WatcherEvent
from zoo.jute.client_records import SetWatches as SetWatchesRecord
from zoo.jute.codec import Reader
from zoo.jute.constants import (
    AUTH_XID,
    NOTIFICATION_XID,
    PASSWORD_LENGTH,
    PING_XID,
    PROTOCOL_VERSION,
    SET_WATCHES_XID,
    EventType,
    KeeperState,
)
from zoo.jute.framing import FrameReader
from zoo.jute.operations import Op

_REQUEST = Struct(">iii")  # length, xid, type
_REPLY = Struct(">iqi")  # xid, zxid, err
_LENGTH = Struct(">i")
_PING = _REQUEST.pack(8, PING_XID, Op.ping)
_MAX_XID = (1 << 31) - 1
_NO_PASSWORD = bytes(PASSWORD_LENGTH)
_EVENTS = {int(kind): kind for kind in EventType}


class LinkUseless(Exception):
    """Drop the connection and dial again; the text says why."""


@dataclass(frozen=True)
class CoreOptions:
    """What a session is made of; times in milliseconds, sizes in bytes."""

    timeout_ms: int = 10_000
    read_only: bool = False
    """May a server serve us that is cut off from its ensemble?"""
    max_reply: int = 64 << 20
    max_waiting: int = 100_000
    """Requests that wait for a connection or an answer."""


class ClientCore:
    def __init__(
        self,
        options: CoreOptions,
        on_state: Callable[[State], None] = lambda state: None,
    ) -> None:
        self.options = options
        self.on_state = on_state
        self.state = State.SUSPENDED
        self.out: list[bytes] = []
        """Bytes for the link, in order; the runtime takes them."""
        self.watches = WatchTable()
        self.session_id = 0
        self.password = _NO_PASSWORD
        self.timeout_ms = options.timeout_ms
        """As negotiated."""
        self.last_zxid = 0
        self.reason = "not connected yet"
        """Why there is no connection, for error texts."""
        self._has_link = False
        self._greeted = False
        self._knows_writer = False  # a read-only server's session means nothing to the others
        self._frames = FrameReader(options.max_reply)
        self._now = self._heard = self._said = 0
        self._pinged: deque[int] = deque()  # when the pings left that are not answered
        self._vouched = 0  # when a request left that the session's server has answered
        self._xids = count()  # one step even among threads
        self._waiting: deque[Call] = deque()
        self._flying: deque[Call] = deque()
        self._credentials: list[AuthPacket] = []
        self._authorising: deque[Call | None] = deque()
        self._closing = False
        self.has_ended_session = False
        """Has the server confirmed the end of the session? Else it lives until its timeout."""

    def __repr__(self) -> str:
        return f"<ClientCore {self.state.value} session 0x{self.session_id & (1 << 64) - 1:x}>"

    @property
    def unanswered(self) -> int:
        return len(self._waiting) + len(self._flying)

    def take_over(self, session_id: int, password: bytes, last_zxid: int) -> None:
        """Go on with a session that another client began."""
        assert not self._has_link, "the session is chosen before the first connection"
        self.session_id, self.password, self.last_zxid = session_id, password, last_zxid
        self._knows_writer = True

    def expires_in(self, now_ms: int) -> int:
        """Milliseconds until the server may declare the session dead, going by its last word."""
        return self._vouched + self.timeout_ms - now_ms if self.session_id else 0

    # --- what the runtime tells

    def opened(self, now_ms: int) -> None:
        """A link to a server is there: greet it."""
        assert not self._has_link, "one link at a time"
        self._has_link, self._greeted = True, False
        self._frames = FrameReader(self.options.max_reply)
        self._now = self._heard = self._said = now_ms
        self._pinged.clear()
        known = self.session_id if self._knows_writer else 0
        request = ConnectRequest(
            PROTOCOL_VERSION,
            self.last_zxid,
            self.options.timeout_ms,
            known,
            self.password if known else _NO_PASSWORD,
            self.options.read_only,
        )
        self._send(schema.encode(request))

    def received(self, data: bytes, now_ms: int) -> None:
        """Bytes from the server. Raises LinkUseless and ProtocolViolation: drop the link then."""
        self._now = self._heard = now_ms
        for payload in self._cut(data):
            if self._greeted:
                self._message(payload)
            else:
                self._welcomed(payload)
        if self._frames.pending:
            self._cut(b"")

    def _cut(self, data: bytes) -> list[bytes]:
        """The whole frames there are now, but those behind one that is too large."""
        try:
            return self._frames.feed(data)
        except ProtocolViolation as violation:
            if self._flying:  # likely its reply: asked for again it would be as large
                call = self._flying.popleft()
                call.finish(_undecodable(call, f"{violation}; max_reply_bytes"), None, 0)
            raise

    def lost(self, why: str) -> None:
        """The link is gone, or could not be made."""
        self.reason = why
        if self._has_link:
            self._has_link = self._greeted = False
            self.out.clear()
            if self._authorising:
                for call in self._authorising:
                    if call is not None:
                        call.fail(Code.CONNECTIONLOSS, why)
                self._authorising.clear()
            flying, self._flying = self._flying, deque()
            if self.state.is_usable:
                self._become(State.SUSPENDED)
            self._waiting.extendleft(call for call in reversed(flying) if call.may_repeat)
            for call in flying:
                if not call.may_repeat:
                    call.fail(Code.CONNECTIONLOSS, why)
        if self._closing:
            self.end()

    def tick(self, now_ms: int) -> int:
        """Pings; returns in how many milliseconds to tick again. Raises LinkUseless."""
        third = max(1, self.timeout_ms // 3)
        if not self._has_link:
            return third
        silence = now_ms - self._heard
        if silence >= 2 * third:
            raise LinkUseless(f"the server was silent for {silence} ms")
        if self._greeted and now_ms - self._said >= third:
            self.out.append(_PING)
            self._pinged.append(now_ms)
            self._said = now_ms
        next_ping = self._said + third - now_ms if self._greeted else third
        return max(1, min(next_ping, 2 * third - silence))

    # --- what the application asks

    def submit(self, call: Call, now_ms: int) -> None:
        """Send it, or keep it until there is a connection."""
        if self._closing or self.state.is_final:
            self._refuse(call)
        elif self.unanswered >= self.options.max_waiting:
            call.fail(Code.CONNECTIONLOSS, f"{self.unanswered} requests wait already")
        elif self.state.is_usable:
            self._now = self._said = now_ms
            self._fly(call)
        else:
            self._waiting.append(call)

    def _refuse(self, call: Call) -> None:
        if self.state is State.AUTH_FAILED:
            call.fail(Code.AUTHFAILED, self.reason)
        else:
            call.finish(ClientClosedError(operation=call.op.name, path=call.path), None, 0)

    # --- calls that others have sent (`zoo.client.wire`)

    @property
    def is_idle(self) -> bool:
        """Served, and nothing under way, not even a part of a message."""
        asked = self._flying or self._waiting or self._authorising or self._closing
        return self.state.is_usable and not (asked or self.out or self._frames.pending)

    def number(self, call: Call, now_ms: int) -> bytes:
        """A request as it is sent. For any thread that has the link to itself."""
        self._now = self._said = now_ms
        return self._head(call) + call.body

    def settle(self, call: Call, frame: bytes, now_ms: int) -> None:
        """What came is the reply to `call` and nothing else. As `number`."""
        self._now = self._heard = now_ms
        payload = frame[_LENGTH.size :]
        _, zxid, err = _REPLY.unpack_from(payload)
        self._answer(call, zxid, err, payload)

    def adopt(self, call: Call) -> None:
        """It was sent on this link, ahead of all that is in `out`, and has no answer yet."""
        self._flying.appendleft(call)

    def strand(self, call: Call, now_ms: int) -> None:
        """The link on which it was sent is gone."""
        if call.may_repeat:
            self.submit(call, now_ms)
        else:
            call.fail(Code.CONNECTIONLOSS, self.reason)

    def asked_for(self, path: bytes) -> set[Kind]:
        """The kinds of watches on a path that are being asked for."""
        watches = [call.watch for call in (*self._flying, *self._waiting)]
        return {w[0] for w in watches if w and not isinstance(w, Removal) and w[1] == path}

    def forget(self, call: Call) -> bool:
        """Nobody waits for this call any more. True when it was never sent: then it never will."""
        if not isinstance(call.watch, Removal):
            call.watch = None
        if call.is_sent and call not in self._waiting:
            return False
        try:
            self._waiting.remove(call)
        except ValueError:
            return False
        return not call.is_sent

    def add_auth(self, scheme: str, auth: bytes, call: Call | None = None) -> None:
        """Credentials for this connection and all later ones; `call` hears of the first answer."""
        if self.state.is_final:
            if call is not None:
                self._refuse(call)
            return
        packet = AuthPacket(0, scheme, auth)
        self._credentials.append(packet)
        if self._greeted:
            self._authorise(packet, call)
        elif call is not None:
            call.finish(None, Reader(b""), 0)

    def close(self) -> None:
        """Say goodbye to the server; CLOSED comes with its answer, or with the end of the link."""
        if self.state.is_final or self._closing:
            return
        self._closing = True
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            call.fail(Code.CONNECTIONLOSS, "the client was closed")
        if self._greeted:
            self._fly(Call(Op.closeSession, b"", None, self._said_goodbye))
        else:
            self.end()

    def _said_goodbye(self, error: ClientError | None, *_: object) -> None:
        self.has_ended_session = error is None
        self.end()

    def end(self, state: State = State.CLOSED, why: str = "the client was closed") -> None:
        """Over, whatever the server thinks."""
        if self.state.is_final:
            return
        self.reason = why
        self._become(state)
        code = Code.AUTHFAILED if state is State.AUTH_FAILED else Code.CONNECTIONLOSS
        for call in self._take_all():
            call.fail(code, why)
        self.watches.expire(KeeperState.CLOSED, why)

    # --- inside

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
        self.on_state(state)

    def _take_all(self) -> list[Call]:
        calls = [*self._flying, *self._waiting]
        self._flying.clear()
        self._waiting.clear()
        return calls

    def _send(self, payload: bytes) -> None:
        self.out += (_LENGTH.pack(len(payload)), payload)

    def _fly(self, call: Call) -> None:
        self._flying.append(call)
        self.out += (self._head(call), call.body)

    def _head(self, call: Call) -> bytes:
        call.xid = next(self._xids) % _MAX_XID + 1
        call.is_sent = True
        call.sent_at = self._now
        return _REQUEST.pack(len(call.body) + 8, call.xid, call.op)

    def _authorise(self, packet: AuthPacket, call: Call | None) -> None:
        self._authorising.append(call)
        body = schema.encode(packet)
        self.out += (_REQUEST.pack(len(body) + 8, AUTH_XID, Op.auth), body)

    def _welcomed(self, payload: bytes) -> None:
        response = schema.decode(ConnectResponse, payload)
        if response.session_id == 0 or response.timeout <= 0:
            self._expired()
            raise LinkUseless("the server says that the session has expired")
        read_only = bool(response.read_only)
        same = response.session_id == self.session_id
        if not same and len(self.watches):
            self.watches.expire(KeeperState.EXPIRED, "another session was begun")
        self._greeted = True
        self._vouched = self._said  # when the greeting left
        self._knows_writer |= not read_only
        self.session_id = response.session_id
        self.password = response.passwd or _NO_PASSWORD
        self.timeout_ms = response.timeout
        for packet in self._credentials:
            self._authorise(packet, None)
        self._arm_watches()
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            self._fly(call)
        self._become(State.READ_ONLY if read_only else State.CONNECTED)

    def _expired(self) -> None:
        self._knows_writer = False
        self.session_id, self.password, self.last_zxid = 0, _NO_PASSWORD, 0
        self.reason = "the session has expired"
        if self.state is State.SUSPENDED:
            self._become(State.LOST)
        for call in self._take_all():
            call.fail(Code.SESSIONEXPIRED, outcome=call.outcome)
        self.watches.expire(KeeperState.EXPIRED, "the session has expired")

    def _arm_watches(self) -> None:
        for request in self.watches.rearm(self.last_zxid):
            op = Op.setWatches if isinstance(request, SetWatchesRecord) else Op.setWatches2
            body = schema.encode(request)
            self.out += (_REQUEST.pack(len(body) + 8, SET_WATCHES_XID, op), body)
        self.watches.tell_gap("the connection was broken")

    def _message(self, payload: bytes) -> None:
        if len(payload) < _REPLY.size:
            raise ProtocolViolation(f"a reply of {len(payload)} bytes, {_REPLY.size} at least")
        xid, zxid, err = _REPLY.unpack_from(payload)
        if xid < 0:
            if zxid > self.last_zxid:
                self.last_zxid = zxid
            self._out_of_band(xid, zxid, err, payload)
            return
        if not self._flying or self._flying[0].xid != xid:
            expected = self._flying[0].xid if self._flying else "none"
            raise ProtocolViolation(f"a reply to xid {xid}, expected: {expected}")
        self._answer(self._flying.popleft(), zxid, err, payload)

    def _answer(self, call: Call, zxid: int, err: int, payload: bytes) -> None:
        if zxid > self.last_zxid:
            self.last_zxid = zxid
        if call.sent_at > self._vouched:
            self._vouched = call.sent_at
        if call.watch is not None:
            self._register(call, err)
        if err:
            code = code_of(err)
            detail = "" if code == err else f"error {err}"
            call.finish(error_for(code, call.op.name, call.path, detail), None, zxid)
            return
        try:
            call.finish(None, Reader(payload, _REPLY.size), zxid)
        except ProtocolViolation as violation:
            call.finish(_undecodable(call, str(violation)), None, zxid)
            raise

    def _register(self, call: Call, err: int) -> None:
        assert call.watch is not None
        if isinstance(call.watch, Removal):
            for kind in call.watch.kinds if err == 0 else ():
                self.watches.end(kind, call.watch.path, "the watch was removed")
            return
        kind, path, watcher = call.watch
        if err == 0:
            self.watches.add(Kind.DATA if kind is Kind.EXIST else kind, path, watcher)
        elif err == Code.NONODE and kind is Kind.EXIST:
            self.watches.add(kind, path, watcher)

    def _out_of_band(self, xid: int, zxid: int, err: int, payload: bytes) -> None:
        if xid == NOTIFICATION_XID:
            event = schema.decode(WatcherEvent, Reader(payload, _REPLY.size))
            kind = _EVENTS.get(event.type)
            if kind is None:
                raise ProtocolViolation(f"an event of type {event.type}")
            if kind is not EventType.NONE:
                self.watches.dispatch(kind, event.path, max(zxid, 0))
        elif xid == AUTH_XID:
            self._authorised(err)
        elif xid == SET_WATCHES_XID:
            if err == Code.UNIMPLEMENTED:
                self.watches.drop_persistent("the server is too old for persistent watches")
            elif err:
                raise LinkUseless(f"the server did not take the watches: {code_of(err).name}")
        elif xid == PING_XID and self._pinged:
            self._vouched = max(self._vouched, self._pinged.popleft())
        elif xid != PING_XID:
            raise ProtocolViolation(f"a message with xid {xid}")

    def _authorised(self, err: int) -> None:
        call = self._authorising.popleft() if self._authorising else None
        if err:
            self.end(State.AUTH_FAILED, "the credentials were refused")
            if call is not None:
                call.fail(Code.AUTHFAILED, outcome=Outcome.REFUSED)
            raise LinkUseless("the credentials were refused")
        if call is not None:
            call.finish(None, Reader(b""), 0)


def _undecodable(call: Call, detail: str) -> ClientError:
    return error_for(Code.MARSHALLINGERROR, call.op.name, call.path, detail, Outcome.UNKNOWN)
