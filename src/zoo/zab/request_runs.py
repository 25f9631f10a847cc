"""Runs of REQUESTs: what a pipelining client of a learner makes of the link to the leader.

Theory of operation. A REQUEST is the session, then xid, operation and body as the client has sent
them, then the client's identities. So what a client sends in one piece travels on as slices of its
own bytes, and at the leader a run of REQUESTs of one session with the same identities becomes again
what the client has sent: whole frames in one buffer, for the short ways of preparation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

from zoo.jute.records import Id
from zoo.jute.schema import encode
from zoo.zab.packets import PacketType

_HEAD = Struct(">iqiq")  # type, zxid, length of the data, session
_DATA = 16  # where the data begins in a packet
_LENGTH = Struct(">i")
_FRAME = Struct(">iii")  # length, xid, operation
_REQUEST = int(PacketType.REQUEST)
_NO_ZXID = -1
SMALLEST = 16
"""Bytes of data: session, xid, operation."""


def request_run(session_id: int, requests: Sequence[bytes], identities: Sequence[Id]) -> bytes:
    """REQUESTs of one session; each of `requests` is xid, operation and body."""
    auth = _LENGTH.pack(len(identities)) + b"".join(map(encode, identities))
    pack = _HEAD.pack
    parts: list[bytes] = []
    for request in requests:
        parts += (pack(_REQUEST, _NO_ZXID, 8 + len(request), session_id), request, auth)
    return b"".join(parts)


def run_from(buf: bytes, begin: int, size: int, end: int, max_data: int) -> tuple[bytes, int]:
    """The run that begins with the REQUEST at `begin`, which has `size` bytes of data and ends at
    `end`: (the client's frames: length, xid, operation, body of each; where the run ends).

    It goes on as long as whole packets of the same session with the same identities follow.
    """
    _, _, _, session_id = _HEAD.unpack_from(buf, begin)
    stop = begin + _DATA + size
    auth = buf[stop:end]
    pack, unpack = _LENGTH.pack, _HEAD.unpack_from
    parts = [pack(size - 8), buf[begin + 24 : stop]]
    last = len(buf) - _HEAD.size
    while end <= last:
        kind, _, size, other = unpack(buf, end)
        if kind != _REQUEST or other != session_id or not SMALLEST <= size <= max_data:
            break
        stop = end + _DATA + size
        if not buf.startswith(auth, stop):
            break
        parts += (pack(size - 8), buf[end + 24 : stop])
        end = stop + len(auth)
    return b"".join(parts), end


def each_request(frames: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(xid, operation, body) of each frame."""
    pos = 0
    while pos < len(frames):
        length, cxid, op = _FRAME.unpack_from(frames, pos)
        stop = pos + 4 + length
        yield cxid, op, frames[pos + _FRAME.size : stop]
        pos = stop
