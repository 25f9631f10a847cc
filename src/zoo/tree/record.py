"""A znode as one immutable `bytes` value, and every change of it as a function from bytes to bytes.

Theory of operation. A record is exactly the body of a GetDataResponse: int32 data length, data,
68-byte wire Stat. So getData answers with a header and this object, untouched; a hundred-byte znode
costs 208 bytes; an immutable record can be shared with a snapshot, an outstanding change and a
reply at the same time.

Two numbers differ between the wire and ZooKeeper's memory. What ZooKeeper persists as `cversion`
counts only the creates of children; what clients see counts creates and deletes: `wire = 2 *
creates - numChildren`. We keep the wire form and derive `creates` where a sequence number or a file
needs it.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

from zoo.jute.records import Stat

STAT = Struct(">qqqqiiiqiiq")
STAT_SIZE = STAT.size  # 68
LENGTH = Struct(">i")
EMPTY_BLOB = LENGTH.pack(0)
NULL_BLOB = LENGTH.pack(-1)
MAX_INT32 = 0x7FFFFFFF

pack_digest_stat = Struct(">qqqqqiiiq").pack
OWNER_AT_END = 24  # ephemeralOwner starts this many bytes before the end of a record
VERSION_AT_END = STAT_SIZE - 32  # and version this many
_OWNER = Struct(">q")
_NO_OWNER = bytes(8)
_COUNT = Struct(">i")
_CVERSION_AND_COUNT = Struct(">i16xi")  # at 32 bytes before the end of a record

SYSTEM_SUBTREE = b"/zookeeper/"
DIGEST_VERSION = 2

unpack_stat = STAT.unpack_from
pack_stat = STAT.pack


class StatView(Stat):
    """A wire Stat with the number that ZooKeeper persists instead of its cversion."""

    __slots__ = ()

    @property
    def creates(self) -> int:
        """How many children were ever created: ZooKeeper's persisted cversion and next sequence
        number.
        """
        return creates_of(self.cversion, self.num_children)


def stat_of(record: bytes) -> StatView:
    return StatView._make(unpack_stat(record, len(record) - STAT_SIZE))


def blob_of(record: bytes) -> bytes:
    """The data with its length in front, as requests, transactions and files carry it."""
    return record[:-STAT_SIZE]


def data_of(record: bytes) -> bytes | None:
    """The data; None where the client stored a null, which ZooKeeper keeps apart from empty."""
    return None if record[0] & 0x80 else record[4:-STAT_SIZE]


def blob_size(blob: bytes) -> int:
    return len(blob) - 4


def owner_of(record: bytes) -> int:
    """ephemeralOwner: 0, a session, a container's or a TTL's encoding."""
    owner: int = _OWNER.unpack_from(record, len(record) - OWNER_AT_END)[0]
    return owner


def children_count(record: bytes) -> int:
    count: int = _COUNT.unpack_from(record, len(record) - 12)[0]
    return count


def creates_under(record: bytes) -> int:
    """How many children this node ever had: the next sequence number under it."""
    cversion, count = _CVERSION_AND_COUNT.unpack_from(record, len(record) - 32)
    creates: int = ((cversion + count) & 0xFFFFFFFF) >> 1
    return creates


def creates_of(wire_cversion: int, num_children: int) -> int:
    # Java computes 2 * creates - n in 32 bits; creates never passes 2**31 - 1 here, so this undoes
    # it exactly.
    return ((wire_cversion + num_children) & 0xFFFFFFFF) >> 1


def wire_cversion(creates: int, num_children: int) -> int:
    value = (2 * creates - num_children) & 0xFFFFFFFF
    return value - 0x100000000 if value > MAX_INT32 else value


def new_record(blob: bytes, zxid: int, time: int, owner: int) -> bytes:
    size = len(blob) - 4
    return blob + pack_stat(zxid, zxid, time, time, 0, 0, 0, owner, size, 0, zxid)


def with_children(record: bytes, count: int) -> bytes:
    """A record that counts no children yet, as snapshots are read, with `count` of them."""
    stat = stat_of(record)
    cversion = wire_cversion(stat.creates, count)
    return record[:-STAT_SIZE] + pack_stat(*stat._replace(cversion=cversion, num_children=count))


def new_record_and_digest(
    path: bytes, blob: bytes, zxid: int, time: int, owner: int
) -> tuple[bytes, int]:
    """`new_record` and its `node_digest`; not for paths below /zookeeper."""
    record = blob + pack_stat(zxid, zxid, time, time, 0, 0, 0, owner, len(blob) - 4, 0, zxid)
    stat = pack_digest_stat(zxid, zxid, zxid, time, time, 0, 0, 0, owner)
    return record, crc32(stat, crc32(blob[4:], crc32(path)))


def with_data(record: bytes, blob: bytes, version: int, zxid: int, time: int) -> bytes:
    czxid, _, ctime, _, _, cversion, aversion, owner, _, count, pzxid = unpack_stat(
        record, len(record) - STAT_SIZE
    )
    return blob + pack_stat(
        czxid,
        zxid,
        ctime,
        time,
        version,
        cversion,
        aversion,
        owner,
        len(blob) - 4,
        count,
        pzxid,
    )


def with_blob(record: bytes, blob: bytes) -> bytes:
    """Other data under the same Stat: only quota statistics change so."""
    stat = stat_of(record)._replace(data_length=len(blob) - 4)
    return blob + pack_stat(*stat)


def with_data_and_digest(
    path: bytes, record: bytes, blob: bytes, version: int, zxid: int, time: int
) -> tuple[bytes, int]:
    """`with_data` and `node_digest` of its result in one, since most writes are this one.

    Not for paths below /zookeeper, whose digest is 0, nor for the root.
    """
    czxid, _, ctime, _, _, cversion, aversion, owner, _, count, pzxid = unpack_stat(
        record, len(record) - STAT_SIZE
    )
    new = blob + pack_stat(
        czxid, zxid, ctime, time, version, cversion, aversion, owner, len(blob) - 4, count, pzxid
    )
    creates = ((cversion + count) & 0xFFFFFFFF) >> 1
    stat = pack_digest_stat(czxid, zxid, pzxid, ctime, time, version, creates, aversion, owner)
    return new, crc32(stat, crc32(blob[4:], crc32(path)))


def with_aversion(record: bytes, aversion: int) -> bytes:
    stat = stat_of(record)._replace(aversion=aversion)
    return record[:-STAT_SIZE] + pack_stat(*stat)


def with_new_child(record: bytes, creates: int, zxid: int) -> bytes:
    """The parent after a create; an older `creates` (a replayed create) changes neither it nor
    pzxid.
    """
    return with_new_child_and_digest(b"", record, creates, zxid)[0]


def with_new_child_and_digest(
    path: bytes, record: bytes, creates: int, zxid: int
) -> tuple[bytes, int]:
    """`with_new_child` and `node_digest` of its result; not for paths below /zookeeper."""
    at = len(record) - STAT_SIZE
    czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, size, count, pzxid = (
        unpack_stat(record, at)
    )
    before = ((cversion + count) & 0xFFFFFFFF) >> 1
    if creates > before:
        before, pzxid = creates, zxid
    count += 1
    cversion = (2 * before - count) & 0xFFFFFFFF
    if cversion > MAX_INT32:
        cversion -= 0x100000000
    new = record[:at] + pack_stat(
        czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, size, count, pzxid
    )
    stat = pack_digest_stat(czxid, mzxid, pzxid, ctime, mtime, version, before, aversion, owner)
    return new, crc32(stat, crc32(record[4:at], crc32(path if path != b"/" else b"")))


def without_child(record: bytes, zxid: int) -> bytes:
    """The parent after a delete."""
    at = len(record) - STAT_SIZE
    czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, size, count, pzxid = (
        unpack_stat(record, at)
    )
    creates = ((cversion + count) & 0xFFFFFFFF) >> 1
    count -= 1
    return record[:at] + pack_stat(
        czxid,
        mzxid,
        ctime,
        mtime,
        version,
        wire_cversion(creates, count),
        aversion,
        owner,
        size,
        count,
        max(pzxid, zxid),
    )


def without_owner(stat: bytes) -> bytes:
    """A wire Stat with ephemeralOwner 0."""
    return stat[:-OWNER_AT_END] + _NO_OWNER + stat[8 - OWNER_AT_END :]


def node_digest(path: bytes, record: bytes) -> int:
    """ZooKeeper 3.9's digest of one znode: a CRC32 over path, data and Stat; 0 below /zookeeper."""
    if path.startswith(SYSTEM_SUBTREE):
        return 0
    at = len(record) - STAT_SIZE
    czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, _, count, pzxid = unpack_stat(
        record, at
    )
    stat = pack_digest_stat(
        czxid,
        mzxid,
        pzxid,
        ctime,
        mtime,
        version,
        ((cversion + count) & 0xFFFFFFFF) >> 1,
        aversion,
        owner,
    )
    # Java digests the root under its other name, the empty path.
    return crc32(stat, crc32(record[4:at], crc32(path if path != b"/" else b"")))
