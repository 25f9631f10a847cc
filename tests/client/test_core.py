"""The core against a server that is a list of bytes."""

from __future__ import annotations

from struct import Struct

import pytest

from tests.client.test_watches import Recorder
from zoo.client.calls import Call
from zoo.client.core import ClientCore, CoreOptions, LinkUseless
from zoo.client.errors import (
    AuthFailedError,
    ClientClosedError,
    ClientError,
    ConnectionLossError,
    NoNodeError,
    Outcome,
    SessionExpiredError,
)
from zoo.client.states import State
from zoo.client.watches import Kind, Removal
from zoo.errors import Code, ProtocolViolation
from zoo.jute import schema
from zoo.jute.client_records import ConnectRequest, ConnectResponse, SetWatches, WatcherEvent
from zoo.jute.codec import Reader
from zoo.jute.constants import EventType
from zoo.jute.framing import FrameReader, frame
from zoo.jute.operations import Op

HEADER = Struct(">ii")
REPLY = Struct(">iqi")
PASSWORD = b"p" * 16


class Rig:
    """A core, what it sent, and how its calls ended."""

    def __init__(self, **options: object) -> None:
        self.states: list[State] = []
        self.core = ClientCore(CoreOptions(**options), self.states.append)  # type: ignore[arg-type]
        self.ends: dict[str, object] = {}

    def call(self, name: str, op: Op = Op.getData, now: int = 0, **more: object) -> Call:
        def finish(error: ClientError | None, body: Reader | None, zxid: int) -> None:
            assert name not in self.ends, "finished twice"
            self.ends[name] = error if error is not None else body.rest() if body else None

        call = Call(op, name.encode(), f"/{name}", finish, **more)  # type: ignore[arg-type]
        self.core.submit(call, now)
        return call

    def sent(self) -> list[bytes]:
        data = b"".join(self.core.out)
        self.core.out.clear()
        return FrameReader().feed(data)

    def requests(self) -> list[tuple[int, int, bytes]]:
        return [(*HEADER.unpack_from(p), p[8:]) for p in self.sent()]

    def connect(
        self, now: int = 0, session: int = 7, timeout: int = 9000, ro: bool = False
    ) -> None:
        self.core.opened(now)
        self.sent()
        response = ConnectResponse(0, timeout, session, PASSWORD, ro)
        self.core.received(frame(schema.encode(response)), now)

    def reply(self, xid: int, zxid: int = 1, err: int = 0, body: bytes = b"", now: int = 0) -> None:
        self.core.received(frame(REPLY.pack(xid, zxid, err) + body), now)


def test_the_greeting_and_what_waited_for_it() -> None:
    rig = Rig(timeout_ms=9000)
    rig.call("early")
    rig.core.opened(0)
    (hello,) = rig.sent()
    assert schema.decode(ConnectRequest, hello) == ConnectRequest(0, 0, 9000, 0, bytes(16), False)
    rig.core.received(frame(schema.encode(ConnectResponse(0, 6000, 7, PASSWORD, False))), 5)
    assert rig.states == [State.CONNECTED]
    assert (rig.core.session_id, rig.core.timeout_ms) == (7, 6000)
    assert rig.requests() == [(1, Op.getData, b"early")]


def test_bytes_may_come_one_at_a_time() -> None:
    rig = Rig()
    rig.core.opened(0)
    for byte in frame(schema.encode(ConnectResponse(0, 6000, 7, PASSWORD, False))):
        rig.core.received(bytes([byte]), 0)
    assert rig.core.state is State.CONNECTED


def test_replies_are_matched_in_order() -> None:
    rig = Rig()
    rig.connect()
    rig.call("a")
    rig.call("b")
    rig.reply(1, zxid=5, body=b"A")
    rig.reply(2, zxid=4, err=-101)
    assert rig.ends["a"] == b"A"
    assert isinstance(rig.ends["b"], NoNodeError)
    assert rig.core.last_zxid == 5
    rig.call("c")
    with pytest.raises(ProtocolViolation, match="reply to xid 9, expected: 3"):
        rig.reply(9)


