from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.tree import record
from zoo.tree.record import NULL_BLOB, StatView, node_digest, stat_of

MIN32, MAX32 = -(1 << 31), (1 << 31) - 1
MIN64, MAX64 = -(1 << 63), (1 << 63) - 1
TTL, BIG = -72057594037927836, 78187493520
WIDE = "/ä€𝄞/x".encode()  # in UTF-8 two, three and four bytes a character
WIRE = Struct(">qqqqiiiqiiq")

# Path, data, (czxid, mzxid, ctime, mtime, version, creates, aversion, owner, pzxid), and what
# ZooKeeper 3.9.5's DigestCalculator says.
DIGESTS: list[tuple[bytes, bytes | None, tuple[int, ...], int]] = [
    (b"", b"\x00", (TTL, BIG, TTL, MAX64, 7, MAX32 - 1, 1, MIN64, MIN64), 2896237726),
    (b"/", b"\x00", (MAX64, 0, 1, MIN64, 0, 0, 1, -1, 0), 956144445),
    (b"/a", b"\x00", (1, 1, 0, -1, MIN32, MAX32 - 1, 1, TTL, -1), 4122074038),
    (b"/zookeeper", b"hello", (BIG, -1, MIN64, MAX64, 0, 1, 1, BIG, MIN64), 337281737),
    (b"/zookeeper/", bytes(300), (TTL, 0, MIN64, 0, 1, 7, 1, MIN64, 0), 0),
    (b"/zookeeper/quota", b"", (0, -1, -1, 0, 1, 1, MAX32, MIN64, 1), 0),
    (b"/zookeeperx", b"", (TTL, MAX64, 1, -1, -1, 1, MAX32, TTL, -1), 2172539403),
    (
        WIDE,
        b"hello",
        (1, MAX64, 1, TTL, -1, MAX32 - 1, 7, 0, 0),
        1201957888,
    ),
    (b"/a/b/c", None, (1, BIG, MIN64, MIN64, MAX32, 0, -1, -1, 0), 3503014215),
    (b"", b"\x01\x02\x03", (TTL, MIN64, MIN64, TTL, MAX32, 0, -1, -1, MAX64), 2369740434),
    (b"/", None, (BIG, 1, MAX64, MAX64, MAX32, MAX32 - 1, 1, 0, 1), 3149089474),
    (b"/a", b"\x00", (0, 1, MAX64, TTL, MIN32, 1, -1, -1, -1), 2863014244),
    (b"/zookeeper", None, (TTL, 1, MAX64, BIG, MIN32, MAX32, 1, BIG, -1), 2914458378),
    (b"/zookeeperx", b"hello", (-1, TTL, MAX64, 0, -1, 7, -1, MIN64, MIN64), 2664011797),
    (
        WIDE,
        b"hello",
        (MIN64, MAX64, 1, TTL, -1, MAX32, 7, MIN64, BIG),
        1680992376,
    ),
    (b"/a/b/c", b"\x00", (1, TTL, 1, 1, 0, 0, 1, MIN64, 1), 4095901971),
    (b"", b"\x00", (1, 0, 1, 0, 0, MAX32, 0, TTL, MAX64), 1188480346),
    (b"/", b"\x00", (MIN64, TTL, 0, 0, 7, 7, 1, TTL, BIG), 1057114746),
    (b"/a", b"\x01\x02\x03", (0, MAX64, MAX64, BIG, 0, 1, MIN32, BIG, MAX64), 1812833920),
    (b"/zookeeper", None, (0, 0, 0, 0, 7, 7, 7, 1, MIN64), 3439465033),
    (b"/zookeeperx", None, (0, TTL, BIG, 0, 1, 7, 0, MIN64, MIN64), 3227067879),
    (
        WIDE,
        b"\x01\x02\x03",
        (-1, 1, 0, MAX64, 7, MAX32, MAX32, TTL, MAX64),
        3595358111,
    ),
    (b"/a/b/c", b"\x00", (-1, TTL, MIN64, MAX64, 7, 7, MAX32, 1, TTL), 1582614095),
    (b"", b"\x00", (MIN64, MAX64, -1, MIN64, 0, MAX32 - 1, MAX32, MIN64, MAX64), 2609228635),
    (b"/", b"", (TTL, -1, 0, BIG, 1, MAX32 - 1, MAX32, BIG, TTL), 2925187043),
    (b"/a", None, (MAX64, MIN64, MAX64, MAX64, MAX32, 1, 7, 1, 1), 1698140560),
    (b"/zookeeper", bytes(300), (0, MIN64, 0, 0, 1, 1, MIN32, 1, MIN64), 1915331961),
    (b"/zookeeperx", b"\x00", (0, -1, MIN64, 0, 1, 1, 1, TTL, BIG), 1758896847),
    (
        WIDE,
        b"\x01\x02\x03",
        (MAX64, MIN64, MAX64, 0, MIN32, MAX32, MAX32, -1, TTL),
        1705368650,
    ),
    (b"/a/b/c", None, (MAX64, -1, BIG, TTL, MIN32, MAX32 - 1, 1, TTL, MAX64), 1932605202),
    (b"", bytes(300), (0, -1, MAX64, MIN64, 7, 0, -1, 1, TTL), 1597558666),
    (b"/", b"\x01\x02\x03", (MAX64, BIG, 1, BIG, 1, MAX32 - 1, 7, 0, -1), 755846695),
    (b"/a", None, (0, MIN64, BIG, -1, -1, 1, 7, -1, MAX64), 649530017),
    (b"/zookeeper", b"\x00", (MAX64, -1, MIN64, 0, MAX32, MAX32 - 1, 0, BIG, MAX64), 1475053191),
]
# Creates, children, and Java's `creates * 2 - children` in 32 bits.
WIRE_CVERSIONS = [
    (0, 0, 0),
    (0, 2, -2),
    (1, 1, 1),
    (5, 2, 8),
    (1 << 30, 0, MIN32),
    (1 << 30, 1, MAX32),
    ((1 << 30) + 1, 2, MIN32),
    (MAX32 - 1, 0, -4),
    (MAX32, 0, -2),
    (MAX32, 1000, -1002),
]

