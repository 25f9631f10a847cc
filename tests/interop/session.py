"""A client session on top of raw_client.Link: requests out (pipelined if wished), replies in.

Values come back undecorated: bytes paths, Stats as tuples, errors as numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.interop import raw_client
from tests.interop.raw_client import INT, LONG, REPLY_HEADER, STAT, buffer, framed, header

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL = 1, 2, 3, 4, 5, 6, 7
SYNC, GET_CHILDREN2, CHECK, MULTI, CREATE2, CREATE_CONTAINER, CREATE_TTL = 9, 12, 13, 14, 15, 19, 21
PERSISTENT, EPHEMERAL, SEQUENTIAL, EPHEMERAL_SEQUENTIAL, CONTAINER, TTL, TTL_SEQUENTIAL = range(7)

Acl = tuple[tuple[int, bytes, bytes], ...]
OPEN: Acl = ((31, b"world", b"anyone"),)


class Stat(NamedTuple):
    """The wire Stat: zxids, times in ms, versions, bytes, children."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int


class Reply(NamedTuple):
    """One answer or event (xid -1): header and undecoded body."""

    xid: int
    zxid: int
    error: int
    body: bytes


class Refused(Exception):
    """The server answered with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


def acl_bytes(acl: Acl) -> bytes:
    parts = (INT.pack(perms) + buffer(scheme) + buffer(ident) for perms, scheme, ident in acl)
    return INT.pack(len(acl)) + b"".join(parts)


def create_body(
    path: bytes, data: bytes | None = b"", mode: int = PERSISTENT, acl: Acl = OPEN, ttl: int = 0
) -> bytes:
    body = buffer(path) + buffer(data) + acl_bytes(acl) + INT.pack(mode)
    return body + LONG.pack(ttl) if mode in (TTL, TTL_SEQUENTIAL) else body


def create_op(mode: int) -> int:
    """The operation that makes a node of this mode and answers with its Stat."""
    if mode == CONTAINER:
        return CREATE_CONTAINER
    return CREATE_TTL if mode in (TTL, TTL_SEQUENTIAL) else CREATE2


def set_body(path: bytes, data: bytes | None, version: int = -1) -> bytes:
    return buffer(path) + buffer(data) + INT.pack(version)


def delete_body(path: bytes, version: int = -1) -> bytes:
    return buffer(path) + INT.pack(version)


def multi_body(operations: Iterable[tuple[int, bytes]]) -> bytes:
    parts = [INT.pack(op) + b"\0" + INT.pack(-1) + body for op, body in operations]
    return b"".join(parts) + INT.pack(-1) + b"\1" + INT.pack(-1)


def take_buffer(body: bytes, at: int = 0) -> tuple[bytes | None, int]:
    (size,) = INT.unpack_from(body, at)
    at += 4
    return (None, at) if size < 0 else (body[at : at + size], at + size)


class Session:
    """One session; `call` for one request, `send` and `receive` for many in flight."""

    def __init__(
        self,
        port: int,
        timeout_ms: int = 30000,
        session_id: int = 0,
        password: bytes = bytes(16),
        wait_s: float = 30.0,
        seen: int = 0,
    ) -> None:
        self.link = raw_client.Link(("127.0.0.1", port), wait_s)
        self.link.send(
            framed(
                raw_client.connect_request(
                    timeout_ms=timeout_ms,
                    session_id=session_id,
                    password=password,
                    last_zxid_seen=seen,
                )
            )
        )
        greeting = raw_client.parse_handshake(self.link.receive())
        self.id, self.password = greeting.session_id, greeting.password or b""
        self.timeout_ms = greeting.timeout_ms
        self.xid = 0
        self.last_zxid = 0
        self.events: list[Reply] = []

    def send(self, op: int, body: bytes) -> int:
        """One request out; its xid."""
        self.xid += 1
        self.link.send(framed(header(self.xid, op) + body))
        return self.xid

    def send_all(self, requests: Sequence[tuple[int, bytes]]) -> None:
        """Many requests in one write."""
        frames = []
        for op, body in requests:
            self.xid += 1
            frames.append(framed(header(self.xid, op) + body))
        self.link.send(b"".join(frames))

    def receive(self) -> Reply:
        """The next answer; events on the way are kept in `events`."""
        while True:
            frame = self.link.receive()
            reply = Reply(*REPLY_HEADER.unpack_from(frame), frame[REPLY_HEADER.size :])
            if reply.xid == raw_client.NOTIFICATION_XID:
                self.events.append(reply)
            else:
                self.last_zxid = max(self.last_zxid, reply.zxid)
                return reply

    def call(self, op: int, body: bytes) -> bytes:
        xid = self.send(op, body)
        reply = self.receive()
        assert reply.xid == xid, (reply, xid)
        if reply.error:
            raise Refused(reply.error)
        return reply.body

    def create(
        self,
        path: bytes,
        data: bytes | None = b"",
        mode: int = PERSISTENT,
        acl: Acl = OPEN,
        ttl: int = 0,
    ) -> tuple[bytes, Stat]:
        body = self.call(create_op(mode), create_body(path, data, mode, acl, ttl))
        made, at = take_buffer(body)
        return made or b"", Stat(*STAT.unpack_from(body, at))

    def get(self, path: bytes, watch: bool = False) -> tuple[bytes | None, Stat]:
        body = self.call(GET_DATA, buffer(path) + bytes([watch]))
        data, at = take_buffer(body)
        return data, Stat(*STAT.unpack_from(body, at))

    def set(self, path: bytes, data: bytes | None, version: int = -1) -> Stat:
        return Stat(*STAT.unpack(self.call(SET_DATA, set_body(path, data, version))))

    def delete(self, path: bytes, version: int = -1) -> None:
        self.call(DELETE, delete_body(path, version))

    def children(self, path: bytes) -> list[bytes]:
        """Sorted names."""
        return _names(self.call(GET_CHILDREN2, buffer(path) + b"\0"))

    def get_acl(self, path: bytes) -> Acl:
        return _acl(self.call(GET_ACL, buffer(path)))

    def set_acl(self, path: bytes, acl: Acl, version: int = -1) -> Stat:
        body = self.call(SET_ACL, buffer(path) + acl_bytes(acl) + INT.pack(version))
        return Stat(*STAT.unpack(body))

    def multi(self, operations: Iterable[tuple[int, bytes]]) -> bytes:
        return self.call(MULTI, multi_body(operations))

    def auth(self, scheme: bytes, token: bytes) -> None:
        body = INT.pack(0) + buffer(scheme) + buffer(token)
        self.link.send(framed(header(-4, raw_client.AUTH) + body))
        reply = self.receive()
        if reply.error:
            raise Refused(reply.error)

    def ping(self) -> None:
        self.link.send(framed(header(raw_client.PING_XID, raw_client.PING)))
        assert self.receive().xid == raw_client.PING_XID

    def close(self) -> None:
        """End the session (not only the link)."""
        self.call(raw_client.CLOSE_SESSION, b"")
        self.link.close()

    def drop(self) -> None:
        """End the link; the session lives on until it expires."""
        self.link.close()


def dump(session: Session, path: bytes = b"/") -> dict[bytes, tuple[bytes | None, Stat, Acl]]:
    """The whole tree below `path`: data, Stat and ACL by path; log in as super to see all of it.

    Pipelined. A znode that goes while we walk is left out.
    """
    found: dict[bytes, tuple[bytes | None, Stat, Acl]] = {}
    todo = [path]
    while todo:
        batch, todo = todo[:200], todo[200:]
        session.send_all(
            [
                request
                for at in batch
                for request in (
                    (GET_DATA, buffer(at) + b"\0"),
                    (GET_ACL, buffer(at)),
                    (GET_CHILDREN2, buffer(at) + b"\0"),
                )
            ]
        )
        for at in batch:
            replies = [session.receive() for _ in range(3)]
            errors = {reply.error for reply in replies} - {0}
            if errors == {-101}:
                continue
            if errors:
                raise Refused(min(errors))
            data, end = take_buffer(replies[0].body)
            found[at] = (data, Stat(*STAT.unpack_from(replies[0].body, end)), _acl(replies[1].body))
            todo += [at.rstrip(b"/") + b"/" + name for name in _names(replies[2].body)]
    return found


def _names(body: bytes) -> list[bytes]:
    names, at = [], 4
    for _ in range(INT.unpack_from(body)[0]):
        name, at = take_buffer(body, at)
        names.append(name or b"")
    return sorted(names)


def _acl(body: bytes) -> Acl:
    rows, at = [], 4
    for _ in range(INT.unpack_from(body)[0]):
        (perms,) = INT.unpack_from(body, at)
        scheme, at = take_buffer(body, at + 4)
        ident, at = take_buffer(body, at)
        rows.append((perms, scheme or b"", ident or b""))
    return tuple(rows)


def multi_results(body: bytes) -> list[int]:
    """The error code of each operation of a MultiResponse whose results are creates or errors."""
    codes, at = [], 0
    while True:
        op, done, error = struct.unpack_from(">i?i", body, at)
        at += 9
        if done:
            return codes
        codes.append(error)
        if op == -1:
            at += 4
        elif op in (CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL):
            _, at = take_buffer(body, at)
            at += STAT.size if op != CREATE else 0
        elif op == SET_DATA:
            at += STAT.size
