"""Runs of packets as a learner reads them: broadcast brings little else, and a lot of it."""

from __future__ import annotations

from struct import Struct

from zoo.zab.packets import BARE_SIZE, PacketType

_HEAD = Struct(">iqi")
_BARE = Struct(">iqii")
_NO_AUTH = b"\xff\xff\xff\xff"
_COMMIT = int(PacketType.COMMIT)


def leading_entries(buf: bytes, pos: int, kind: int, limit: int) -> tuple[int, list[bytes], int]:
    """(first zxid, entries, position behind) of the whole packets of this kind from `pos` on.

    `kind` is PROPOSAL or INFORM. The zxids are contiguous; a packet that is anything but plain ends
    the run, as does one with more than `limit` bytes.
    """
    entries: list[bytes] = []
    head = _HEAD.unpack_from
    size = len(buf)
    first = expected = 0
    while pos + BARE_SIZE <= size:
        found, zxid, length = head(buf, pos)
        if found != kind or not 0 <= length <= limit or (entries and zxid != expected):
            break
        end = pos + 16 + length
        if buf[end : end + 4] != _NO_AUTH:
            break
        if not entries:
            first = zxid
        expected = zxid + 1
        entries.append(buf[pos + 16 : end])
        pos = end + 4
    return first, entries, pos


def leading_commits(buf: bytes, pos: int) -> tuple[int, int, int]:
    """(first zxid, last zxid, position behind) of the COMMITs from `pos` on, contiguous likewise.

    The last is before the first if there is none.
    """
    bare = _BARE.unpack_from
    size = len(buf)
    first, last = 0, -1
    while pos + BARE_SIZE <= size:
        kind, zxid, length, count = bare(buf, pos)
        if kind != _COMMIT or length != -1 or count != -1 or (last >= 0 and zxid != last + 1):
            break
        if last < 0:
            first = zxid
        last = zxid
        pos += BARE_SIZE
    return first, last, pos
