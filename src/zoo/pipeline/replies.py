"""Frames for clients: of a reply (length, xid, zxid, error, body) and of a watch event."""

from __future__ import annotations

from struct import Struct

from zoo.jute.constants import KeeperState

REPLY = Struct(">iiqi")  # frame length, xid, zxid, error
REPLY_SIZE = REPLY.size - 4  # what the length says when there is no body

pack_reply = REPLY.pack

_EVENT = Struct(">iiqiiii")  # frame length, -1, zxid, 0, event type, state, path length
_EVENT_SIZE = _EVENT.size - 4
_SYNC_CONNECTED = int(KeeperState.SYNC_CONNECTED)


def reply_frame(xid: int, zxid: int, err: int, body: bytes) -> bytes:
    return pack_reply(REPLY_SIZE + len(body), xid, zxid, err) + body


def event_frame(event: int, path: bytes, zxid: int) -> bytes:
    size = len(path)
    return _EVENT.pack(_EVENT_SIZE + size, -1, zxid, 0, event, _SYNC_CONNECTED, size) + path
