from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ProtocolViolation
from zoo.jute.framing import FrameReader, frame


def test_frame() -> None:
    assert frame(b"abc") == b"\0\0\0\3abc"


@given(st.lists(st.binary(max_size=12), max_size=6), st.lists(st.integers(0, 100), max_size=6))
def test_frames_come_out_however_the_bytes_come_in(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader()
    out: list[bytes] = []
    for start, stop in pairwise(edges):
        out += reader.feed(stream[start:stop])
    assert out == payloads
    assert reader.pending == 0


def test_pending() -> None:
    reader = FrameReader()
    assert reader.feed(b"\0\0\0\1a\0\0") == [b"a"]
    assert reader.pending == 2


def test_limit_holds_before_the_bytes_arrive() -> None:
    reader = FrameReader(limit=10)
    assert reader.feed(frame(b"x" * 10)) == [b"x" * 10]
    with pytest.raises(
        ProtocolViolation, match=r"frame length 11 is outside 0\.\.10 \(jute\.maxbuffer\)"
    ):
        reader.feed(b"\0\0\0\x0b")


def test_negative_length() -> None:
    with pytest.raises(ProtocolViolation, match="frame length -1 "):
        FrameReader().feed(b"\xff\xff\xff\xff")