def test_pings_a_third_and_silence_two_thirds() -> None:
    rig = Rig()
    rig.connect(now=0, timeout=9000)
    assert rig.core.tick(0) == 3000
    assert rig.core.tick(3000) == 3000
    assert rig.requests() == [(-2, Op.ping, b"")]
    rig.reply(-2, now=3500)
    rig.call("a", now=5000)
    assert rig.core.tick(6000) == 2000, "a request is as good as a ping"
    rig.sent()
    assert rig.core.tick(8000) == 1500
    with pytest.raises(LinkUseless, match="silent for 6000 ms"):
        rig.core.tick(9500)


def test_a_broken_link_fails_writes_and_keeps_reads_in_order() -> None:
    rig = Rig()
    rig.connect()
    rig.call("r1")
    rig.call("w", Op.setData)
    rig.call("r2")
    rig.core.lost("reset")
    rig.call("later", Op.setData)
    assert rig.states == [State.CONNECTED, State.SUSPENDED]
    assert rig.ends.keys() == {"w"}
    error = rig.ends["w"]
    assert isinstance(error, ConnectionLossError)
    assert (error.outcome, error.detail) == (Outcome.UNKNOWN, "reset")
    rig.connect()
    assert [body for _, _, body in rig.requests()] == [b"r1", b"r2", b"later"]


def test_the_session_is_taken_up_again_with_the_last_zxid() -> None:
    rig = Rig()
    rig.connect(session=7)
    rig.call("a")
    rig.reply(1, zxid=42)
    rig.core.lost("reset")
    rig.core.opened(10)
    hello = schema.decode(ConnectRequest, rig.sent()[0])
    assert (hello.session_id, hello.passwd, hello.last_zxid_seen) == (7, PASSWORD, 42)


def test_an_expired_session_fails_what_was_meant_for_it() -> None:
    rig = Rig()
    rig.connect()
    watcher = Recorder()
    rig.core.watches.add(Kind.DATA, b"/a", watcher)
    rig.call("flying")
    rig.core.lost("reset")
    rig.call("waiting", Op.setData)
    rig.core.opened(0)
    with pytest.raises(LinkUseless, match="expired"):
        rig.core.received(frame(schema.encode(ConnectResponse(0, 0, 0, bytes(16), False))), 0)
    rig.core.lost("expired")
    assert rig.states == [State.CONNECTED, State.SUSPENDED, State.LOST]
    assert all(isinstance(rig.ends[n], SessionExpiredError) for n in ("flying", "waiting"))
    assert watcher.log == [("ended", b"/a")]
    rig.call("for the new one")
    rig.connect(session=8)
    assert rig.states[-1] is State.CONNECTED
    assert [body for _, _, body in rig.requests()] == [b"for the new one"]


def test_watches_are_registered_by_what_the_reply_says() -> None:
    rig = Rig()
    rig.connect()
    there, absent, failed = Recorder(), Recorder(), Recorder()
    rig.call("there", Op.exists, watch=(Kind.EXIST, b"/there", there))
    rig.call("absent", Op.exists, watch=(Kind.EXIST, b"/absent", absent))
    rig.call("failed", Op.getData, watch=(Kind.DATA, b"/failed", failed))
    for xid, err in ((1, 0), (2, -101), (3, -101)):
        rig.reply(xid, err=err)
    for path in (b"/there", b"/absent", b"/failed"):
        event = WatcherEvent(EventType.NODE_CREATED, 3, path)
        rig.reply(-1, zxid=-1, body=schema.encode(event))
    assert there.log
    assert absent.log
    assert failed.log == []


