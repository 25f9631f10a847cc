from __future__ import annotations

from struct import Struct
from zlib import adler32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.persistence.history import ROOT, reader, record, snapshot_bytes
from zoo.jute.records import ACL
from zoo.persistence import snapshot
from zoo.persistence.snapshot import (
    InvalidSnapshot,
    SnapshotDecoder,
    SnapshotEncoder,
    ZxidDigest,
    encode_node,
    validate,
)

Node = tuple[bytes, bytes, int]
ACLS = {1: (ACL(31, "digest", "ü:x"), ACL(1, "world", "anyone")), 9: ()}

paths = st.text(min_size=1, max_size=12).map(lambda text: b"/" + text.encode())
nodes = st.tuples(
    paths, st.binary(max_size=80) | st.none(), st.integers(-1, 9), st.integers(0, 1 << 62)
)


@pytest.fixture(params=[100, 1 << 20], ids=["tiny-chunks", "one-chunk"], autouse=True)
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", request.param)
    monkeypatch.setattr(snapshot, "ENCODE_BYTES", request.param)


def decode(content: bytes, at_most: int = 1 << 30) -> tuple[SnapshotDecoder, list[Node]]:
    decoder = SnapshotDecoder(reader(content, at_most))
    return decoder, list(decoder.nodes())


def test_the_bytes_of_an_empty_snapshot() -> None:
    content = b"".join(SnapshotEncoder({}, {}, (), 0x2A).chunks())
    front = "5a4b534e 00000002 ffffffffffffffff 00000000 00000000 00000001 2f"
    assert content.startswith(bytes.fromhex(front))
    rest = content[len(bytes.fromhex(front)) :]
    assert rest[8:13] == b"\0\0\0\1/"
    assert rest[13:33] == Struct(">qiq").pack(0, 2, 0)
    assert rest[46:54] == Struct(">q").pack(0x2A)
    assert len(rest) == 67


def test_a_node_is_persisted_without_what_can_be_counted() -> None:
    encoded = encode_node(b"/a", record(b"xy", cversion=2 * 5 - 3, children=3, owner=77), 4)
    assert encoded[:6] == b"\0\0\0\2/a"
    assert encoded[6:12] == b"\0\0\0\2xy"
    assert Struct(">q").unpack(encoded[12:20]) == (4,)
    assert Struct(">qqqqiiiqq").unpack(encoded[20:]) == (
        1, 2, 1_700_000_000_000, 1_700_000_000_001, 3, 5, 2, 77, 3,
    )  # fmt: skip


@pytest.mark.parametrize("created", [0, 1, 5, (1 << 30) - 1, 1 << 30, (1 << 31) - 1])
@pytest.mark.parametrize("children", [0, 1, 1000])
def test_cversion_survives_also_where_the_wire_number_wraps(created: int, children: int) -> None:
    wire = (2 * created - children + (1 << 31)) % (1 << 32) - (1 << 31)
    content = snapshot_bytes(1, [(b"/", record(b"", cversion=wire, children=children), -1)])
    _, [(_, childless, _)] = decode(content)
    cversion, count = Struct(">i16xi").unpack_from(childless, len(childless) - 32)
    assert count == 0
    assert (cversion - 2 * created) % (1 << 32) == 0


@settings(max_examples=60)
@given(
    st.dictionaries(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 1 << 30), max_size=5),
    st.lists(nodes, max_size=12),
    st.integers(1, 300),
    st.none() | st.integers(1, 99),
)
def test_what_is_encoded_is_decoded(
    sessions: dict[int, int],
    drawn: list[tuple[bytes, bytes | None, int, int]],
    at_most: int,
    digest_zxid: int | None,
) -> None:
    given_nodes = [(b"/", ROOT, -1)]
    given_nodes += [(p, record(d, owner=z, zxid=z), a) for p, d, a, z in drawn]
    digest = ZxidDigest(digest_zxid, 2, -5) if digest_zxid else None
    encoder = SnapshotEncoder(sessions, ACLS, given_nodes, 42, digest)
    content = b"".join(encoder.chunks())
    validate(reader(content, at_most))
    decoder, found = decode(content, at_most)
    assert found == given_nodes
    assert (decoder.sessions, decoder.acls) == (sessions, ACLS)
    assert (decoder.digest, decoder.last_zxid) == (digest, 42)


def test_the_slices_of_a_large_snapshot_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "ENCODE_BYTES", 64 * 1024)
    many = [(b"/", ROOT, -1)] + [(b"/%d" % i, record(b"x" * 100), -1) for i in range(3000)]
    chunks = list(SnapshotEncoder({}, {}, many, 1).chunks())
    assert len(chunks) > 5
    assert max(map(len, chunks)) <= 64 * 1024 + 300


def test_older_releases_leave_sections_out() -> None:
    whole = snapshot_bytes(42, digest=ZxidDigest(7, 2, 8))
    for cut, digest in ((21, ZxidDigest(7, 2, 8)), (21 + 33, None)):
        decoder, found = decode(whole[:-cut])
        assert len(found) == 1
        assert (decoder.digest, decoder.last_zxid) == (digest, None)
        validate(reader(whole[:-cut]))


def test_a_digest_switched_off_leaves_only_the_last_zxid() -> None:
    whole = snapshot_bytes(42)
    nodes_end = len(whole) - 21 - 33
    checksum = adler32(whole[:nodes_end])
    last = Struct(">q").pack(42)
    checksum = adler32(last, checksum)
    decoder, _ = decode(whole[:nodes_end] + last + snapshot.SEAL.pack(checksum, 1, b"/"))
    assert (decoder.digest, decoder.last_zxid) == (None, 42)


def test_every_cut_but_at_a_section_is_invalid() -> None:
    whole = snapshot_bytes(42, [(b"/", ROOT, -1), (b"/a", record(b"data"), -1)], {1: 2})
    for cut in range(len(whole)):
        if len(whole) - cut in (21, 54):
            continue
        with pytest.raises(InvalidSnapshot):
            validate(reader(whole[:cut]))
        with pytest.raises(InvalidSnapshot):
            decode(whole[:cut])


def test_every_flipped_bit_is_noticed() -> None:
    whole = snapshot_bytes(42, [(b"/", ROOT, -1), (b"/a", record(b"data"), -1)], {1: 2})
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        with pytest.raises(InvalidSnapshot):
            validate(reader(bytes(damaged)))
        with pytest.raises(InvalidSnapshot):
            decode(bytes(damaged))


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_garbage_is_an_invalid_snapshot(garbage: bytes) -> None:
    with pytest.raises(InvalidSnapshot):
        decode(snapshot.HEADER + garbage)
    with pytest.raises(InvalidSnapshot):
        validate(reader(garbage))
