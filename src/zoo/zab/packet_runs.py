"""Runs of packets, built or read as one piece of bytes: what broadcast consists of."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from zoo.zab.packets import BARE_SIZE, PacketType

_BARE = Struct(">iqii")
_FIRST = Struct(">iqi")
_NEXT = Struct(">iiqi")  # no authinfo of the one before, then the head of the next
_NO_AUTH = b"\xff\xff\xff\xff"
_ACK_BEGIN = Struct(">i").pack(PacketType.ACK)
_ACK_END = b"\xff" * 8
_ZXID = Struct(">q")


def proposals(first: int, entries: Iterable[bytes], kind: int = PacketType.PROPOSAL) -> bytes:
    """PROPOSALs (or INFORMs) of transactions with contiguous zxids from `first` on."""
    pack = _NEXT.pack
    parts: list[bytes] = []
    for zxid, entry in enumerate(entries, first):
        parts += (pack(-1, kind, zxid, len(entry)), entry)
    return b"".join(parts)[4:] + _NO_AUTH if parts else b""


def commits(first: int, last: int) -> bytes:
    """COMMITs of `first` to `last`, within one epoch."""
    pack = _BARE.pack
    kind = int(PacketType.COMMIT)
    if first == last:
        return pack(kind, first, -1, -1)
    return b"".join([pack(kind, zxid, -1, -1) for zxid in range(first, last + 1)])


def committed_proposals(first: int, entries: Iterable[bytes]) -> bytes:
    """PROPOSAL and COMMIT of each: how a learner gets history."""
    proposal, commit = int(PacketType.PROPOSAL), int(PacketType.COMMIT)
    parts: list[bytes] = []
    for zxid, entry in enumerate(entries, first):
        parts += (
            _FIRST.pack(proposal, zxid, len(entry)),
            entry,
            _NO_AUTH,
            _BARE.pack(commit, zxid, -1, -1),
        )
    return b"".join(parts)


def leading_acks(data: bytes) -> tuple[int, int]:
    """The ACKs that `data` begins with: (bytes that they take, their highest zxid).

    Acknowledgements come in the order of the proposals, so the highest speaks for all before it.
    """
    if data[:4] != _ACK_BEGIN:
        return 0, 0
    if len(data) == BARE_SIZE and data.endswith(_ACK_END):
        return BARE_SIZE, max(0, _ZXID.unpack_from(data, 4)[0])
    ack = int(PacketType.ACK)
    size, highest = 0, 0
    whole = len(data) - len(data) % BARE_SIZE
    for kind, zxid, length, count in _BARE.iter_unpack(memoryview(data)[:whole]):
        if kind != ack or length != -1 or count != -1:
            break
        size += BARE_SIZE
        if zxid > highest:
            highest = zxid
    return size, highest