def test_watches_are_armed_anew_before_what_waits() -> None:
    rig = Rig()
    rig.connect()
    rig.core.watches.add(Kind.CHILD, b"/a", Recorder())
    stream = Recorder()
    rig.core.last_zxid = 99
    rig.core.lost("reset")
    rig.call("later")
    rig.connect()
    (xid, op, body), later = rig.requests()
    assert (xid, op) == (-8, Op.setWatches)
    assert schema.decode(SetWatches, body) == SetWatches(99, [], [], [b"/a"])
    assert later[1] == Op.getData
    rig.core.watches.add(Kind.PERSISTENT, b"/p", stream)
    rig.core.lost("reset")
    rig.connect()
    assert [op for _, op, _ in rig.requests()] == [Op.setWatches2, Op.getData]
    rig.reply(-8, err=Code.UNIMPLEMENTED)
    assert stream.log == [("missed", b"/p"), ("ended", b"/p")]


def test_credentials_go_first_on_every_connection() -> None:
    rig = Rig()
    rig.core.add_auth("digest", b"a:b")
    rig.call("x")
    rig.connect()
    assert [op for _, op, _ in rig.requests()] == [Op.auth, Op.getData]
    with pytest.raises(LinkUseless):
        rig.reply(-4, err=Code.AUTHFAILED)
    assert rig.core.state is State.AUTH_FAILED
    assert isinstance(rig.ends["x"], AuthFailedError)
    rig.call("y")
    assert isinstance(rig.ends["y"], AuthFailedError)


def test_a_read_only_session_is_not_taken_elsewhere() -> None:
    rig = Rig(read_only=True)
    rig.connect(session=5, ro=True)
    assert rig.core.state is State.READ_ONLY
    rig.core.lost("reset")
    rig.core.opened(0)
    hello = schema.decode(ConnectRequest, rig.sent()[0])
    assert (hello.session_id, hello.read_only) == (0, True)


def test_closing() -> None:
    rig = Rig()
    rig.connect()
    rig.call("before")
    rig.core.close()
    rig.call("after")
    assert isinstance(rig.ends["after"], ClientClosedError)
    assert [op for _, op, _ in rig.requests()] == [Op.getData, Op.closeSession]
    rig.reply(1)
    rig.reply(2)
    assert rig.states[-1] is State.CLOSED
    assert rig.core.has_ended_session
    assert rig.ends["before"] == b""


def test_forgotten_calls_are_not_sent() -> None:
    rig = Rig()
    call = rig.call("a")
    assert rig.core.forget(call)
    rig.connect()
    assert rig.requests() == []
    flying = rig.call("b")
    assert not rig.core.forget(flying)
    rig.reply(1)
    assert rig.ends == {"b": b""}


def test_what_waits_is_limited() -> None:
    rig = Rig(max_waiting=1)
    rig.call("a")
    rig.call("b")
    assert isinstance(rig.ends["b"], ConnectionLossError)


@pytest.mark.parametrize(
    "payload",
    [b"", b"123", REPLY.pack(-7, 0, 0), REPLY.pack(-1, 0, 0) + b"\0\0\0\x63\0\0\0\3\0\0\0\0"],
)
def test_nonsense_is_a_protocol_violation(payload: bytes) -> None:
    rig = Rig()
    rig.connect()
    with pytest.raises(ProtocolViolation):
        rig.core.received(frame(payload), 0)


def test_a_call_that_somebody_else_sends() -> None:
    rig = Rig()
    rig.connect()
    alone = Call(Op.getData, b"alone", "/a", lambda error, body, zxid: ends.append((error, zxid)))
    ends: list[object] = []
    assert rig.core.is_idle
    assert rig.core.number(alone, 5) == frame(HEADER.pack(1, Op.getData) + b"alone")
    rig.core.settle(alone, frame(REPLY.pack(1, 9, 0)), 6)
    assert (ends, rig.core.last_zxid) == ([(None, 9)], 9)
    assert rig.core.expires_in(6) == 8999  # counted from when it was sent
    rig.core.number(alone, 7)
    rig.call("behind")
    rig.core.adopt(alone)
    assert not rig.core.is_idle
    rig.reply(2, zxid=10)
    rig.reply(3, zxid=11, body=b"B")
    assert ends[1:] == [(None, 10)]
    assert rig.ends["behind"] == b"B"


