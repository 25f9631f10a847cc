"""What goes over a learner link: ZooKeeper's QuorumPackets, one behind the other without frames.

A packet is type, zxid, data and authinfo (see zoo.jute.quorum_records). Only its own fields tell
where it ends, so a limit guards the data before it is waited for. The one exception to packets is
the snapshot that follows SNAP: raw, and ended by its own structure; while it is read, the link is
not parsed here.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from zoo.errors import ProtocolViolation
from zoo.jute.codec import Reader
from zoo.jute.quorum_records import QuorumPacket
from zoo.jute.records import Id
from zoo.jute.schema import decode, encode

LEARNER_PROTOCOL = 0x10000
"""The version that LEADERINFO and LearnerInfo carry."""
EXACT_CUT = b"zoo1"
"""Behind a learner's LearnerInfo: it is a Zoo. It keeps nothing of what TRUNC cuts off, whatever
snapshots it has (Java may, ZOOKEEPER-4837), and may be sent the packets that ZooKeeper does not
have. A Java leader does not read so far."""
MAX_IDENTITIES = 1000
MAX_IDENTITY = 1 << 16
SNAPSHOT_END = b"\0\0\0\x0aBenWasHere"
"""What follows a snapshot on the link: a jute string."""


class PacketType(IntEnum):
    REQUEST = 1
    PROPOSAL = 2
    ACK = 3
    COMMIT = 4
    PING = 5
    REVALIDATE = 6
    SYNC = 7
    INFORM = 8
    COMMITANDACTIVATE = 9
    NEWLEADER = 10
    FOLLOWERINFO = 11
    UPTODATE = 12
    DIFF = 13
    TRUNC = 14
    SNAP = 15
    OBSERVERINFO = 16
    LEADERINFO = 17
    ACKEPOCH = 18
    INFORMANDACTIVATE = 19
    # To a Zoo alone, from a Zoo.
    HANDOVER = 64
    """The leader leaves in favour of the server in the data; the zxid is the last it committed."""
    MOVED = 65
    """Another server serves the session whose id stands in place of the zxid."""


class Packet(NamedTuple):
    type: int
    zxid: int
    data: bytes | None = None
    auth: list[Id] | None = None


_HEAD = Struct(">iqi")  # type, zxid, length of the data (-1: null)
_BARE = Struct(">iqii")
_COUNT = Struct(">i")
_NO_AUTH = b"\xff\xff\xff\xff"
BARE_SIZE = _BARE.size
"""Bytes of a packet without data and authinfo: an ACK, a COMMIT."""


def bare(kind: int, zxid: int) -> bytes:
    """A packet without data."""
    return _BARE.pack(kind, zxid, -1, -1)


def with_data(kind: int, zxid: int, data: bytes) -> bytes:
    """A packet with data and without authinfo."""
    return _HEAD.pack(kind, zxid, len(data)) + data + _NO_AUTH


def encode_packet(packet: Packet) -> bytes:
    return encode(QuorumPacket(packet.type, packet.zxid, packet.data, packet.auth))


def parse_packet(buf: bytes, pos: int, max_data: int) -> tuple[Packet, int] | None:
    """The packet at `pos` and the position behind it; None while it is incomplete.

    Raises ProtocolViolation for more than `max_data` bytes of data, or nonsense.
    """
    have = len(buf) - pos
    if have < _BARE.size:
        return None
    kind, zxid, length = _HEAD.unpack_from(buf, pos)
    if length > max_data or length < -1:
        raise ProtocolViolation(
            f"a packet of type {kind} with {length} bytes of data: {max_data} are allowed "
            "(jute.maxbuffer)"
        )
    start = pos + _HEAD.size
    end = start + max(length, 0)
    if end + 4 > len(buf):
        return None
    (count,) = _COUNT.unpack_from(buf, end)
    if count <= 0:
        data = None if length < 0 else buf[start:end]
        return Packet(kind, zxid, data, None if count < 0 else []), end + 4
    stop = _auth_end(buf, end + 4, count)
    if stop is None:
        return None
    record = decode(QuorumPacket, Reader(buf, pos, stop))
    return Packet(record.type, record.zxid, record.data, record.authinfo), stop


def _auth_end(buf: bytes, pos: int, count: int) -> int | None:
    """Where `count` identities, two strings each, end; None while they are incomplete."""
    if count > MAX_IDENTITIES:
        raise ProtocolViolation(f"a packet with {count} identities: {MAX_IDENTITIES} are allowed")
    for _ in range(2 * count):
        if pos + 4 > len(buf):
            return None
        (length,) = _COUNT.unpack_from(buf, pos)
        if length > MAX_IDENTITY:
            raise ProtocolViolation(
                f"an identity of {length} bytes in a packet: {MAX_IDENTITY} are allowed"
            )
        pos += 4 + max(length, 0)
    return pos if pos <= len(buf) else None
