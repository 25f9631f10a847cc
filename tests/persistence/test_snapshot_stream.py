"""SNAP: the same state in whatever pieces it comes, a snapshot file out of it, and no nonsense."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from struct import Struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.persistence.history import ROOT, reader, record
from zoo.errors import ProtocolViolation
from zoo.jute.records import ACL
from zoo.persistence.snapshot import SnapshotDecoder, SnapshotEncoder, validate
from zoo.persistence.snapshot_stream import MAX_ACL_ENTRIES, MAX_IDENTITY, Node, StreamDecoder
from zoo.tree.data_tree import DataTree

GOLDEN = Path(__file__).parent / "data" / "snap-3.9.5.bin"
"""What a leader of ZooKeeper 3.9.5 sent as SNAP, from behind the packet to the signature."""
GOLDEN_ZXID = 0x100000011
SIGNATURE = b"\0\0\0\x0aBenWasHere"

ACLS = {1: (ACL(31, "digest", "ü:x"), ACL(1, "world", "anyone")), 9: ()}
SESSIONS = {1: 4000, -5: 40_000, 1 << 62: 6000}
NODES: list[Node] = [
    (b"/", ROOT, -1),
    (b"/a", record(b"data" * 40), 1),
    (b"/a/b", record(None), 9),
    (b"/a/c", record(b""), -1),
]

_int = Struct(">i").pack


class Taken:
    """A whole stream taken in pieces."""

    def __init__(self, zxid: int, pieces: Iterable[bytes]) -> None:
        self.decoder = decoder = StreamDecoder(zxid)
        self.nodes: list[Node] = []
        self.file = b""
        self.rest: bytes | None = None
        for piece in pieces:
            if self.rest is not None:
                self.rest += piece
                continue
            out, self.rest = decoder.feed(piece)
            self.file += out
            self.nodes += decoder.nodes


def cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Pieces of these sizes, and what is left as the last one."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def encoder(nodes: list[Node] | None = None) -> SnapshotEncoder:
    return SnapshotEncoder(SESSIONS, ACLS, NODES if nodes is None else nodes, 42)


STREAM = b"".join(encoder().stream())


@settings(max_examples=150)
@given(st.lists(st.integers(0, 90), max_size=40))
def test_any_pieces_give_the_same_state_and_file(sizes: list[int]) -> None:
    taken = Taken(42, cut(STREAM + SIGNATURE + b"more", sizes))
    assert taken.decoder.sessions == SESSIONS
    assert taken.decoder.acls == ACLS
    assert taken.nodes == NODES
    assert taken.rest == SIGNATURE + b"more"
    assert taken.file == b"".join(encoder().chunks())


def test_byte_by_byte() -> None:
    taken = Taken(42, [STREAM[i : i + 1] for i in range(len(STREAM))])
    assert (taken.nodes, taken.rest) == (NODES, b"")
    assert taken.file == b"".join(encoder().chunks())


def test_front_and_nodes_come_before_the_end() -> None:
    decoder = StreamDecoder(42)
    half = STREAM.index(b"/a/b")
    assert decoder.feed(STREAM[:half])[1] is None
    assert (decoder.sessions, decoder.acls) == (SESSIONS, ACLS)
    assert decoder.nodes == NODES[:2]
    assert not decoder.ended


def test_a_big_node_is_put_together_once() -> None:
    big = [(b"/", ROOT, -1), (b"/big", record(b"x" * 3_000_000), -1)]
    stream = b"".join(encoder(big).stream())
    pieces = [stream[i : i + 1000] for i in range(0, len(stream), 1000)]
    assert Taken(42, pieces).nodes == big


# --- Java's


def test_the_stream_of_a_java_leader(tmp_path: Path) -> None:
    stream = GOLDEN.read_bytes()
    taken = Taken(GOLDEN_ZXID, cut(stream, [100] * 12))
    assert taken.rest == SIGNATURE
    decoder = taken.decoder
    assert sorted(decoder.sessions.values()) == [10_000, 10_000]
    data = {path: node[4:-68] for path, node, _ in taken.nodes}
    assert data[b"/a"] == b"second"
    assert data[b"/big"] == bytes(range(256)) * 8
    assert data[b"/deep/0/1/2/3/4"] == b"4"
    assert b"/a/null" not in data
    acl_id = next(acl_id for path, _, acl_id in taken.nodes if path == b"/acl")
    assert [(acl.perms, acl.scheme) for acl in decoder.acls[acl_id]] == [(31, "digest"), (1, "ip")]
    validate(reader(taken.file))
    again = SnapshotDecoder(reader(taken.file))
    assert list(again.nodes()) == taken.nodes
    assert (again.sessions, again.acls) == (decoder.sessions, decoder.acls)
    assert (again.digest, again.last_zxid) == (None, GOLDEN_ZXID)


def test_a_tree_of_a_java_leaders_stream_streams_the_same_bytes() -> None:
    stream = GOLDEN.read_bytes().removesuffix(SIGNATURE)
    taken = Taken(GOLDEN_ZXID, [stream])
    tree = DataTree(lambda *_: None)
    tree.restore(taken.decoder.acls.items(), taken.nodes, GOLDEN_ZXID)
    nodes = [(path, tree.nodes[path], acl_id) for path, _, acl_id in taken.nodes]
    front = taken.decoder.sessions, taken.decoder.acls  # all of them: Java sends unused ACLs, too
    ours = SnapshotEncoder(*front, nodes, GOLDEN_ZXID)
    assert b"".join(ours.stream()) == stream


# --- nonsense

FRONT = _int(0) + _int(0)


@pytest.mark.parametrize(
    "stream",
    [
        _int(-1),
        _int(0) + _int(-7),
        _int(0) + _int(1) + bytes(8) + _int(MAX_ACL_ENTRIES + 1),
        _int(0) + _int(1) + bytes(8) + _int(1) + _int(31) + _int(MAX_IDENTITY + 1),
        _int(0) + _int(1) + bytes(8) + _int(1) + _int(31) + _int(-2),
        _int(0) + _int(1) + bytes(8) + _int(1) + _int(31) + _int(1) + b"\xff" + _int(0),
        FRONT + _int(-1),
        FRONT + _int(1 << 30),
        FRONT + _int(2) + b"/a" + _int(1 << 30),
        FRONT + _int(2) + b"/a" + _int(-2),
        FRONT + _int(-1) + bytes(200),
    ],
)
def test_lengths_that_cannot_be(stream: bytes) -> None:
    with pytest.raises(ProtocolViolation, match=r"what follows SNAP is no snapshot: .*at byte"):
        Taken(1, [stream])
    with pytest.raises(ProtocolViolation):
        Taken(1, [stream[i : i + 1] for i in range(len(stream))])


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, len(STREAM)))
def test_garbage_ends_waits_or_is_refused(garbage: bytes, kept: int) -> None:
    taken = StreamDecoder(1)
    try:
        _, rest = taken.feed(STREAM[:kept] + garbage)
    except ProtocolViolation:
        return
    assert taken.ended == (rest is not None)


def test_a_large_count_takes_no_memory() -> None:
    decoder = StreamDecoder(1)
    assert decoder.feed(_int(0x7FFFFFFF) + bytes(24)) == (
        b"ZKSN" + _int(2) + b"\xff" * 8 + _int(0x7FFFFFFF) + bytes(24),
        None,
    )
    assert decoder.sessions == {0: 0}
