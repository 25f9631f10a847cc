"""Pieces of frames are joined once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoo.server.input_buffer import InputBuffer


def test_nothing_comes_out_before_enough_is_there() -> None:
    buffer = InputBuffer()
    buffer.keep(b"ab", 3)
    assert buffer.add(b"c", paused=False) is None
    assert buffer.add(b"de", paused=False) == b"abcde"
    assert buffer.pieces == []


def test_a_pause_holds_back_what_is_whole() -> None:
    buffer = InputBuffer()
    buffer.keep(b"ab", 0)
    assert buffer.add(b"cd", paused=True) is None
    assert buffer.add(b"", paused=False) == b"abcd"


def test_an_empty_rest_leaves_no_trace() -> None:
    buffer = InputBuffer()
    buffer.keep(b"", 7)
    assert buffer.pieces == []
    assert buffer.add(b"x", paused=False) == b"x"


@given(st.lists(st.binary(max_size=5), max_size=20), st.integers(1, 40))
def test_no_byte_is_lost_or_doubled(pieces: list[bytes], missing: int) -> None:
    buffer = InputBuffer()
    buffer.keep(b"!", missing)
    came = b"!"
    for piece in pieces:
        came += piece
        out = buffer.add(piece, paused=False)
        assert (out is not None) == (len(came) - 1 >= missing)
        if out is not None:
            assert out == came
            return
    assert b"".join(buffer.pieces) == came
