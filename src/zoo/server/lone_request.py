"""One request in one piece: what a client sends that waits for each answer.

Theory of operation. Such a client's request arrives alone, so it pays for all that the loop over
many requests sets up, and its reply for the way through the connection's queue. Here the reply of a
plain read goes from the tree straight to the caller, and a plain write straight into the pipeline.
Whatever is not exactly this (more than a frame or less, a read with anything unsent or waiting
before it, a watch, a guarded or missing znode) is left to `ClientConnection.receive`.
"""

from __future__ import annotations

from struct import Struct

from zoo.jute.operations import Op
from zoo.pipeline.replies import REPLY_SIZE, pack_reply
from zoo.server.connection import ClientConnection
from zoo.tree.record import STAT_SIZE

GET_DATA, EXISTS = int(Op.getData), int(Op.exists)
_OVERHEAD = 17  # bytes of a read's frame around the path
LARGEST_BODY = 1 << 16
"""A larger record is not worth a copy to join it with its header."""

_unpack_start = Struct(">iiii").unpack_from  # frame length, xid, operation, path length


def lone_request(connection: ClientConnection, data: bytes) -> bytes | None:
    """Handle `data` if it is one plain request: the reply to be sent at once, b"" for a write.

    None if `receive` must take it: nothing has changed then.
    """
    size = len(data)
    if size <= _OVERHEAD:
        return None
    length, xid, op, path_size = _unpack_start(data)
    session, core = connection.session, connection.core
    if (
        length != size - 4
        or length > core.max_frame
        or connection.paused
        or connection.closing
        or connection.input.pieces
        or connection.handshake is not None
        or session.closing
        or session.owner is not connection
    ):
        return None
    if op != GET_DATA and op != EXISTS:
        return b"" if op in core.plain_writes and _write(connection, xid, op, data) else None
    tree = core.tree
    path = data[16:-1]
    record = tree.nodes.get(path)
    if (
        record is None
        or path in tree.veiled
        or data[-1]
        or path_size != size - _OVERHEAD
        or connection.waiting
        or connection.out_size
    ):
        return None
    if op == EXISTS:
        record = record[-STAT_SIZE:]
    body_size = len(record)
    if body_size > LARGEST_BODY:
        return None
    session.seen = core.session_clock
    core.count_requests(connection, 1, 1, op, xid, body_size)
    return pack_reply(REPLY_SIZE + body_size, xid, tree.last_zxid, 0) + record


def _write(connection: ClientConnection, xid: int, op: int, data: bytes) -> bool:
    core = connection.core
    run, _ = core.plain_writes[op](connection, data, 0, len(data), 1)
    if not run:
        return False
    connection.session.seen = core.session_clock
    connection.waiting += run
    core.proposals += run
    core.count_requests(connection, 1, 0, op, xid, 0)
    core.outstanding += 1
    if core.outstanding >= core.outstanding_limit:
        core.throttle(connection)
    return True
