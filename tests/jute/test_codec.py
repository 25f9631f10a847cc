from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ProtocolViolation
from zoo.jute.codec import JuteError, Reader, Writer

ints = st.integers(-(2**31), 2**31 - 1)
longs = st.integers(-(2**63), 2**63 - 1)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
buffers = st.none() | st.binary()


@given(ints, longs, st.booleans(), buffers, texts, st.none() | st.lists(buffers))
def test_round_trip(
    number: int,
    big: int,
    flag: bool,
    data: bytes | None,
    text: str | None,
    items: list[bytes | None] | None,
) -> None:
    w = Writer()
    w.int32(number).int64(big).boolean(flag).buffer(data).ustring(data).string(text)
    w.vector(items, w.buffer).raw(b"end")
    r = Reader(w.getvalue())
    assert r.int32() == number
    assert r.int64() == big
    assert r.boolean() is flag
    assert r.buffer() == data
    assert r.ustring() == data
    assert r.string() == text
    assert r.vector(r.buffer, item_size=4) == items
    assert r.remaining == 3
    assert r.rest() == b"end"
    r.finish()


def test_wire_form() -> None:
    w = Writer().int32(-2).int64(1).boolean(True).buffer(None).string("é")
    assert w.getvalue().hex() == "fffffffe000000000000000101ffffffff00000002c3a9"


def test_any_byte_but_zero_is_true() -> None:
    r = Reader(b"\0\1\2\xff")
    assert [r.boolean() for _ in range(4)] == [False, True, True, True]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_sources(kind: type[bytes]) -> None:
    value = Reader(kind(b"\0\0\0\1x")).buffer()
    assert value == b"x"
    assert type(value) is bytes


def test_bounds_are_the_slice_not_the_buffer() -> None:
    data = b"\0\0\0\2abcdef"
    assert Reader(data, 0, 6).buffer() == b"ab"
    with pytest.raises(JuteError, match=r"^name: length 2 is not possible, 1 bytes left$"):
        Reader(data, 0, 5).ustring("name")
    with pytest.raises(JuteError, match=r"^long: needs 8 bytes, 7 left$"):
        Reader(data, 0, 7).int64()


def test_errors_are_protocol_violations() -> None:
    assert issubclass(JuteError, ProtocolViolation)


@pytest.mark.parametrize("length", [-2, -(2**31), 4, 2**31 - 1])
def test_impossible_lengths(length: int) -> None:
    data = Writer().int32(length).raw(b"abc").getvalue()
    for read in (Reader(data).buffer, Reader(data).ustring, Reader(data).string):
        with pytest.raises(JuteError, match=f"length {length} is not possible, 3 bytes left"):
            read()


@pytest.mark.parametrize("count", [-2, -(2**31), 3, 2**31 - 1])
def test_impossible_counts(count: int) -> None:
    r = Reader(Writer().int32(count).raw(b"x" * 10).getvalue())
    with pytest.raises(JuteError, match=f"v: count {count} is not possible, 10 bytes left"):
        r.vector(r.int32, item_size=4, field="v")


def test_vector_limit() -> None:
    data = Writer().vector([1, 2, 3], lambda _: None).raw(b"abc").getvalue()
    r = Reader(data)
    with pytest.raises(JuteError, match="v: count 3 is above the limit 2"):
        r.vector(r.boolean, limit=2, field="v")
    assert Reader(data).vector(lambda: 0, limit=3) == [0, 0, 0]


def test_finish_insists() -> None:
    with pytest.raises(JuteError, match="reply: 2 bytes too many"):
        Reader(b"ab").finish("reply")


def test_huge_lengths_allocate_nothing() -> None:
    data = b"\x7f\xff\xff\xff" + b"x" * 16
    tracemalloc.start()
    for read in (Reader(data).buffer, Reader(data).string, lambda: Reader(data).vector(int)):
        with pytest.raises(JuteError):
            read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@given(st.binary(max_size=40), st.lists(st.integers(0, 6), max_size=8))
def test_hostile_bytes(data: bytes, calls: list[int]) -> None:
    r = Reader(data)
    reads = (r.int32, r.int64, r.boolean, r.buffer, r.ustring, r.string, lambda: r.vector(r.buffer))
    try:
        for call in calls:
            reads[call]()
    except JuteError:
        pass
    assert 0 <= r.pos <= len(data)
