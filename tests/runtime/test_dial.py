from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.runtime.hubs import LoneHub, listening, wait_until
from zoo.runtime.dial import Dial
from zoo.testing.ports import free_ports


@pytest.fixture
def hub() -> Iterator[LoneHub]:
    made = LoneHub()
    yield made
    made.close()


Result = tuple[socket.socket | None, str]


def dialled(hub: LoneHub, targets: list[tuple[str, int]], seconds: float = 5) -> Result:
    results: list[Result] = []
    Dial(hub, targets, seconds, lambda *result: results.append(result))
    assert not results, "told before the caller holds the Dial"
    wait_until(lambda: results, hub)
    assert hub.next_due() is None
    return results[0]


def test_reaches_a_member(hub: LoneHub) -> None:
    with listening() as server:
        sock, problem = dialled(hub, [server.getsockname()])
        assert sock is not None
        assert not problem
        with sock, server.accept()[0] as other:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not sock.getblocking()
            sock.send(b"x")
            assert other.recv(1) == b"x"


def test_the_first_address_that_answers_wins(hub: LoneHub) -> None:
    (dead,) = free_ports(1)
    with listening() as server:
        targets = [("127.0.0.1", dead), server.getsockname(), server.getsockname()]
        sock, _ = dialled(hub, targets)
        assert sock is not None
        with sock:
            assert sock.getpeername() == server.getsockname()


def test_a_silent_address_does_not_hold_the_others_up(hub: LoneHub) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, listening() as server:
        fillers = [socket.create_connection(full.getsockname(), 5)]
        while True:
            filler = socket.socket()
            filler.setblocking(False)
            fillers.append(filler)
            filler.connect_ex(full.getsockname())
            if len(fillers) > 3:
                break
        started = time.monotonic()
        sock, _ = dialled(hub, [full.getsockname(), server.getsockname()])
        assert sock is not None
        assert time.monotonic() - started < 2
        sock.close()
        sock, problem = dialled(hub, [full.getsockname()], 0.1)
        assert sock is None
        assert "no answer in 0.1 s" in problem
        for filler in fillers:
            filler.close()


def test_says_what_was_tried(hub: LoneHub) -> None:
    one, two = free_ports(2)
    sock, problem = dialled(hub, [("127.0.0.1", one), ("127.0.0.1", two)])
    assert sock is None
    assert f"127.0.0.1:{one}: Connection refused" in problem
    assert f"127.0.0.1:{two}: Connection refused" in problem


def test_a_name_is_looked_up_at_every_dial(hub: LoneHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as first, listening() as second:
        meanings = [first.getsockname(), second.getsockname()]
        real = socket.getaddrinfo

        def look_up(host: str, port: int, **options: int) -> object:
            if options["flags"]:
                raise socket.gaierror(socket.EAI_NONAME, "not a number")
            where = meanings.pop(0)
            return real(where[0], where[1], type=options["type"])

        monkeypatch.setattr("zoo.runtime.hub.socket.getaddrinfo", look_up)
        for server in (first, second):
            sock, _ = dialled(hub, [("member.example", 1)])
            assert sock is not None
            with sock:
                assert sock.getpeername() == server.getsockname()


def test_a_dial_that_is_taken_back_says_nothing(hub: LoneHub) -> None:
    with listening() as server:
        results: list[Result] = []
        Dial(hub, [server.getsockname()], 5, lambda *result: results.append(result)).cancel()
        later: list[int] = []
        hub.later(0.02, lambda: later.append(1))
        wait_until(lambda: later, hub)
        assert results == []


def test_a_socket_that_reached_itself_reached_nobody(
    hub: LoneHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looped(socket.socket):
        def getsockname(self) -> object:
            return self.getpeername()

    with listening() as server:
        address = server.getsockname()
        monkeypatch.setattr("zoo.runtime.dial.socket.socket", Looped)
        sock, problem = dialled(hub, [address])
        assert sock is None
        assert "Connection refused" in problem


def test_without_an_address_nobody_is_reached(hub: LoneHub) -> None:
    assert dialled(hub, []) == (None, "no address is known")
