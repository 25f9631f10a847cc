from __future__ import annotations

from zoo.pipeline.replies import REPLY_SIZE, reply_frame


def test_reply_frame() -> None:
    assert REPLY_SIZE == 16
    assert reply_frame(5, 6, -101, b"ab") == (
        b"\0\0\0\x12" + b"\0\0\0\5" + b"\0\0\0\0\0\0\0\6" + b"\xff\xff\xff\x9b" + b"ab"
    )
