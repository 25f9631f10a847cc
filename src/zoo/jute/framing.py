"""Frames: an int32 length, then so many bytes. For clients, peers and tests.

(The server's client connections parse in place instead, see zoo.server.)
"""

from __future__ import annotations

from zoo.errors import ProtocolViolation
from zoo.jute.codec import INT
from zoo.jute.constants import DEFAULT_MAX_BUFFER


def frame(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return INT.pack(len(payload)) + payload


class FrameReader:
    """Bytes in as they arrive, whole frames out.

    A length that is negative or above `limit` raises ProtocolViolation before its bytes are waited
    for, in a call of its own if whole frames came before it; the link is of no use after that.
    `limit` is jute.maxbuffer, in bytes.
    """

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int = DEFAULT_MAX_BUFFER) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now, in order."""
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        start, size = 0, len(buffer)
        while size - start >= 4:
            (length,) = INT.unpack_from(buffer, start)
            if not 0 <= length <= self.limit:
                if frames:
                    break  # what came before it first
                raise ProtocolViolation(
                    f"frame length {length} is outside 0..{self.limit} (jute.maxbuffer)"
                )
            stop = start + 4 + length
            if stop > size:
                break
            frames.append(bytes(buffer[start + 4 : stop]))
            start = stop
        del buffer[:start]
        return frames

    @property
    def pending(self) -> int:
        """Bytes held of a frame that is not complete."""
        return len(self._buffer)
