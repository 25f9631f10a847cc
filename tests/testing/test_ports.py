from __future__ import annotations

import socket
from itertools import pairwise

from zoo.testing.ports import ADDRESS, client_port, free_port_block, free_ports


def test_free_ports_are_free_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(10_240 <= port < 32_000 for port in ports)
    for port in ports[:3]:
        with socket.create_server((ADDRESS, port)) as listener:
            assert listener.getsockname()[1] == port


def test_a_port_is_given_once() -> None:
    before = free_ports(20)
    with socket.create_server((ADDRESS, before[0])):
        assert not set(before) & set(free_ports(500))


def test_a_block_is_free_from_end_to_end() -> None:
    first = free_port_block(5)
    for port in range(first, first + 5):
        with socket.create_server((ADDRESS, port)) as listener:
            assert listener.getsockname()[1] == port


def test_blocks_do_not_overlap() -> None:
    free_ports(2_000)  # however many were given before
    firsts = sorted(free_port_block(100) for _ in range(5))
    assert all(there - here >= 100 for here, there in pairwise(firsts))


def test_the_port_that_the_settings_name() -> None:
    assert client_port({"clientPort": 4321}) == client_port({"clientPort": " 4321 "}) == 4321
    for settings in (None, {}, {"clientPort": 0}, {"clientPort": "x"}):
        assert 10_240 <= client_port(settings) < 32_000
