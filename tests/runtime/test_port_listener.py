from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from tests.runtime.hubs import LoneHub, wait_until
from zoo.runtime import port_listener
from zoo.runtime.port_listener import ANY, PortListener
from zoo.testing.ports import free_ports


class Listening:
    """A listener and what it was told."""

    def __init__(self, hub: LoneHub, addresses: list[tuple[str, int]], attempts: int = 3) -> None:
        self.hub = hub
        self.accepted: list[tuple[socket.socket, str]] = []
        self.failures: list[str] = []
        self.listener = PortListener(
            hub,
            "electionPort",
            addresses,
            lambda *accepted: self.accepted.append(accepted),
            self.failures.append,
            attempts,
        )
        self.listener.open()

    def serves(self, address: tuple[str, int]) -> str:
        """Connect, wait until that was accepted; the peer's name."""
        before = len(self.accepted)
        with socket.create_connection(address, 5) as client:
            wait_until(lambda: len(self.accepted) > before, self.hub)
            sock, name = self.accepted[-1]
            assert sock.getpeername()[1] == client.getsockname()[1]
        return name

    def close(self) -> None:
        self.listener.close()
        for sock, _ in self.accepted:
            sock.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoneHub]:
    monkeypatch.setattr(port_listener, "_RETRY_SECONDS", 0.02)
    made = LoneHub()
    yield made
    made.close()


def test_accepts_on_every_address(hub: LoneHub) -> None:
    one, two = free_ports(2)
    listening = Listening(hub, [("127.0.0.1", one), ("127.0.0.1", two)])
    assert listening.listener.is_open
    assert listening.serves(("127.0.0.1", one)).startswith("127.0.0.1:")
    listening.serves(("127.0.0.1", two))
    sock, _ = listening.accepted[0]
    assert not sock.getblocking()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listening.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", one), 5)


def test_any_address_means_ipv4_too(hub: LoneHub) -> None:
    listening = Listening(hub, [(ANY, 0)])
    (port,) = listening.listener.ports
    assert listening.serves(("127.0.0.1", port)).startswith("127.0.0.1:")
    listening.close()


def test_any_address_without_ipv6(hub: LoneHub, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def no_ipv6(family: int, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")
        return real(family, *rest)

    monkeypatch.setattr("zoo.runtime.port_listener.socket.socket", no_ipv6)
    listening = Listening(hub, [(ANY, 0)])
    monkeypatch.undo()
    (port,) = listening.listener.ports
    assert listening.serves(("127.0.0.1", port)).startswith("127.0.0.1:")
    listening.close()


def test_a_port_that_is_taken_is_tried_again(hub: LoneHub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = holder.getsockname()
        listening = Listening(hub, [address], attempts=0)
        assert not listening.listener.is_open
    wait_until(lambda: listening.listener.is_open, hub)
    listening.serves(address)
    listening.close()
    assert listening.failures == []


def test_a_port_that_stays_taken_is_the_end(hub: LoneHub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        listening = Listening(hub, [holder.getsockname()], attempts=3)
        wait_until(lambda: listening.failures, hub)
    (failure,) = listening.failures
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in failure
    assert "electionPort; 3 attempts" in failure
    listening.close()


def test_listens_again_after_its_socket_broke(hub: LoneHub) -> None:
    (port,) = free_ports(1)
    listening = Listening(hub, [("127.0.0.1", port)])
    broken = listening.listener._places[0].sockets[0]
    broken.shutdown(socket.SHUT_RDWR)  # as if the interface had gone: accept fails from now on
    wait_until(lambda: listening.listener._places[0].sockets not in ([], [broken]), hub)
    assert listening.serves(("127.0.0.1", port)).startswith("127.0.0.1:")
    listening.close()


def test_waits_when_there_are_no_descriptors(
    hub: LoneHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Starved(socket.socket):
        failures = 2

        def accept(self) -> tuple[socket.socket, object]:
            if Starved.failures:
                Starved.failures -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return super().accept()

    monkeypatch.setattr("zoo.runtime.port_listener.socket.socket", Starved)
    (port,) = free_ports(1)
    listening = Listening(hub, [("127.0.0.1", port)])
    listening.serves(("127.0.0.1", port))
    assert Starved.failures == 0
    assert "Too many open files" in caplog.text
    listening.close()
