"""The snapshot's file format, ZooKeeper's to the byte; pure functions of bytes.

Theory of operation
-------------------
    FileHeader (magic "ZKSN", version int32 2, dbid int64 -1)
    sessions   int32 count, then id int64, timeout int32 (ms)
    ACLs       int32 count, then id int64, a vector of ACL
    nodes      path string, buffer data, ACL id int64, StatPersisted (60 bytes); a parent before its
               children, the root first with path ""; the path "/" ends them
    seal       int64 Adler-32 of everything before it, string "/"
    ZxidDigest zxid int64, version int32, digest int64; seal  (since 3.6, absent if switched off;
               zxid 0 when the server knew none)
    last zxid  int64; seal                                    (since 3.9, absent if switched off)

The checksum runs on over the seals, so the last seal of a file covers all of it: `validate`
parses nothing but the end.

In memory a node is its wire record (data + 68-byte Stat). StatPersisted is that Stat without
dataLength and numChildren, and its cversion counts child creations, where the wire's is
2 * creations - children. Hence the encoder needs nothing but the record, and the decoder yields
the record *of a node without children*: cversion 2 * creations, numChildren 0. Whoever loads a
tree subtracts n from cversion and adds n to numChildren of a node that turns out to have n
children.

A snapshot of ours is of one txn boundary. A Java server's is fuzzy: it may hold nodes newer than
its name says, up to the zxid of its digest; replaying the log from the name's zxid on mends that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from struct import Struct
from struct import error as StructError
from typing import NamedTuple
from zlib import adler32

from zoo.jute.records import ACL
from zoo.jute.schema import encode

HEADER = Struct(">4siq").pack(b"ZKSN", 2, -1)
SEAL = Struct(">qi1s")
END_OF_NODES = b"\0\0\0\x01/"
CHUNK = 1024 * 1024
# How much one chunk of an encoded snapshot may take: the server writes one per turn, and a turn
# must stay far below a heartbeat.
ENCODE_BYTES = 64 * 1024
ENCODE_NODES = 512
WIRE_STAT_SIZE = 68
# No path or data can be longer, whatever jute.maxbuffer was: a damaged length is not believed.
MAX_LENGTH = 256 * 1024 * 1024
NO_DIGEST_VERSION = 2

_INT = Struct(">i")
_LONG = Struct(">q")
_SESSION = Struct(">qi")
_ZXID_DIGEST = Struct(">qiq")
_CVERSION_AND_CHILDREN = Struct(">i16xi")  # at 36 in the wire Stat

_pack_int = _INT.pack
_pack_uint = Struct(">I").pack
_pack_long = _LONG.pack
_unpack_int = _INT.unpack_from
_cversion_and_children = _CVERSION_AND_CHILDREN.unpack_from


class ZxidDigest(NamedTuple):
    """The tree's digest (of ZooKeeper's digest version `version`) after the txn `zxid`."""

    zxid: int
    version: int
    digest: int


class InvalidSnapshot(Exception):
    """Bytes that are not a complete, undamaged snapshot; says what is wrong and where."""


def encode_node(path: bytes, record: bytes, acl_id: int) -> bytes:
    """A snapshot's bytes for one node, from its in-memory record."""
    cversion, children = _cversion_and_children(record, len(record) - 32)
    if path == b"/":
        path = b""
    if cversion or children:
        created = ((cversion + children) & 0xFFFFFFFF) >> 1
        return b"".join(
            (
                _pack_int(len(path)),
                path,
                record[:-68],
                _pack_long(acl_id),
                record[-68:-32],
                _pack_int(created),
                record[-28:-16],
                record[-8:],
            )
        )
    return b"".join(
        (
            _pack_int(len(path)),
            path,
            record[:-68],
            _pack_long(acl_id),
            record[-68:-16],
            record[-8:],
        )
    )


