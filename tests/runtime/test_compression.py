from __future__ import annotations

import contextlib
import gzip
import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.persistence.storage import SnapshotUnreadable, StorageFailed
from zoo.runtime.compression import compressor, decompressing_reader

METHODS = ("", "gz", "snappy")


def compress(method: str, pieces: list[bytes]) -> bytes:
    machine = compressor(method)
    return b"".join([machine.compress(piece) for piece in pieces]) + machine.flush()


def decompress(method: str, content: bytes, at_once: int = 100_000) -> bytes:
    reader = decompressing_reader(io.BytesIO(content), method)
    return b"".join(iter(lambda: reader.read(at_once), b""))


@given(st.sampled_from(METHODS), st.lists(st.binary(max_size=300)), st.integers(1, 99_999))
def test_round_trip(method: str, pieces: list[bytes], at_once: int) -> None:
    assert decompress(method, compress(method, pieces), at_once) == b"".join(pieces)


@pytest.mark.parametrize("method", METHODS)
def test_larger_than_any_block(method: str) -> None:
    content = bytes(range(256)) * 4000
    assert decompress(method, compress(method, [content[:70_001], content[70_001:]])) == content


def test_the_formats() -> None:
    assert gzip.decompress(compress("gz", [b"hello"])) == b"hello"
    assert compress("snappy", [b"hello"]) == (b"\x82SNAPPY\0\0\0\0\1\0\0\0\1\0\0\0\7\x05\x10hello")


@pytest.mark.parametrize("method", ["gz", "snappy"])
def test_cut_anywhere_is_unreadable(method: str) -> None:
    whole = compress(method, [b"hello" * 100])
    for cut in range(len(whole)):
        if method == "snappy" and cut == 16:
            continue  # a header and no block: nothing in the format says that one must come
        with pytest.raises(SnapshotUnreadable):
            decompress(method, whole[:cut])


@pytest.mark.parametrize("method", ["gz", "snappy"])
@given(st.binary(max_size=100))
def test_garbage_is_unreadable(method: str, garbage: bytes) -> None:
    front = compress(method, [b"hello"])[: 10 if method == "gz" else 16]
    with pytest.raises(SnapshotUnreadable):
        decompress(method, garbage)
    with contextlib.suppress(SnapshotUnreadable):  # and nothing else escapes
        assert decompress(method, front + garbage) is not None


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(StorageFailed, match=r"pip install zoo\[snappy\]"):
        compressor("snappy")
    with pytest.raises(StorageFailed, match=r"pip install zoo\[snappy\]"):
        decompressing_reader(io.BytesIO(), "snappy")
