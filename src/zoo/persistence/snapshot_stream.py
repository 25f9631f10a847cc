"""The state that a leader sends as SNAP, taken in as it comes.

Theory of operation. The stream is a snapshot file's middle, from the sessions to the end of the
nodes: no header, no seals, no digest, no zxid; ZooKeeper 3.8 and 3.9 write the same. Its own
structure alone tells where it ends. (SnapshotEncoder.stream is the other direction.)

`StreamDecoder` takes bytes in whatever pieces and hands on at once what is whole, so that it holds
one unfinished item, never the state. What it returns for the disk are the same bytes with a header
before and seals behind them: a snapshot file that both servers read. The digest in it is "unknown":
a Java leader goes on applying transactions while it sends, and its nodes may be newer than the
stream's zxid.

Whatever a length or count claims, memory is taken only for bytes that have come.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from zlib import adler32

from zoo.errors import ProtocolViolation
from zoo.jute.records import ACL
from zoo.persistence.snapshot import (
    HEADER,
    InvalidSnapshot,
    check_lengths,
    decode_nodes,
    encode_end,
)

MAX_ACL_ENTRIES = 1 << 16
MAX_IDENTITY = 1 << 20
"""Bytes of a scheme or an id in an ACL."""

_INT = Struct(">i")
_SESSION = Struct(">qi")
_ACL_HEAD = Struct(">qi")

Node = tuple[bytes, bytes, int]


class StreamDecoder:
    """Decode the stream of the state at `zxid`.

    `sessions` (id -> timeout in ms) and `acls` (id -> entries) fill first and are complete before
    the first nodes. `nodes` are those that the last `feed` has completed, as (path, record, ACL
    id), the root b"/" first, a parent before its children, records as of a node without children
    (see zoo.persistence.snapshot). `ended` says that all have come.
    """

    def __init__(self, zxid: int) -> None:
        self.zxid = zxid
        self.sessions: dict[int, int] = {}
        self.acls: dict[int, tuple[ACL, ...]] = {}
        self.nodes: list[Node] = []
        self.ended = False
        self._taken = self._sessions_count
        self._left = 0  # sessions or ACLs that are still to come
        self._buffer = b""
        self._pos = 0
        self._before = 0  # bytes that have left the buffer
        self._pending: list[bytes] = []  # pieces of one item, until they can be enough for it
        self._missing = 0
        self._checksum = adler32(HEADER)
        self._header = HEADER

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Take bytes of the stream: (bytes of the snapshot file, rest).

        The rest is None while the stream goes on, and what stands behind it at its end. Raises
        ProtocolViolation for bytes that are no snapshot.
        """
        assert not self.ended, "fed behind its end"
        self.nodes = []
        self._missing -= len(data)
        if self._missing > 0:
            self._pending.append(data)
        else:
            self._buffer = b"".join((self._buffer[self._pos :], *self._pending, data))
            self._before += self._pos
            self._pos = self._missing = 0
            self._pending.clear()
            self._decode()
        rest = None
        if self.ended:
            rest = self._buffer[self._pos :]
            data = data[: len(data) - len(rest)]
            self._buffer = b""
        return self._to_file(data), rest

    def _to_file(self, data: bytes) -> bytes:
        self._checksum = adler32(data, self._checksum)
        header, self._header = self._header, b""
        if self.ended:
            return header + data + encode_end(self._checksum, self.zxid)
        return header + data if header else data

    def _decode(self) -> None:
        try:
            stage: Callable[[], bool] = self._taken
            while stage():
                stage = self._taken
        except InvalidSnapshot as error:
            raise ProtocolViolation(f"what follows SNAP is no snapshot: {error}") from error

    # --- the stages: each takes what is whole and returns whether the next one may go on

    def _sessions_count(self) -> bool:
        return self._count("sessions", self._some_sessions)

    def _some_sessions(self) -> bool:
        size = _SESSION.size
        whole = min(self._left, (len(self._buffer) - self._pos) // size)
        end = self._pos + whole * size
        self.sessions.update(_SESSION.iter_unpack(memoryview(self._buffer)[self._pos : end]))
        self._pos = end
        self._left -= whole
        if self._left:
            return False
        self._taken = self._acls_count
        return True

    def _acls_count(self) -> bool:
        return self._count("ACLs", self._some_acls)

    def _some_acls(self) -> bool:
        while self._left:
            if not self._one_acl():
                return False
            self._left -= 1
        self._taken = self._some_nodes
        return True

    def _some_nodes(self) -> bool:
        self._pos, self.ended = decode_nodes(self._buffer, self._pos, self.nodes, self._before)
        if not self.ended:
            needed = check_lengths(self._buffer, self._pos, self._before)
            self._missing = max(0, self._pos + needed - len(self._buffer))
        return False

    def _count(self, what: str, then: Callable[[], bool]) -> bool:
        if len(self._buffer) - self._pos < 4:
            return False
        (self._left,) = _INT.unpack_from(self._buffer, self._pos)
        if self._left < 0:
            raise InvalidSnapshot(f"at byte {self._before + self._pos}: {self._left} {what}")
        self._pos += 4
        self._taken = then
        return True

    def _one_acl(self) -> bool:
        """One id and its entries; False, and nothing taken, when they have not come whole."""
        buffer, pos = self._buffer, self._pos
        if len(buffer) - pos < _ACL_HEAD.size:
            return False
        acl_id, count = _ACL_HEAD.unpack_from(buffer, pos)
        if not -1 <= count <= MAX_ACL_ENTRIES:
            raise InvalidSnapshot(f"at byte {self._before + pos}: an ACL with {count} entries")
        pos += _ACL_HEAD.size
        entries = []
        for _ in range(count):
            if len(buffer) - pos < 4:
                return False
            (permissions,) = _INT.unpack_from(buffer, pos)
            pos += 4
            words = []
            for _ in range(2):
                word, pos = self._word(pos)
                if word is None:
                    return False
                words.append(word)
            entries.append(ACL(permissions, *words))
        self.acls[acl_id] = tuple(entries)
        self._pos = pos
        return True

    def _word(self, pos: int) -> tuple[str | None, int]:
        """A string at `pos` and the position behind it; None when it has not come whole."""
        buffer = self._buffer
        if len(buffer) - pos < 4:
            return None, pos
        (length,) = _INT.unpack_from(buffer, pos)
        if not -1 <= length <= MAX_IDENTITY:
            raise InvalidSnapshot(f"at byte {self._before + pos}: a length of {length} bytes")
        end = pos + 4 + max(length, 0)
        if end > len(buffer):
            return None, pos
        try:
            return buffer[pos + 4 : end].decode(), end
        except UnicodeDecodeError as error:
            raise InvalidSnapshot(f"at byte {self._before + pos}: {error}") from None