class SnapshotEncoder:
    """Encode one snapshot in slices.

    `nodes` yields `(path, record, acl_id)`, a parent before its children and the root b"/" first.
    `chunks()` yields bytes until the snapshot is complete; between two chunks the caller may do
    other work, as long as what `nodes` yields stays that of one txn boundary.
    """

    def __init__(
        self,
        sessions: Mapping[int, int],
        acls: Mapping[int, tuple[ACL, ...]],
        nodes: Iterable[tuple[bytes, bytes, int]],
        last_zxid: int,
        digest: ZxidDigest | None = None,
    ) -> None:
        self._front = _encode_sessions(sessions) + _encode_acls(acls)
        self._nodes = nodes
        self._digest = digest
        self._last_zxid = last_zxid

    def stream(self) -> Generator[bytes, None, None]:
        """What stands between a file's header and its first seal: what a leader sends as SNAP."""
        out: list[bytes] = []
        append = out.append
        size = 0
        try:
            yield self._front
            for path, record, acl_id in self._nodes:
                node = encode_node(path, record, acl_id)
                append(node)
                size += len(node)
                if size >= ENCODE_BYTES or len(out) >= ENCODE_NODES:
                    yield b"".join(out)
                    out.clear()
                    size = 0
            append(END_OF_NODES)
            yield b"".join(out)
        finally:  # at once: until then the tree saves what is replaced, and nobody else may read it
            if isinstance(self._nodes, Generator):
                self._nodes.close()

    def chunks(self) -> Generator[bytes, None, None]:
        """The file, slice by slice. Whoever does not want the rest closes it."""
        checksum = 1
        with closing(self.stream()) as pieces:
            piece = HEADER + next(pieces)
            for following in pieces:
                checksum = adler32(piece, checksum)
                yield piece
                piece = following
        yield piece + encode_end(adler32(piece, checksum), self._last_zxid, self._digest)


def encode_end(checksum: int, last_zxid: int, digest: ZxidDigest | None = None) -> bytes:
    """What follows a file's nodes; `checksum` is that of all before it."""
    # Java reads by position: the digest cannot be left out when the last zxid is to follow.
    digest = digest or ZxidDigest(0, NO_DIGEST_VERSION, 0)
    sections = (b"", _ZXID_DIGEST.pack(*digest), _pack_long(last_zxid))
    return b"".join(_sealed(sections, checksum))


def _sealed(sections: Iterable[bytes], checksum: int) -> Iterator[bytes]:
    for section in sections:
        checksum = adler32(section, checksum)
        seal = SEAL.pack(checksum, 1, b"/")
        checksum = adler32(seal, checksum)
        yield section
        yield seal


def _encode_sessions(sessions: Mapping[int, int]) -> bytes:
    pack = _SESSION.pack
    return _pack_int(len(sessions)) + b"".join([pack(*row) for row in sessions.items()])


def _encode_acls(acls: Mapping[int, tuple[ACL, ...]]) -> bytes:
    out = [_pack_int(len(acls))]
    for acl_id, entries in acls.items():
        out.append(_pack_long(acl_id) + _pack_int(len(entries)))
        out.extend(map(encode, entries))
    return b"".join(out)


class SnapshotEnd(NamedTuple):
    """What stands behind a snapshot's nodes; None where the file has no such section."""

    digest: ZxidDigest | None
    last_zxid: int | None

    def contains_up_to(self, named: int) -> int:
        """The newest txn that any node of the file may show, if its name is of the zxid `named`."""
        return max(named, self.digest.zxid if self.digest else 0, self.last_zxid or 0)


# The forms that a file's end can take: sizes of the sections, each of which a seal follows.
_END_FORMS = ((0, _ZXID_DIGEST.size, 8), (0, _ZXID_DIGEST.size), (0, 8), (0,))
_LONGEST_END = _ZXID_DIGEST.size + 8 + 3 * SEAL.size


def validate(read: Callable[[int], bytes]) -> SnapshotEnd:
    """Check a whole snapshot's header and seals; raises InvalidSnapshot.

    Runs at the speed of the checksum, in constant memory.
    """
    buffer = b""
    while len(buffer) < len(HEADER) and (chunk := read(CHUNK)):
        buffer += chunk
    if buffer[: len(HEADER) - 8] != HEADER[:-8]:
        raise InvalidSnapshot("this is not a snapshot of format ZKSN version 2")
    checksum = 1
    while chunk := read(CHUNK):
        buffer += chunk
        checksum = adler32(memoryview(buffer)[:-_LONGEST_END], checksum)
        buffer = buffer[-_LONGEST_END:]
    if len(buffer) < SEAL.size:
        raise InvalidSnapshot("it ends before its first seal")
    for form in _END_FORMS:
        if (end := _end_of_form(buffer, checksum, form)) is not None:
            return end
    _, length, slash = SEAL.unpack(buffer[-SEAL.size :])
    if (length, slash) != (1, b"/"):
        raise InvalidSnapshot("it is incomplete: it does not end with a seal")
    raise InvalidSnapshot("its checksum is wrong")


