"""Scheme `ip`: a connection is where it comes from; an ACL entry is an address or a prefix of one.

Addresses are compared as ZooKeeper's server does, since members of both kinds must judge one ACL
alike: IPv4 and IPv6 never match each other, an IPv6 address with a dotted tail or a zone is none,
and numbers may carry a sign or leading zeros as in Java. (Left out: Java takes full-width letters
for hex digits.)
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from zoo.tree.acl import Identity, Peer

_decimal = re.compile(r"[+-]?\d+").fullmatch
_hex = re.compile(r"[+-]?[\da-fA-F]+").fullmatch


def identity_of(peer_ip: str) -> Identity:
    """The identity every connection begins with.

    Spelled as Java spells addresses, for clients see it in whoAmI: all eight IPv6 groups, and
    an IPv4 address for one mapped into IPv6. What is no address at all stays as it is.
    """
    host, percent, zone = peer_ip.partition("%")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Identity("ip", peer_ip)
    if isinstance(address, ipaddress.IPv4Address):
        return Identity("ip", str(address))
    if address.ipv4_mapped is not None:
        return Identity("ip", str(address.ipv4_mapped))
    groups = ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
    return Identity("ip", groups + percent + zone)


class IpProvider:
    """ZooKeeper's IPAuthenticationProvider, IPv6 included as in 3.9.5."""

    scheme = "ip"
    is_authenticated = False

    def authenticate(self, token: bytes | None, peer: Peer) -> list[Identity]:
        """The address again; the token does not matter."""
        return [identity_of(peer.ip)]

    def is_valid(self, id: str) -> bool:
        return _prefix(id) is not None

    def matches(self, identity: str, expression: str) -> bool:
        address = _address(identity)
        prefix = _prefix(expression)
        if address is None or prefix is None:
            return False
        network, bits = prefix
        if len(network) != len(address):
            return False
        shift = len(network) * 8 - bits
        return int.from_bytes(address, "big") >> shift == int.from_bytes(network, "big") >> shift

    def user_name(self, identity: str) -> str:
        return identity


@lru_cache(maxsize=1024)
def _prefix(text: str) -> tuple[bytes, int] | None:
    """Address and number of leading bits that count, from `address` or `address/bits`."""
    host, slash, length = text.partition("/")
    address = _address(host)
    if address is None:
        return None
    size = len(address) * 8
    bits = _int(length) if slash else size
    return (address, bits) if bits is not None and 0 <= bits <= size else None


@lru_cache(maxsize=1024)
def _address(text: str) -> bytes | None:
    if ":" in text:
        return _v6(text)
    return _v4(text)


def _v4(text: str) -> bytes | None:
    numbers = [_int(part) for part in text.split(".")]
    if len(numbers) != 4:
        return None
    address = bytearray()
    for number in numbers:
        if number is None or not 0 <= number <= 255:
            return None
        address.append(number)
    return bytes(address)


def _v6(text: str) -> bytes | None:
    head, gap, tail = text.partition("::")
    first = head.split(":") if head or not gap else []
    last = tail.split(":") if tail else []
    missing = 8 - len(first) - len(last)
    if missing < 1 if gap else missing != 0:
        return None
    # A second "::" leaves an empty group behind, which is refused like any other.
    groups = [*first, *["0"] * missing, *last]
    if not all(len(group) <= 4 and _hex(group) for group in groups):
        return None
    return b"".join((int(group, 16) & 0xFFFF).to_bytes(2, "big") for group in groups)


def _int(text: str) -> int | None:
    try:
        return int(text) if _decimal(text) else None
    except ValueError:  # thousands of digits
        return None
