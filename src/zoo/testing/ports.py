"""Ports of loopback for servers in tests."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ADDRESS = "127.0.0.1"
# Below those that the kernel gives to outgoing connections: one of them would take the port of a
# server that was killed, and the server could not come back.
_LOWEST, _HIGHEST = 10_240, 32_000
_given: dict[int, None] = {}
"""The last that this process was given: their servers may not listen yet."""
_MOST_GIVEN = 1_000


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on, none of them given lately."""
    rng = random.SystemRandom()
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = rng.randrange(_LOWEST, _HIGHEST)
            if port in _given or port in found:
                continue
            listener = stack.enter_context(socket.socket())
            try:
                listener.bind((ADDRESS, port))
            except OSError:
                continue
            found.append(port)
    _give(found)
    return found


def client_port(settings: Mapping[str, object] | None) -> int:
    """The one that lines of zoo.cfg name, or a free one."""
    wanted = str((settings or {}).get("clientPort", 0)).strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) else free_ports(1)[0]


def _give(ports: Iterable[int]) -> None:
    _given.update(dict.fromkeys(ports))
    for port in list(_given)[:-_MOST_GIVEN]:
        del _given[port]


class Ports(NamedTuple):
    """Of one member of an ensemble."""

    client: int
    quorum: int
    election: int


def free_member_ports(count: int) -> list[Ports]:
    """For so many members."""
    numbers = free_ports(3 * count)
    return [Ports(*numbers[3 * n : 3 * n + 3]) for n in range(count)]


def free_port_block(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    rng = random.SystemRandom()
    while True:
        first = rng.randrange(_LOWEST, _HIGHEST - count)
        block = range(first, first + count)
        if not _given.keys().isdisjoint(block):
            continue
        with contextlib.ExitStack() as stack:
            try:
                for port in block:
                    stack.enter_context(socket.create_server((ADDRESS, port)))
            except OSError:
                continue
        _give(block)
        return first
