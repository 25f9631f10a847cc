"""The model of a client speaks real bytes and remembers what it must."""

from __future__ import annotations

from random import Random
from struct import Struct
from typing import Any

import pytest

from zoo.jute import client_records as c
from zoo.jute.codec import Reader
from zoo.jute.multi import decode_request
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.sim.client import Request, SimClient, State
from zoo.sim.network import Link
from zoo.sim.schedule import Schedule

LENGTH = Struct(">i")
REPLY = Struct(">iqi")


class Log:
    """Everything that the client tells."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, arguments[1:]))

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


class Peer:
    """The server's end: frames received, frames to send."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = 0

    def received(self, data: bytes) -> None:
        self.data += data

    def broken(self) -> None:
        self.ended += 1

    def frames(self) -> list[bytes]:
        found = []
        while self.data:
            stop = 4 + LENGTH.unpack_from(self.data)[0]
            found.append(self.data[4:stop])
            self.data = self.data[stop:]
        return found


class Stage:
    def __init__(self) -> None:
        self.schedule = Schedule()
        self.log = Log()
        self.peer = Peer()
        self.links: list[Link] = []
        self.client = SimClient(
            "c", self.schedule, Random(1), self.log, self._dial, 3_000, lambda line: None
        )

    def _dial(self, client: SimClient) -> Link:
        self.links.append(Link(self.schedule, Random(2), client, self.peer))
        return self.links[-1]

    def run(self, ms: int = 10) -> None:
        self.schedule.run_until(self.schedule.now + ms * 1000)

    def send(self, body: bytes) -> None:
        self.links[-1].to_client.send(LENGTH.pack(len(body)) + body)
        self.run()

    def connected(self, session_id: int = 0x51) -> None:
        self.client.connect()
        self.run()
        self.send(encode(c.ConnectResponse(0, 3_000, session_id, b"p" * 16, False)))


def test_it_opens_a_session_and_takes_it_up_again() -> None:
    stage = Stage()
    stage.connected()
    first = decode(c.ConnectRequest, stage.peer.frames()[0])
    assert (first.session_id, first.timeout, first.last_zxid_seen) == (0, 3_000, 0)
    assert stage.client.state is State.CONNECTED
    stage.send(REPLY.pack(-2, 77, 0))
    stage.client.hang_up()
    stage.run(500)
    again = decode(c.ConnectRequest, stage.peer.frames()[-1])
    assert (again.session_id, again.passwd, again.last_zxid_seen) == (0x51, b"p" * 16, 77)
    assert len(stage.log.named("disconnected")) == 1


def test_a_refused_session_is_forgotten() -> None:
    stage = Stage()
    stage.connected()
    stage.client.hang_up()
    stage.run(500)
    stage.peer.frames()
    stage.send(encode(c.ConnectResponse(0, 0, 0, bytes(16), False)))
    assert len(stage.log.named("refused")) == 1
    stage.run(500)
    assert decode(c.ConnectRequest, stage.peer.frames()[-1]).session_id == 0


def test_requests_replies_and_events() -> None:
    stage = Stage()
    stage.connected()
    stage.peer.frames()
    stage.client.submit(Op.getData, c.GetDataRequest(b"/a", True))
    stage.client.submit(Op.multi, [(Op.delete, c.DeleteRequest(b"/a", -1))])
    stage.run()
    first, second = (f for f in stage.peer.frames() if f[:4] != b"\xff\xff\xff\xfe")
    assert first == b"\0\0\0\1\0\0\0\4" + encode(c.GetDataRequest(b"/a", True))
    assert decode_request(Reader(second[8:]))[0][0] == Op.delete
    stage.send(REPLY.pack(1, 5, -101))
    stage.send(REPLY.pack(-1, 6, 0) + encode(c.WatcherEvent(2, 3, b"/a")))
    assert stage.log.named("replied") == [
        (Request(1, Op.getData, c.GetDataRequest(b"/a", True)), 5, -101, b"")
    ]
    assert stage.log.named("notified") == [(6, c.WatcherEvent(2, 3, b"/a"))]
    assert stage.client.last_zxid == 6
    assert [request.xid for request in stage.client.pending] == [2]


@pytest.mark.parametrize("xid", [2, 1])
def test_replies_must_come_in_order(xid: int) -> None:
    stage = Stage()
    stage.connected()
    if xid == 2:
        stage.client.submit(Op.sync, c.SyncRequest(b"/"))
        stage.client.submit(Op.sync, c.SyncRequest(b"/"))
    with pytest.raises(AssertionError, match="a reply to"):
        stage.send(REPLY.pack(xid, 5, 0))


def test_it_pings_and_falls_silent() -> None:
    stage = Stage()
    stage.connected()
    stage.run(3_000)
    pings = [f for f in stage.peer.frames() if f == b"\xff\xff\xff\xfe\0\0\0\x0b"]
    assert len(pings) >= 3
    stage.client.fall_silent()
    stage.client.submit(Op.sync, c.SyncRequest(b"/"))
    stage.run(5_000)
    assert stage.peer.frames() == []


def test_it_gives_up_a_server_that_does_not_answer() -> None:
    stage = Stage()
    stage.client.connect()
    stage.run(4_000)
    assert len(stage.links) == 2
    assert stage.links[0].is_broken


def test_a_request_without_a_body() -> None:
    assert Request(7, Op.closeSession, None).encode() == b"\0\0\0\7\xff\xff\xff\xf5"
