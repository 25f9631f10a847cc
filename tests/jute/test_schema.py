from __future__ import annotations

import tracemalloc
from typing import NamedTuple

import pytest

from zoo.jute import schema
from zoo.jute.client_records import GetChildrenResponse, SetDataRequest
from zoo.jute.codec import JuteError, Reader
from zoo.jute.quorum_records import QuorumPacket
from zoo.jute.schema import Boolean, Buffer, Int, Long, NullableText, Path, Text, Trailing, record


@schema.register
class Pair(NamedTuple):
    left: Int
    right: Text


@record
class Everything:
    a: Int
    b: Long
    c: Boolean
    d: Buffer
    e: Path
    f: Text
    g: NullableText
    h: Pair
    i: list[Path]
    j: list[Pair] | None
    k: Trailing = None


SAMPLE = Everything(1, 2, True, None, b"/p", "t", None, Pair(3, "r"), [b"x", b""], [Pair(4, "s")])


def test_layout() -> None:
    assert schema.encode(SAMPLE).hex(" ", 4).replace(" ", "") == (
        "00000001" + "0000000000000002" + "01"
        "ffffffff" + "000000022f70" + "0000000174" + "ffffffff"
        "00000003" + "0000000172"
        "00000002" + "0000000178" + "00000000"
        "00000001" + "00000004" + "0000000173"
    )  # fmt: skip
    assert schema.decode(Everything, schema.encode(SAMPLE)) == SAMPLE


def test_min_size_is_the_sum_of_the_fields() -> None:
    assert schema.codec_of(Everything).min_size == 13 + 4 * 4 + 8 + 4 + 4


def test_trailing() -> None:
    plain = schema.encode(SAMPLE)
    SAMPLE_TRUE = Everything(1, 2, True, None, b"", "", None, Pair(0, ""), [], None, True)
    assert schema.decode(Everything, plain + b"\0").k is False
    assert schema.decode(Everything, schema.encode(SAMPLE_TRUE)) == SAMPLE_TRUE


def test_null_vector() -> None:
    empty = Everything(1, 2, True, None, b"", "", None, Pair(0, ""), [], None)
    data = schema.encode(empty)
    assert data.endswith(b"\0\0\0\0\xff\xff\xff\xff")
    assert schema.decode(Everything, data).j is None
    nulls = data[:-8] + b"\xff" * 8
    assert schema.decode(Everything, nulls) == empty


def test_reader_moves_on_and_stops_at_its_end() -> None:
    data = schema.encode(Pair(1, "a")) + schema.encode(Pair(2, "b"))
    reader = Reader(data)
    assert [schema.decode(Pair, reader) for _ in range(2)] == [Pair(1, "a"), Pair(2, "b")]
    reader.finish()
    with pytest.raises(JuteError, match="right: length 1 is not possible, 0 bytes left"):
        schema.decode(Pair, Reader(data, 0, 8))


def test_errors_name_the_field() -> None:
    with pytest.raises(JuteError, match=r"^type\.\.zxid: needs 12 bytes, 3 left$"):
        schema.decode(QuorumPacket, b"abc")
    with pytest.raises(JuteError, match="children: count 9 is not possible, 8 bytes left"):
        schema.decode(GetChildrenResponse, b"\0\0\0\x09" + bytes(8))


def test_huge_counts_allocate_nothing() -> None:
    tracemalloc.start()
    for count in (b"\x7f\xff\xff\xff", b"\x00\x10\x00\x00", b"\x80\0\0\0"):
        with pytest.raises(JuteError):
            schema.decode(GetChildrenResponse, count + bytes(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_records_are_slotted_dataclasses() -> None:
    request = SetDataRequest(b"/a", None, version=3)
    assert request == SetDataRequest(b"/a", None, 3)
    assert repr(request) == "SetDataRequest(path=b'/a', data=None, version=3)"
    assert not hasattr(request, "__dict__")


def test_a_type_that_is_not_jute_is_refused() -> None:
    with pytest.raises(AssertionError, match="field x: <class 'float'> is not a jute type"):

        @schema.register
        class Wrong(NamedTuple):
            x: float