def test_idle_is_when_nothing_is_under_way_in_either_direction() -> None:
    rig = Rig()
    assert not rig.core.is_idle
    rig.connect()
    assert rig.core.is_idle
    event = frame(REPLY.pack(-1, -1, 0) + schema.encode(WatcherEvent(1, 3, b"/a")))
    rig.core.received(event[:7], 0)
    assert not rig.core.is_idle
    rig.core.received(event[7:], 0)
    assert rig.core.is_idle


def test_a_call_whose_link_went_while_nobody_looked() -> None:
    rig = Rig()
    rig.connect()
    ends: list[object] = []
    write = Call(Op.setData, b"w", "/w", lambda error, *_: ends.append(error))
    read = Call(Op.getData, b"r", "/r", lambda error, *_: ends.append(error))
    for call in (write, read):
        rig.core.number(call, 1)
        rig.core.strand(call, 2)
    (error,) = ends
    assert isinstance(error, ConnectionLossError)
    assert error.outcome is Outcome.UNKNOWN
    assert [body for _, _, body in rig.requests()] == [b"r"]


def test_a_forgotten_call_watches_nothing_but_a_removal_counts() -> None:
    rig = Rig()
    rig.connect()
    watcher, other = Recorder(), Recorder()
    rig.core.watches.add(Kind.CHILD, b"/a", other)
    rig.core.forget(rig.call("a", Op.addWatch, watch=(Kind.PERSISTENT, b"/a", watcher)))
    assert rig.core.asked_for(b"/a") == set()
    removal = Removal((Kind.CHILD, Kind.DATA), b"/a")
    rig.core.forget(rig.call("b", Op.removeWatches, watch=removal))
    rig.reply(1)
    assert len(rig.core.watches) == 1
    rig.reply(2, err=Code.NOWATCHER)
    assert len(rig.core.watches) == 1
    rig.call("c", Op.removeWatches, watch=removal)
    rig.reply(3)
    assert other.log == [("ended", b"/a")]


def test_which_watches_are_being_asked_for() -> None:
    rig = Rig()
    rig.connect()
    rig.call("flies", Op.addWatch, watch=(Kind.PERSISTENT, b"/a", Recorder()))
    rig.call("other path", Op.getData, watch=(Kind.DATA, b"/b", Recorder()))
    rig.call("none", Op.getData)
    rig.call("removal", Op.removeWatches, watch=Removal((Kind.CHILD,), b"/a"))
    assert rig.core.asked_for(b"/a") == {Kind.PERSISTENT}
    rig.reply(1)
    assert rig.core.asked_for(b"/a") == set()


def test_a_reply_that_is_too_large_fails_its_call_and_no_other() -> None:
    rig = Rig(max_reply=100)
    rig.connect()
    for name in ("small", "large", "behind"):
        rig.call(name)
    replies = frame(REPLY.pack(1, 1, 0)) + frame(REPLY.pack(2, 1, 0) + bytes(101))
    with pytest.raises(ProtocolViolation):
        rig.core.received(replies, 0)
    assert rig.ends["small"] == b""
    assert "max_reply_bytes" in str(rig.ends["large"])
    assert isinstance(rig.ends["large"], ClientError)
    rig.core.lost("it was too large")
    rig.connect()
    assert [body for _, _, body in rig.requests()] == [b"behind"]


def test_credentials_of_a_client_that_is_of_no_use_are_refused() -> None:
    rig = Rig()
    rig.core.end(State.AUTH_FAILED, "refused")
    rig.core.add_auth("digest", b"a:b")
    ended: list[ClientError | None] = []
    call = Call(Op.auth, b"", None, lambda error, body, zxid: ended.append(error))
    rig.core.add_auth("digest", b"a:b", call)
    assert isinstance(ended[0], AuthFailedError)
