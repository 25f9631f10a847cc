"""A super user's session on one side: look at the whole tree, and clear it after a stream."""

from __future__ import annotations

from typing import NamedTuple

from tests.interop.raw_client import (
    AUTH,
    CLOSE_SESSION,
    INT,
    PING,
    PING_XID,
    REPLY_HEADER,
    STAT,
    Link,
    buffer,
    connect_request,
    framed,
    header,
    parse_handshake,
)

SUPER_PASSWORD = "zoo-interop"
# "super:" + base64(sha1("super:zoo-interop")), as the superDigest property wants it.
SUPER_DIGEST = "super:tcIURO/9hikUqg4v+yb38ERib6I="
# Nodes that outlive every stream.
SHARED = ("/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota")
DELETE, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN = 2, 4, 5, 6, 7, 8
CREATE = 1
OPEN_ACL = INT.pack(1) + INT.pack(31) + buffer(b"world") + buffer(b"anyone")
ANY_VERSION = INT.pack(-1)


class AdminError(RuntimeError):
    """The server refused what a super user may do."""


class Node(NamedTuple):
    """One znode as it is: raw buffers and Stat."""

    data: bytes | None
    stat: tuple[int, ...]
    acl: bytes  # the vector of ACLs in wire form
    entries: tuple[bytes, ...]  # the same, one by one, sorted


class Admin:
    """Synchronous and pipelined requests of a super user, outside the compared sessions."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._link = Link(address)
        self._xid = 0
        self._link.send(framed(connect_request()))
        self.session_id = parse_handshake(self._link.receive()).session_id
        self.call(
            AUTH, INT.pack(0) + buffer(b"digest") + buffer(f"super:{SUPER_PASSWORD}".encode())
        )

    def calls(self, requests: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Send all in one write; (error, body) of each, in order."""
        parts = []
        for op, body in requests:
            self._xid += 1
            parts.append(framed(header(self._xid, op) + body))
        self._link.send(b"".join(parts))
        replies = [self._link.receive() for _ in requests]
        return [(REPLY_HEADER.unpack_from(reply)[2], reply[16:]) for reply in replies]

    def call(self, op: int, body: bytes = b"") -> bytes:
        ((error, reply),) = self.calls([(op, body)])
        if error:
            raise AdminError(f"operation {op} answers {error}")
        return reply

    def last_zxid(self) -> int:
        self._link.send(framed(header(PING_XID, PING)))
        return int(REPLY_HEADER.unpack_from(self._link.receive())[1])

    def create(self, path: str) -> None:
        self.call(CREATE, buffer(path.encode()) + buffer(b"") + OPEN_ACL + INT.pack(0))

    def walk(self, paths: list[bytes]) -> dict[bytes, Node]:
        """These nodes and all below, parents first, children in the order of their names."""
        found: dict[bytes, Node] = {}
        while paths:
            requests = []
            for path in paths:
                body = buffer(path)
                requests += [
                    (GET_DATA, body + b"\0"),
                    (GET_ACL, body),
                    (GET_CHILDREN, body + b"\0"),
                ]
            replies = self.calls(requests)
            below: list[bytes] = []
            for path, data, acl, children in zip(paths, *(replies[i::3] for i in range(3))):
                if data[0] or acl[0] or children[0]:
                    raise AdminError(f"cannot read {path!r}: {data[0]}, {acl[0]}, {children[0]}")
                found[path] = _node(data[1], acl[1])
                prefix = path.rstrip(b"/") + b"/"
                below += [prefix + name for name in sorted(_names(children[1]))]
            paths = below
        return found

    def shared(self) -> dict[str, Node]:
        requests = [
            (op, buffer(path.encode()) + tail)
            for path in SHARED
            for op, tail in ((GET_DATA, b"\0"), (GET_ACL, b""))
        ]
        replies = self.calls(requests)
        pairs = zip(SHARED, replies[::2], replies[1::2])
        return {path: _node(data[1], acl[1]) for path, data, acl in pairs}

    def clear(self, tree: dict[bytes, Node], shared: dict[str, Node]) -> None:
        """Delete every node of `tree` but the shared ones; those get their content back."""
        keep = {path.encode() for path in SHARED}
        doomed = [path for path in reversed(tree) if path not in keep]
        replies = self.calls([(DELETE, buffer(path) + ANY_VERSION) for path in doomed])
        if any(error for error, _ in replies):
            raise AdminError(
                f"cannot clear: {[(p, r[0]) for p, r in zip(doomed, replies) if r[0]]}"
            )
        for path, before in shared.items():
            now, name = tree[path.encode()], buffer(path.encode())
            if now.data != before.data:
                self.call(SET_DATA, name + buffer(before.data) + ANY_VERSION)
            if now.acl != before.acl:
                self.call(SET_ACL, name + before.acl + ANY_VERSION)

    def close(self) -> None:
        self.call(CLOSE_SESSION)
        self._link.close()


def _node(data: bytes, acl: bytes) -> Node:
    (size,) = INT.unpack_from(data)
    content = None if size < 0 else data[4 : 4 + size]
    stat = STAT.unpack_from(data, 4 + max(size, 0))
    vector = acl[: -STAT.size]
    return Node(content, stat, vector, tuple(sorted(_entries(vector))))


def _entries(vector: bytes) -> list[bytes]:
    """The single ACLs: permissions, scheme and id, in wire form."""
    (count,) = INT.unpack_from(vector)
    entries, at = [], 4
    for _ in range(count):
        end = at + 4
        for _ in ("scheme", "id"):
            end += 4 + max(INT.unpack_from(vector, end)[0], 0)
        entries.append(vector[at:end])
        at = end
    return entries


def _names(body: bytes) -> list[bytes]:
    (count,) = INT.unpack_from(body)
    names, at = [], 4
    for _ in range(count):
        (size,) = INT.unpack_from(body, at)
        names.append(body[at + 4 : at + 4 + size])
        at += 4 + size
    return names
