"""The operations of a multi as the server reads them, and the pieces its replies are made of.

Which operation a create in a multi really is depends on its flags: a container's flag makes any of
them a createContainer, and a createTTL without a TTL's flag is an ordinary create. A flag that does
not exist, or a TTL's flag where no TTL can be given, makes the whole multi unreadable. All this is
as Java's Op and MultiOperationRecord.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from zoo.jute.client_records import CreateRequest
from zoo.jute.codec import JuteError, Reader
from zoo.jute.constants import CreateMode
from zoo.jute.multi import DONE, HEADER, decode_request
from zoo.jute.operations import Op

MULTI_HEADER = HEADER
MULTI_END = DONE
ERROR_BODY = Struct(">i")

_CREATES = (Op.create, Op.create2, Op.createContainer)


def parse_multi(payload: bytes) -> list[tuple[Op, Any]]:
    """(operation, request record) of each part. Raises JuteError."""
    return [_resolve(op, request) for op, request in decode_request(Reader(payload), Op.multi)]


def parse_multi_read(payload: bytes) -> list[tuple[Op, Any]]:
    return decode_request(Reader(payload), Op.multiRead)


def _resolve(op: Op, request: Any) -> tuple[Op, Any]:
    if op in _CREATES:
        mode = _mode(request.flags)
        if mode is None or mode.is_ttl:
            raise JuteError(f"multi: create with flags {request.flags}")
        return (Op.createContainer if mode.is_container else op), request
    if op == Op.createTTL:
        mode = _mode(request.flags)
        if mode is None or not mode.is_ttl:
            plain = CreateRequest(request.path, request.data, request.acl, request.flags)
            container = mode is not None and mode.is_container
            return (Op.createContainer if container else Op.create), plain
    return op, request


def _mode(flags: int) -> CreateMode | None:
    try:
        return CreateMode(flags)
    except ValueError:
        return None
