"""A ZooKeeper link as bare bytes: what the wire carries, nothing hidden, nothing retried.

Written against ZooKeeper's jute file alone, not on top of zoo.jute, so that a mistake there shows.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import NamedTuple

INT = struct.Struct(">i")
LONG = struct.Struct(">q")
REPLY_HEADER = struct.Struct(">iqi")
STAT = struct.Struct(">qqqqiiiqiiq")
CONNECT = struct.Struct(">iqiq")
CONNECTED = struct.Struct(">iiq")

PING, CLOSE_SESSION, AUTH = 11, -11, 100
PING_XID, NOTIFICATION_XID = -2, -1


class LinkClosed(Exception):
    """The server ended the connection."""


class Silence(Exception):
    """Nothing came within the timeout."""


class Handshake(NamedTuple):
    """ConnectResponse; read_only is None when the server left the byte out."""

    protocol: int
    timeout_ms: int
    session_id: int
    password: bytes | None
    read_only: int | None
    trailing: bytes


def buffer(data: bytes | None) -> bytes:
    """A jute buffer or ustring: length (-1 for null), then the bytes."""
    return INT.pack(-1) if data is None else INT.pack(len(data)) + data


def header(xid: int, op: int) -> bytes:
    return INT.pack(xid) + INT.pack(op)


def framed(body: bytes) -> bytes:
    return INT.pack(len(body)) + body


def connect_request(
    *,
    timeout_ms: int = 30000,
    session_id: int = 0,
    password: bytes | None = bytes(16),
    last_zxid_seen: int = 0,
    protocol: int = 0,
    read_only: int | None = 0,
) -> bytes:
    """The body of a ConnectRequest; read_only None leaves the byte out, as old clients do."""
    fixed = CONNECT.pack(protocol, last_zxid_seen, timeout_ms, session_id)
    return fixed + buffer(password) + (b"" if read_only is None else bytes([read_only]))


def parse_handshake(frame: bytes) -> Handshake:
    protocol, timeout_ms, session_id = CONNECTED.unpack_from(frame)
    (length,) = INT.unpack_from(frame, CONNECTED.size)
    end = CONNECTED.size + 4 + max(length, 0)
    password = None if length < 0 else frame[CONNECTED.size + 4 : end]
    read_only = frame[end] if len(frame) > end else None
    return Handshake(protocol, timeout_ms, session_id, password, read_only, frame[end + 1 :])


class Link:
    """One TCP connection: frames out, frames in."""

    def __init__(self, address: tuple[str, int], timeout_s: float = 3.0) -> None:
        self._socket = socket.create_connection(address, timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A kernel timeout on a blocking socket costs one system call per read, settimeout two.
        self._socket.settimeout(None)
        limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        """Write `data` as it is. A link that the server has closed is noticed by the next read."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def receive(self) -> bytes:
        """The body of the next frame; LinkClosed or Silence when none comes."""
        have = self._buffer
        while len(have) < 4 or len(have) < 4 + INT.unpack_from(have)[0]:
            try:
                chunk = self._socket.recv(262144)
            except BlockingIOError:
                raise Silence(f"{len(have)} bytes of a frame: {bytes(have[:40])!r}") from None
            except ConnectionError:
                raise LinkClosed from None
            if not chunk:
                raise LinkClosed
            have += chunk
        end = 4 + INT.unpack_from(have)[0]
        frame = bytes(have[4:end])
        del have[:end]
        return frame

    def close(self) -> None:
        self._socket.close()
