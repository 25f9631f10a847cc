from __future__ import annotations

from collections.abc import Iterator

import pytest

from zoo.zab.learner_stream import STREAM_STEP, LearnerStream
from zoo.zab.link import PeerLink

PIECE = bytes(STREAM_STEP // 2)


class Source:
    def __init__(self, count: int) -> None:
        self.count = count
        self.made = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for _ in range(self.count):
                self.made += 1
                yield PIECE
        finally:
            self.is_closed = True


def drain(link: PeerLink) -> bytes:
    data = link.take_output()
    link.sent(len(data))
    return data


def test_without_a_stream_everything_goes_at_once() -> None:
    link = PeerLink("x", [])
    stream = LearnerStream(link)
    stream.send(b"one")
    assert link.take_output() == b"one"
    assert not stream.is_streaming


def test_a_short_stream_ends_in_the_call() -> None:
    link, ends = PeerLink("x", []), []
    stream = LearnerStream(link)
    stream.begin(iter([b"a", b"b"]), on_end=lambda: ends.append("end"))
    stream.send(b"c")
    assert link.take_output() == b"abc"
    assert ends == ["end"]
    assert link.on_drained is None


def test_a_long_stream_is_made_as_the_link_drains() -> None:
    link, calls, source = PeerLink("x", []), [], Source(10)
    stream = LearnerStream(link)
    stream.begin(iter(source), lambda: calls.append("step"), lambda: calls.append("end"))
    stream.send(b"behind")
    assert source.made == 2
    assert (stream.queued, stream.unsent) == (6, STREAM_STEP + 6)
    total = b""
    while data := drain(link):
        total += data
    assert total == PIECE * 10 + b"behind"
    assert calls == ["step"] * 5 + ["end"]
    assert (stream.queued, stream.unsent) == (0, 0)
    assert source.is_closed


def test_partly_sent_is_not_drained() -> None:
    link, source = PeerLink("x", []), Source(10)
    LearnerStream(link).begin(iter(source))
    link.take_output()
    link.sent(100)
    assert source.made == 2
    link.sent(STREAM_STEP - 100)
    assert source.made == 4


def test_close_lets_go_of_the_source() -> None:
    link, source = PeerLink("x", []), Source(10)
    stream = LearnerStream(link)
    stream.begin(iter(source))
    stream.send(b"behind")
    stream.close()
    assert source.is_closed
    assert stream.queued == 0
    drain(link)
    assert source.made == 2


def test_one_stream_at_a_time() -> None:
    stream = LearnerStream(PeerLink("x", []))
    stream.begin(iter(Source(10)))
    with pytest.raises(AssertionError, match="within a stream"):
        stream.begin(iter([]))