int64 = st.integers(MIN64, MAX64)
int32 = st.integers(MIN32, MAX32)
counts = st.integers(0, MAX32)
datas = st.none() | st.binary(max_size=20)


def blob(data: bytes | None) -> bytes:
    return Struct(">i").pack(-1 if data is None else len(data)) + (data or b"")


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Any record whose node had at least as many creates as it has children."""
    data = draw(datas)
    creates = draw(counts)
    children = draw(st.integers(0, creates))
    cversion = record.wire_cversion(creates, children)
    ids = [draw(int64) for _ in range(4)]
    stat = (*ids, draw(int32), cversion, draw(int32), draw(int64))
    return blob(data) + WIRE.pack(*stat, len(data or b""), children, draw(int64))


@pytest.mark.parametrize(("path", "data", "stat", "digest"), DIGESTS)
def test_digests_are_those_of_the_java_server(
    path: bytes, data: bytes | None, stat: tuple[int, ...], digest: int
) -> None:
    *front, creates, aversion, owner, pzxid = stat
    for children in (0, 1, 3):
        cversion = record.wire_cversion(creates, children)
        size = len(data or b"")
        wire = WIRE.pack(*front, cversion, aversion, owner, size, children, pzxid)
        # Java knows the root under two names, Zoo under the longer one.
        assert node_digest(path or b"/", blob(data) + wire) == digest


@pytest.mark.parametrize(("creates", "children", "wire"), WIRE_CVERSIONS)
def test_wire_cversion_is_java_arithmetic(creates: int, children: int, wire: int) -> None:
    assert record.wire_cversion(creates, children) == wire
    assert record.creates_of(wire, children) == creates


@given(counts, counts)
def test_creates_come_back_from_the_wire(creates: int, children: int) -> None:
    assert record.creates_of(record.wire_cversion(creates, children), children) == creates


@given(records())
def test_fields_are_where_they_are_said_to_be(value: bytes) -> None:
    stat = stat_of(value)
    assert WIRE.pack(*stat) == value[-68:]
    assert record.blob_of(value) + value[-68:] == value
    assert record.blob_of(value) == blob(record.data_of(value))
    assert record.blob_size(record.blob_of(value)) == stat.data_length
    assert record.owner_of(value) == stat.ephemeral_owner
    assert record.children_count(value) == stat.num_children
    assert record.creates_under(value) == stat.creates
    assert stat.creates == record.creates_of(stat.cversion, stat.num_children)
    hidden = StatView._make(WIRE.unpack(record.without_owner(value[-68:])))
    assert hidden == stat._replace(ephemeral_owner=0)


@given(datas, int64, int64, int64)
def test_a_new_node(data: bytes | None, zxid: int, time: int, owner: int) -> None:
    value = record.new_record(blob(data), zxid, time, owner)
    size = len(data or b"")
    assert stat_of(value) == (zxid, zxid, time, time, 0, 0, 0, owner, size, 0, zxid)
    assert record.data_of(value) == data


@given(records(), datas, int32, int64, int64)
def test_other_data(value: bytes, data: bytes | None, version: int, zxid: int, time: int) -> None:
    changed = record.with_data(value, blob(data), version, zxid, time)
    size = len(data or b"")
    assert record.data_of(changed) == data
    expected = stat_of(value)._replace(version=version, mzxid=zxid, mtime=time, data_length=size)
    assert stat_of(changed) == expected
    both = record.with_data_and_digest(b"/p", value, blob(data), version, zxid, time)
    assert both == (changed, node_digest(b"/p", changed))
    restated = record.with_blob(value, blob(data))
    assert record.data_of(restated) == data
    assert stat_of(restated) == stat_of(value)._replace(data_length=size)


@given(records(), int32)
def test_another_aversion(value: bytes, aversion: int) -> None:
    changed = record.with_aversion(value, aversion)
    assert stat_of(changed) == stat_of(value)._replace(aversion=aversion)
    assert record.blob_of(changed) == record.blob_of(value)


@given(records(), counts, int64)
def test_a_new_child_never_takes_creates_back(value: bytes, creates: int, zxid: int) -> None:
    before = stat_of(value)
    if before.num_children == MAX32:
        return
    after = stat_of(record.with_new_child(value, creates, zxid))
    assert after.num_children == before.num_children + 1
    assert after.creates == max(before.creates, creates)
    assert after.pzxid == (zxid if creates > before.creates else before.pzxid)
    unchanged = before._replace(
        cversion=after.cversion, num_children=after.num_children, pzxid=after.pzxid
    )
    assert after == unchanged


@given(records(), int64)
def test_a_child_less_keeps_the_creates(value: bytes, zxid: int) -> None:
    before = stat_of(value)
    if before.num_children == 0:
        return
    after = stat_of(record.without_child(value, zxid))
    assert after.num_children == before.num_children - 1
    assert after.creates == before.creates
    assert after.cversion == record.wire_cversion(before.creates, after.num_children)
    assert after.pzxid == max(before.pzxid, zxid)


def test_the_last_create_and_the_deletes_after_it() -> None:
    value = record.new_record(NULL_BLOB, 1, 2, 0)
    full = record.with_new_child(value, MAX32, 7)
    assert stat_of(full).cversion == -3
    assert stat_of(full).creates == MAX32
    empty = record.without_child(full, 8)
    assert stat_of(empty).cversion == -2
    assert stat_of(empty).creates == MAX32
    assert record.data_of(empty) is None


@given(records(), st.integers(0, MAX32))
def test_a_snapshots_record_gets_its_children(value: bytes, count: int) -> None:
    creates = stat_of(value).creates
    size = stat_of(value).data_length
    bare = stat_of(value)._replace(cversion=record.wire_cversion(creates, 0), num_children=0)
    grown = record.with_children(value[: size + 4] + WIRE.pack(*bare), count)
    assert stat_of(grown).num_children == count
    assert stat_of(grown).creates == creates
    assert stat_of(grown).cversion == record.wire_cversion(creates, count)


def test_null_and_empty_stay_apart_but_have_one_digest() -> None:
    null, empty = (record.new_record(blob(data), 1, 2, 0) for data in (None, b""))
    assert (record.data_of(null), record.data_of(empty)) == (None, b"")
    assert stat_of(null) == stat_of(empty)
    assert node_digest(b"/a", null) == node_digest(b"/a", empty)


@given(records())
def test_what_is_below_zookeeper_has_no_digest(value: bytes) -> None:
    assert node_digest(b"/zookeeper/quota", value) == 0
    assert node_digest(b"/zookeeper/", value) == 0
    assert node_digest(b"/zookeeper", value) != node_digest(b"/zookeepers", value)
