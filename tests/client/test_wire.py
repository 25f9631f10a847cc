"""One connection, used by its loop and by threads."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from struct import pack
from typing import Any

import pytest

from zoo.client import wire as wire_module
from zoo.client.calls import Call
from zoo.client.portal import portal
from zoo.client.wire import IS_POSSIBLE, Wire, connect
from zoo.jute.operations import Op

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="needs epoll and eventfd")
SECONDS = 10.0


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.received = b""
        self.adopted: list[Call] = []
        self.lost: list[Exception | None] = []
        self.changed = threading.Condition()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Wire)
        self.wire = transport

    def _keep(self, where: list[Any], what: Any) -> None:
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    def data_received(self, data: bytes) -> None:
        with self.changed:
            self.received += data
            self.changed.notify_all()

    def connection_lost(self, error: Exception | None) -> None:
        self._keep(self.lost, error)

    def adopt(self, call: Call) -> None:
        self._keep(self.adopted, call)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, SECONDS)


def on_loop(what: Callable[[], Any]) -> Any:
    async def there() -> Any:
        return what()

    return portal().run(there())


@contextmanager
def a_wire() -> Iterator[tuple[Owner, socket.socket]]:
    """Its owner, and the server's end."""
    owner = Owner()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = listener.getsockname()
        dialing: Coroutine[Any, Any, None] = connect(
            portal().loop, owner, socket.AF_INET, (there[0], there[1])
        )
        portal().run(dialing)
        server, _ = listener.accept()
        server.settimeout(SECONDS)
        with server:
            on_loop(owner.wire.lend)
            yield owner, server
            on_loop(owner.wire.abort)


def a_call(xid: int = 7) -> Call:
    call = Call(Op.getData, b"body", "/", lambda *_: None)
    call.xid = xid
    return call


def reply(xid: int, text: bytes = b"") -> bytes:
    payload = pack(">iqi", xid, 1, 0) + text
    return pack(">i", len(payload)) + payload


class Caller(threading.Thread):
    """A thread that has sent, and receives."""

    def __init__(self, wire: Wire, call: Call, seconds: float = SECONDS) -> None:
        super().__init__(daemon=True)
        self.settled: list[bytes] = []
        self._work = lambda: wire.receive(call, seconds, self.settled.append)
        assert wire.send(call, lambda: b"question")
        self.start()

    def run(self) -> None:
        self._work()

    def ended(self) -> list[bytes]:
        self.join(SECONDS)
        assert not self.is_alive()
        return self.settled


def poll_waiting(wire: Wire) -> None:
    for _ in range(5000):
        if wire._is_waiting:
            return
        threading.Event().wait(0.001)
    raise AssertionError("the thread does not wait")


def test_a_thread_asks_and_is_answered_without_the_loop() -> None:
    with a_wire() as (owner, server):
        for xid in (1, 2):
            caller = Caller(owner.wire, a_call(xid))
            assert server.recv(100) == b"question"
            server.sendall(reply(xid, b"answer"))
            assert caller.ended() == [reply(xid, b"answer")]
        assert (owner.received, owner.adopted) == (b"", [])
        server.sendall(b"an event")
        owner.wait_until(lambda: owner.received == b"an event")


@pytest.mark.parametrize(
    "message",
    [reply(-1) + reply(7), reply(7)[:9], reply(7) + reply(-1), reply(8)],
    ids=["event first", "a part", "event behind", "another's"],
)
def test_what_is_not_the_reply_alone_is_for_the_loop(message: bytes) -> None:
    with a_wire() as (owner, server):
        call = a_call()
        caller = Caller(owner.wire, call)
        server.sendall(message)
        assert caller.ended() == []
        owner.wait_until(lambda: owner.received == message)
        assert owner.adopted == [call]
        server.sendall(b"more")
        owner.wait_until(lambda: owner.received == message + b"more")


def test_the_loop_takes_it_back_while_a_thread_waits() -> None:
    with a_wire() as (owner, server):
        call = a_call()
        caller = Caller(owner.wire, call)
        poll_waiting(owner.wire)
        assert not owner.wire.send(a_call(8), lambda: b"second")
        on_loop(lambda: owner.wire.write(b"from the loop"))
        assert caller.ended() == []
        assert owner.adopted == [call]
        assert server.recv(8) + server.recv(100) == b"questionfrom the loop"
        assert not owner.wire.send(a_call(9), lambda: b"not lent")
        server.sendall(reply(7))
        owner.wait_until(lambda: owner.received == reply(7))
        on_loop(owner.wire.lend)
        again = Caller(owner.wire, a_call(10))
        server.sendall(reply(10))
        assert again.ended() == [reply(10)]


def test_a_late_reply_is_the_loops() -> None:
    with a_wire() as (owner, server):
        call = a_call()
        assert Caller(owner.wire, call, seconds=0.01).ended() == []
        on_loop(owner.wire.take)
        assert owner.adopted == [call]
        server.sendall(reply(7))
        owner.wait_until(lambda: owner.received == reply(7))


def test_the_end_while_a_thread_waits() -> None:
    with a_wire() as (owner, server):
        call = a_call()
        caller = Caller(owner.wire, call)
        server.close()
        assert caller.ended() == []
        owner.wait_until(lambda: bool(owner.lost))
        assert owner.adopted == [call]
    with a_wire() as (owner, _):
        caller = Caller(owner.wire, a_call())
        poll_waiting(owner.wire)
        on_loop(owner.wire.abort)
        assert caller.ended() == []
        assert len(owner.adopted) == 1
        assert owner.wire.is_closing()
        assert not owner.wire.send(a_call(), lambda: b"")


def test_what_the_socket_does_not_take_at_once_follows() -> None:
    with a_wire() as (owner, server):
        big = bytes(1 << 24)
        call = a_call()
        assert owner.wire.send(call, lambda: big)
        owner.wire.receive(call, SECONDS, lambda _: None)
        owner.wait_until(lambda: owner.adopted == [call])
        on_loop(lambda: owner.wire.write(b"behind"))
        left = len(big) + 6
        while left:
            left -= len(piece := server.recv(1 << 20))
        assert piece.endswith(b"behind")


def test_an_interrupted_thread_costs_the_connection() -> None:
    def interrupted() -> bytes:
        raise KeyboardInterrupt

    with a_wire() as (owner, server):
        with pytest.raises(KeyboardInterrupt):
            owner.wire.send(a_call(), interrupted)
        assert not owner.wire.send(a_call(), lambda: b"")
        on_loop(lambda: owner.wire.write(b"next"))
        assert "interrupted" in str(owner.lost)
        assert server.recv(100) == b""


def test_a_thread_that_is_stopped_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_PATIENCE", 0.05)
    go_on = threading.Event()

    def stopped() -> bytes:
        assert go_on.wait(SECONDS)
        return b"too late"

    sent: list[bool] = []
    with a_wire() as (owner, server):
        wire = owner.wire
        thread = threading.Thread(target=lambda: sent.append(wire.send(a_call(), stopped)))
        thread.start()
        on_loop(lambda: wire.write(b"next"))
        assert "does not go on" in str(owner.lost)
        go_on.set()
        thread.join(SECONDS)
        assert sent == [False]
        assert server.recv(100) == b""
        assert wire._sock.fileno() == -1, "the thread has closed it"


def test_nobody_to_connect_to() -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        portal().run(connect(portal().loop, Owner(), socket.AF_INET, ("127.0.0.1", 1)))
