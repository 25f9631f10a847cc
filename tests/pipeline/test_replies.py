from __future__ import annotations

from zoo.jute.client_records import ReplyHeader, WatcherEvent
from zoo.jute.codec import Reader
from zoo.jute.schema import decode
from zoo.pipeline.replies import REPLY_SIZE, event_frame, reply_frame


def test_reply_frame() -> None:
    assert REPLY_SIZE == 16
    assert reply_frame(5, 6, -101, b"ab") == (
        b"\0\0\0\x12" + b"\0\0\0\5" + b"\0\0\0\0\0\0\0\6" + b"\xff\xff\xff\x9b" + b"ab"
    )


def test_event_frame() -> None:
    frame = event_frame(3, b"/a", 7)
    reader = Reader(frame, 4)
    assert frame[:4] == (len(frame) - 4).to_bytes(4, "big")
    assert decode(ReplyHeader, reader) == ReplyHeader(-1, 7, 0)
    assert decode(WatcherEvent, reader) == WatcherEvent(3, 3, b"/a")
    assert not reader.remaining