def _end_of_form(buffer: bytes, checksum: int, form: tuple[int, ...]) -> SnapshotEnd | None:
    """What `buffer`, a file's last bytes, holds; None when its seals do not stand as in `form`.

    `checksum` is that of everything before `buffer`.
    """
    start = len(buffer) - sum(form) - len(form) * SEAL.size
    if start < 0:
        return None
    checksum = adler32(memoryview(buffer)[:start], checksum)
    digest, last_zxid = None, None
    for size in form:
        section, seal = buffer[start : start + size], buffer[start + size :][: SEAL.size]
        checksum = adler32(section, checksum)
        if SEAL.unpack(seal) != (checksum, 1, b"/"):
            return None
        checksum = adler32(seal, checksum)
        start += size + SEAL.size
        if size == 8:
            (last_zxid,) = _LONG.unpack(section)
        elif size:
            found = ZxidDigest(*_ZXID_DIGEST.unpack(section))
            digest = found if found.zxid else None
    return SnapshotEnd(digest, last_zxid)


def decode_nodes(
    buffer: bytes, pos: int, found: list[tuple[bytes, bytes, int]], before: int
) -> tuple[int, bool]:
    """Append the nodes that are whole from `pos` on, as (path, record, ACL id).

    Returns the position behind them, and whether it is behind the end of all nodes. `before` bytes
    lie before the buffer, for messages. Raises InvalidSnapshot.
    """
    unpack_int, unpack_long = _unpack_int, _LONG.unpack_from
    pack_int, pack_uint, no_children = _pack_int, _pack_uint, bytes(4)
    append, size = found.append, len(buffer)
    try:
        while True:
            (length,) = unpack_int(buffer, pos)
            data = pos + 4 + length
            path = buffer[pos + 4 : data]
            if length == 1 and path == b"/":
                return data, True
            (data_length,) = unpack_int(buffer, data)
            acl = data + 4 + (data_length if data_length > 0 else 0)
            stat = acl + 8
            end = stat + 60
            if end > size:
                return pos, False
            if length < 0 or data_length < -1:
                raise InvalidSnapshot(f"at byte {before + pos}: a negative length")
            (created,) = unpack_int(buffer, stat + 36)
            cversion = pack_uint(created << 1 & 0xFFFFFFFF) if created else no_children
            record = b"".join(
                (
                    buffer[data:acl],
                    buffer[stat : stat + 36],
                    cversion,
                    buffer[stat + 40 : stat + 52],
                    pack_int(acl - data - 4),
                    no_children,
                    buffer[stat + 52 : end],
                )
            )
            append((path or b"/", record, unpack_long(buffer, acl)[0]))
            pos = end
    except StructError:
        return pos, False  # the node goes on behind the buffer's end


def check_lengths(buffer: bytes, pos: int, before: int) -> int:
    """Refuse a node whose lengths cannot be right before waiting for more because of them.

    Returns how many bytes it has at least.
    """
    start = pos
    for lowest in (0, -1):
        if pos + 4 > len(buffer):
            break
        (length,) = _unpack_int(buffer, pos)
        if not lowest <= length <= MAX_LENGTH:
            raise InvalidSnapshot(f"at byte {before + pos}: a length of {length} bytes")
        pos += 4 + max(length, 0)
    return pos - start


