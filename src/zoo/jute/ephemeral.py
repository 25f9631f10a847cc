"""What a znode's ephemeralOwner means: nobody, a session, a container, or a time to live.

The field was a session id and nothing else once. Containers took Long.MIN_VALUE; TTL nodes took
the ids whose top byte is 0xff, with two reserved bytes (zero means TTL) and 40 bits of milliseconds
below. A session id has its server's number in the top byte, so where TTLs are on ("extended types")
a server's number must stay below 255; where they are off such an owner is a plain session.
"""

from __future__ import annotations

from enum import Enum, auto

from zoo.errors import Code, KeeperError


class EphemeralKind(Enum):
    VOID = auto()
    """A persistent znode."""
    NORMAL = auto()
    """Ephemeral: the owner is a session id."""
    CONTAINER = auto()
    TTL = auto()


CONTAINER_OWNER = -(1 << 63)
MAX_TTL = (1 << 40) - 1
"""Milliseconds, close to 35 years."""
MAX_EXTENDED_SERVER_ID = 0xFE

# 3.5.3 marked a TTL by the sign bit alone; emulation reads such trees.
MAX_TTL_353 = (1 << 60) - 1

_TTL_OWNERS = range(-(1 << 56), -(1 << 56) + MAX_TTL + 1)
"""0xff00_0000_0000_0000 and up, as signed numbers, with the reserved bytes zero."""


def kind(owner: int, extended: bool = True, emulate_353: bool = False) -> EphemeralKind:
    """What `owner` (signed 64 bits) stands for.

    `extended` is zookeeper.extendedTypesEnabled, `emulate_353` zookeeper.emulate353TTLNodes. An
    owner in the extended range whose reserved bits nobody has defined raises
    KeeperError(BADARGUMENTS).
    """
    if owner == 0:
        return EphemeralKind.VOID
    if owner == CONTAINER_OWNER:
        return EphemeralKind.CONTAINER
    if not extended or owner > 0:
        return EphemeralKind.NORMAL
    if emulate_353 or owner in _TTL_OWNERS:
        return EphemeralKind.TTL
    if owner >= _TTL_OWNERS.start:
        detail = f"ephemeralOwner {owner & (1 << 64) - 1:#x} has an unknown extended type"
        raise KeeperError(Code.BADARGUMENTS, detail)
    return EphemeralKind.NORMAL


def is_ephemeral(owner: int, extended: bool = True) -> bool:
    """True when the znode goes with its session."""
    return owner != 0 and kind(owner, extended) is EphemeralKind.NORMAL


def valid_ttl(ttl_ms: int) -> bool:
    return 0 < ttl_ms <= MAX_TTL


def ttl_owner(ttl_ms: int) -> int:
    """The ephemeralOwner of a TTL node; KeeperError(BADARGUMENTS) unless 0 < ttl_ms <= MAX_TTL."""
    if not valid_ttl(ttl_ms):
        raise KeeperError(Code.BADARGUMENTS, f"ttl {ttl_ms} ms is not in 1..{MAX_TTL}")
    return _TTL_OWNERS.start + ttl_ms


def ttl_of(owner: int) -> int:
    """The milliseconds in an ephemeralOwner whose kind is TTL (of 3.5.3's, the low 40 bits)."""
    return owner & MAX_TTL
