"""What goes over an election connection: who dialled, then its messages, each with its length.

    greeting, by the dialling side only:
        protocol int64 | sid int64 | length int32 | addresses, UTF-8
    then, either way:
        length int32 | message

Theory of operation. Two servers keep one connection, the one that the larger id dialled. The
smaller may dial as well, to be noticed: the larger reads its greeting, closes, and dials back. So a
connection ends for the dialling side once its greeting is out if its id is the smaller, and for the
accepting side once it has read the greeting if its own id is the larger (`fate_of`).

Addresses are "host:port", IPv6 hosts in brackets, several (protocol 2, which a server sends only if
multiAddress.enabled says so) separated by "|". They are there for servers which the receiver does
not know yet. Wildcard addresses lead nowhere and are left out. Addresses that make no sense do not
close the link, they are no addresses: who is configured is dialled where the configuration says,
and a peer that writes its own in another charset (ZOOKEEPER-4787) can still join.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from enum import Enum
from struct import Struct
from typing import NamedTuple

from zoo.config_ensemble import java_host, split_address
from zoo.errors import ProtocolViolation
from zoo.jute.framing import frame
from zoo.zab.notification import MAX_MESSAGE

__all__ = [
    "OBSERVER_ID",
    "Fate",
    "Greeting",
    "MeshInput",
    "encode_greeting",
    "fate_of",
    "frame",
    "parse_addresses",
]

PROTOCOL_1 = -65536
PROTOCOL_2 = -65535
MAX_ADDRESSES = 2048
"""Bytes that the addresses of a greeting may take."""
OBSERVER_ID = (1 << 63) - 1
"""In the greeting of an observer without an id; the accepting side makes a negative one up."""

_LONG = Struct(">q")
_HEAD = Struct(">qqi")
_LENGTH = Struct(">i")

Address = tuple[str, int]


class Greeting(NamedTuple):
    """Who dialled, and its election addresses as (host, port), without brackets.

    `problem` says what was wrong with the addresses, if there are none because of that.
    """

    sid: int
    addresses: tuple[Address, ...] = ()
    problem: str = ""


class Fate(Enum):
    """What becomes of an election connection once the greeting is through."""

    KEEP = "keep"
    """It takes the place of an older one with the same server."""
    DIAL_BACK = "dial back"
    """The accepting side closes this one and an older one, and dials that server itself."""
    CLOSE = "close"


def fate_of(my_id: int, sid: int, dialled: bool) -> Fate:
    """Of a connection with server `sid`, that we dialled or accepted."""
    if sid == my_id:
        return Fate.CLOSE  # two servers with one id, or an address that leads to ourselves
    if dialled:
        return Fate.KEEP if sid < my_id else Fate.CLOSE
    return Fate.DIAL_BACK if sid < my_id else Fate.KEEP


def encode_greeting(my_id: int, addresses: Sequence[Address], multi_address: bool) -> bytes:
    """The first bytes of the side that dials. Without `multi_address` the first address alone."""
    chosen = addresses if multi_address else addresses[:1]
    text = "|".join(_format(host, port) for host, port in chosen).encode()
    assert 0 < len(text) <= MAX_ADDRESSES, f"{len(text)} bytes of own addresses"
    return _HEAD.pack(PROTOCOL_2 if multi_address else PROTOCOL_1, my_id, len(text)) + text


def parse_addresses(text: str) -> tuple[Address, ...]:
    """The addresses of a greeting, wildcards left out. Raises ValueError."""
    return tuple(_dialable(_parse_address(part) for part in text.rstrip("|").split("|")))


class MeshInput:
    """The bytes of one connection, taken apart. `expect_greeting` on the accepting side."""

    def __init__(self, expect_greeting: bool) -> None:
        self._expect_greeting = expect_greeting
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Greeting | bytes]:
        """What is whole now: the greeting, once, and messages. Raises ProtocolViolation.

        After that the connection must be closed; no more than one message is ever held.
        """
        self._buffer += data
        whole: list[Greeting | bytes] = []
        if self._expect_greeting:
            greeting = self._greeting()
            if greeting is None:
                return whole
            self._expect_greeting = False
            whole.append(greeting)
        start, size = 0, len(self._buffer)
        while size - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if not 0 < length <= MAX_MESSAGE:
                raise ProtocolViolation(
                    f"an election message of {length} bytes: 1..{MAX_MESSAGE} are allowed"
                )
            stop = start + _LENGTH.size + length
            if stop > size:
                break
            whole.append(bytes(self._buffer[start + _LENGTH.size : stop]))
            start = stop
        del self._buffer[:start]
        return whole

    def _greeting(self) -> Greeting | None:
        buffer = self._buffer
        if len(buffer) < _LONG.size:
            return None
        (protocol,) = _LONG.unpack_from(buffer)
        if protocol >= 0:  # before protocol 1 there was the id and nothing else
            del buffer[: _LONG.size]
            return Greeting(protocol)
        if protocol not in (PROTOCOL_1, PROTOCOL_2):
            raise ProtocolViolation(f"an election greeting of protocol {protocol}")
        if len(buffer) < _HEAD.size:
            return None
        _, sid, length = _HEAD.unpack_from(buffer)
        if not 0 < length <= MAX_ADDRESSES:
            raise ProtocolViolation(
                f"an election greeting with {length} bytes of addresses: "
                f"1..{MAX_ADDRESSES} are allowed"
            )
        stop = _HEAD.size + length
        if len(buffer) < stop:
            return None
        text = bytes(buffer[_HEAD.size : stop])
        del buffer[:stop]
        try:
            return Greeting(sid, parse_addresses(text.decode()))
        except ValueError as wrong:
            return Greeting(sid, (), f"no addresses in {text[:100]!r}: {wrong}")


def _format(host: str, port: int) -> str:
    host = java_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse_address(text: str) -> Address:
    parts = split_address(text)
    if len(parts) != 2 or not parts[0]:
        raise ValueError(f"{text!r} is not host:port")
    host, port = parts
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port")
    return host, int(port)


def _dialable(addresses: Iterable[Address]) -> Iterable[Address]:
    return (address for address in addresses if not _is_wildcard(address[0]))


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