class SnapshotDecoder:
    """Decode one snapshot: first `sessions` and `acls`, then iterate `nodes()`, then the rest.

    `read(n)` returns up to n bytes, b"" at the end. The constructor reads sessions and ACLs;
    `nodes()` yields `(path, record, acl_id)` as SnapshotEncoder takes them, with the records of
    nodes without children (see the module's docstring) and b"/" for the root; when it is
    exhausted every seal has been checked and `digest` and `last_zxid` are set (None when
    the file has none). Raises InvalidSnapshot.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.sessions: dict[int, int] = {}
        self.acls: dict[int, tuple[ACL, ...]] = {}
        self.digest: ZxidDigest | None = None
        self.last_zxid: int | None = None
        self._read = read
        self._buffer = b""
        self._pos = 0
        self._checksum = 1  # of all that has left the buffer
        self._left = 0  # bytes that have left the buffer
        if self._take(len(HEADER))[:-8] != HEADER[:-8]:
            raise InvalidSnapshot("this is not a snapshot of format ZKSN version 2")
        for _ in range(self._count()):
            session, timeout = _SESSION.unpack(self._take(_SESSION.size))
            self.sessions[session] = timeout
        for _ in range(self._count()):
            acl_id = self._long()
            self.acls[acl_id] = tuple(self._acl() for _ in range(self._count()))

    def nodes(self) -> Iterator[tuple[bytes, bytes, int]]:
        while True:
            found: list[tuple[bytes, bytes, int]] = []
            self._pos, ended = decode_nodes(self._buffer, self._pos, found, self._left)
            yield from found
            if ended:
                self._tail()
                return
            check_lengths(self._buffer, self._pos, self._left)
            self._fill("a node")

    def _tail(self) -> None:
        """What follows the nodes: the seals and the two optional sections, told apart by size."""
        self._check_seal()
        while len(rest := self._buffer[self._pos :]) <= 64:
            if not self._fill():
                break
        sections = {
            0: (),
            8 + SEAL.size: (8,),
            _ZXID_DIGEST.size + SEAL.size: (20,),
            _ZXID_DIGEST.size + 8 + 2 * SEAL.size: (20, 8),
        }.get(len(rest))
        if sections is None:
            raise InvalidSnapshot(f"{len(rest)} bytes after the nodes' seal are no known form")
        for size in sections:
            if size == 8:
                self.last_zxid = self._long()
            else:
                digest = ZxidDigest(*_ZXID_DIGEST.unpack(self._take(size)))
                self.digest = digest if digest.zxid else None
            self._check_seal()

    def _check_seal(self) -> None:
        self._drop()
        checksum = self._checksum
        if SEAL.unpack(self._take(SEAL.size)) != (checksum, 1, b"/"):
            raise InvalidSnapshot(f"the seal before byte {self._left + self._pos} is wrong")

    def _acl(self) -> ACL:
        return ACL(self._int(), self._str(), self._str())

    def _int(self) -> int:
        return int(_INT.unpack(self._take(4))[0])

    def _long(self) -> int:
        return int(_LONG.unpack(self._take(8))[0])

    def _count(self) -> int:
        count = self._int()
        if count < 0:
            raise InvalidSnapshot(f"before byte {self._left + self._pos}: a count of {count}")
        return count

    def _str(self) -> str:
        length = self._int()
        if not -1 <= length <= MAX_LENGTH:
            raise InvalidSnapshot(f"before byte {self._left + self._pos}: a length of {length}")
        try:
            return self._take(max(length, 0)).decode()
        except UnicodeDecodeError as error:
            raise InvalidSnapshot(f"before byte {self._left + self._pos}: {error}") from None

    def _take(self, n: int) -> bytes:
        while len(self._buffer) - self._pos < n:
            self._fill("its front or tail")
        taken = self._buffer[self._pos : self._pos + n]
        self._pos += n
        return taken

    def _drop(self) -> None:
        """Forget what has been consumed, but for its checksum."""
        self._checksum = adler32(memoryview(self._buffer)[: self._pos], self._checksum)
        self._left += self._pos
        self._buffer = self._buffer[self._pos :]
        self._pos = 0

    def _fill(self, inside: str = "") -> bool:
        """Read on; at the end of the file return False, or raise when it is `inside` something."""
        self._drop()
        more = self._read(max(CHUNK, len(self._buffer)))
        self._buffer += more
        if inside and not more:
            raise InvalidSnapshot(f"it ends inside {inside}, at byte {self._left}")
        return bool(more)
