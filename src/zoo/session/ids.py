"""Session ids and passwords, made as ZooKeeper makes them.

Theory of operation. An id is a signed 64-bit integer: the server's id in the top byte, then 40
bits of the clock in milliseconds at start, then a 16-bit counter that may run over into the
clock's bits. Ids are unique across an ensemble because server ids are, and across restarts because
the clock has moved on. That second promise breaks when the clock begins anew (a monotonic one does
at a reboot), so `SessionIds.next` also skips ids that are still in use.

A password is a function of the id alone: any member, Zoo or Java, can check it without shared
state. It is no secret from someone who knows an id; clients of ZooKeeper expect it nevertheless.
"""

from __future__ import annotations

from collections.abc import Container

from zoo.session.java_random import JavaRandom

CONTAINER_EPHEMERAL_OWNER = -(1 << 63)  # as an ephemeralOwner this number means "container"
MAX_SERVER_ID = 254  # a top byte of 0xff in an ephemeralOwner means "TTL"
PASSWORD_LENGTH = 16
NO_PASSWORD = bytes(PASSWORD_LENGTH)  # what a refused client is sent

_PASSWORD_SEED = 0xB3415C00
_SIGN = 1 << 63
_MASK = (1 << 64) - 1


def _signed(value: int) -> int:
    return ((value + _SIGN) & _MASK) - _SIGN


def initial_session_id(server_id: int, now_ms: int) -> int:
    """The first id of a server that starts at `now_ms`; 64-bit arithmetic wraps as in Java."""
    first = _signed(((now_ms << 24) & _MASK) >> 8 | (server_id << 56))
    return first + 1 if first == CONTAINER_EPHEMERAL_OWNER else first


class SessionIds:
    """Hands out session ids in ascending order, from one start of one server."""

    __slots__ = ("_next", "server_id")

    def __init__(self, server_id: int, now_ms: int) -> None:
        """`server_id` 0..254, `now_ms` any clock in ms. Raises ValueError for other server ids."""
        if not 0 <= server_id <= MAX_SERVER_ID:
            raise ValueError(f"server id {server_id} is not in 0..{MAX_SERVER_ID}: TTLs use 255")
        self.server_id = server_id
        self._next = initial_session_id(server_id, now_ms)

    def next(self, taken: Container[int] = ()) -> int:
        """An id that is not in `taken`, and neither 0 ("no session") nor the container mark."""
        session_id = self._next
        while session_id in (0, CONTAINER_EPHEMERAL_OWNER) or session_id in taken:
            session_id = _signed(session_id + 1)
        self._next = _signed(session_id + 1)
        return session_id


def password(session_id: int, length: int = PASSWORD_LENGTH) -> bytes:
    """The password of a session, signed or unsigned id alike."""
    return JavaRandom(session_id ^ _PASSWORD_SEED).next_bytes(length)


def password_matches(session_id: int, given: bytes) -> bool:
    """Whether `given` opens the session; id 0 is never a session."""
    return session_id != 0 and given == password(session_id)
