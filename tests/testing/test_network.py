from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from zoo.testing.network import Network
from zoo.testing.ports import ADDRESS

QUORUM, ELECTION = 0, 1
SECONDS = 10.0


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(2)
    yield network
    network.close()


def linked(network: Network, kind: int = QUORUM) -> tuple[socket.socket, socket.socket]:
    """Server 1's end of a link to server 2, and server 2's."""
    with socket.create_server((ADDRESS, network.real[2][kind])) as listener:
        listener.settimeout(SECONDS)
        near = socket.create_connection((ADDRESS, network.ports(1, 2)[kind]), SECONDS)
        far, _ = listener.accept()
        far.settimeout(SECONDS)
        return near, far


def is_silent(end: socket.socket) -> bool:
    end.settimeout(0.1)
    try:
        return not end.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        end.settimeout(SECONDS)


def is_over(end: socket.socket) -> bool:
    try:
        return not end.recv(1)
    except ConnectionResetError:
        return True


def test_what_is_cut_waits_and_the_other_way_is_open(network: Network) -> None:
    near, far = linked(network)
    with near, far:
        network.cut((1, 2))
        near.sendall(b"there")
        far.sendall(b"back")
        assert near.recv(4) == b"back"
        assert is_silent(far)
        network.mend()
        assert far.recv(5) == b"there"


def test_who_is_parted_is_cut_both_ways(network: Network) -> None:
    near, far = linked(network)
    with near, far:
        network.part(2)
        near.sendall(b"there")
        far.sendall(b"back")
        assert is_silent(near)
        assert is_silent(far)
        network.mend()
        assert (near.recv(4), far.recv(5)) == (b"back", b"there")


def test_broken_links_end_on_both_sides(network: Network) -> None:
    near, far = linked(network)
    with near, far:
        near.sendall(b"there")
        assert far.recv(5) == b"there"
        network.break_links()
        assert is_over(near)
        assert is_over(far)


def test_the_end_of_a_parted_network_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    network = Network(2)
    near, far = linked(network)
    with near, far:
        near.sendall(b"there")
        assert far.recv(5) == b"there"
        network.part(2)
        near.sendall(b"more")
        network.close()
    assert caplog.records == []


def test_a_greeting_names_the_relay(network: Network) -> None:
    """Whoever is greeted dials back there, and not past it."""
    near, far = linked(network, ELECTION)
    with near, far:
        mine = b"127.0.0.1:1"
        near.sendall((-65536).to_bytes(8, "big", signed=True) + (1).to_bytes(8, "big"))
        near.sendall(len(mine).to_bytes(4, "big") + mine + b"vote")
        address = f"{ADDRESS}:{network.ports(2, 1)[ELECTION]}".encode()
        wanted = len(address).to_bytes(4, "big") + address + b"vote"
        heard = b""
        while len(heard) < 16 + len(wanted):
            heard += far.recv(100)
        assert heard[16:] == wanted
