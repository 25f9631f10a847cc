"""The bodies of multi and multiRead: a MultiHeader before every item, a last one that says done.

A request is a list of (operation, request record). A reply is a list of (operation, reply record):
the record is None for delete and check, which answer nothing, and a failed operation is
(Op.error, ErrorResponse(code)). Containers and TTL nodes answer as create2, as Java does.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

from zoo.errors import Code
from zoo.jute import schema
from zoo.jute.client_records import ErrorResponse
from zoo.jute.codec import JuteError, Reader
from zoo.jute.operations import OPERATIONS, Op

HEADER = Struct(">i?i")  # MultiHeader: type, done, err
DONE = HEADER.pack(-1, True, -1)

DEFAULT_LIMIT = 100_000
"""Operations in one multi: the frame bounds the bytes, this bounds what a small item costs."""

Item = tuple[Op, Any]

Decoders = dict[int, tuple[Op, schema.Decoder | None]]

_requests: dict[Op, Decoders] = {
    multi: {
        int(row.op): (row.op, schema.codec_of(row.request).decode)
        for row in OPERATIONS.values()
        if row.allowed_in_multi and row.is_write is (multi is Op.multi) and row.request is not None
    }
    for multi in (Op.multi, Op.multiRead)
}

_REPLIES = (Op.create, Op.create2, Op.setData, Op.getChildren, Op.getData, Op.error)
_reply_decoders: Decoders = {
    **{int(op): (op, schema.codec_of(OPERATIONS[op].reply or object).decode) for op in _REPLIES},
    **{int(op): (op, None) for op in (Op.delete, Op.check)},
}

_AS_REPLY = {
    Op.createTTL: Op.create2,
    Op.createContainer: Op.create2,
    Op.deleteContainer: Op.delete,
}


def encode_request(items: Iterable[Item]) -> bytes:
    """The body of a multi or multiRead."""
    parts: list[bytes] = []
    for op, request in items:
        parts += (HEADER.pack(op, False, -1), schema.encode(request))
    parts.append(DONE)
    return b"".join(parts)


def decode_request(reader: Reader, multi: Op = Op.multi, limit: int = DEFAULT_LIMIT) -> list[Item]:
    """The operations of a multi, or of a multiRead; JuteError for one that has no place in it."""
    return _items(reader, _requests[multi], limit)


def encode_reply(items: Iterable[Item]) -> bytes:
    """The body of the answer. `op` may be the request's: it is mapped to the one replies use."""
    parts: list[bytes] = []
    for op, reply in items:
        err = reply.err if op is Op.error else 0
        parts.append(HEADER.pack(_AS_REPLY.get(op, op), False, err))
        if reply is not None:
            parts.append(schema.encode(reply))
    parts.append(DONE)
    return b"".join(parts)


def decode_reply(reader: Reader, limit: int = DEFAULT_LIMIT) -> list[Item]:
    return _items(reader, _reply_decoders, limit)


def error_replies(count: int, failed: int, code: Code) -> list[Item]:
    """The reply to a multi whose operation `failed` was refused: OK before it, and after it
    RUNTIMEINCONSISTENCY, which tells that they were not tried."""
    codes = [Code.OK] * failed + [code] + [Code.RUNTIMEINCONSISTENCY] * (count - failed - 1)
    return [(Op.error, ErrorResponse(int(each))) for each in codes]


def _items(reader: Reader, decoders: Decoders, limit: int) -> list[Item]:
    items: list[Item] = []
    while True:
        number, done = _header(reader)
        if done:
            return items
        if len(items) == limit:
            raise JuteError(f"multi: more than {limit} operations")
        if number not in decoders:
            raise JuteError(f"multi: operation {number} cannot be part of it")
        op, decode = decoders[number]
        record = None
        if decode is not None:
            record, reader.pos = decode(reader.buf, reader.pos, reader.end)
        items.append((op, record))


def _header(reader: Reader) -> tuple[int, bool]:
    pos = reader.pos
    if pos + HEADER.size > reader.end:
        raise JuteError(f"multi: needs {HEADER.size} bytes of header, {reader.remaining} left")
    reader.pos = pos + HEADER.size
    number, done, _ = HEADER.unpack_from(reader.buf, pos)  # err: the ErrorResponse repeats it
    return number, done
