"""The frame of a reply: length, then ReplyHeader (xid, zxid, error), then the body."""

from __future__ import annotations

from struct import Struct

REPLY = Struct(">iiqi")  # frame length, xid, zxid, error
REPLY_SIZE = REPLY.size - 4  # what the length says when there is no body

pack_reply = REPLY.pack


def reply_frame(xid: int, zxid: int, err: int, body: bytes) -> bytes:
    return pack_reply(REPLY_SIZE + len(body), xid, zxid, err) + body
