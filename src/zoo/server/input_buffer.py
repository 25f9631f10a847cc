"""Bytes of a connection that cannot be handled yet."""

from __future__ import annotations


class InputBuffer:
    """Keeps pieces as they come and joins them once, when enough is there.

    Joining at every piece would make us copy a megabyte for each byte of a client that sends its
    frames byte by byte.
    """

    __slots__ = ("_missing", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._missing = 0

    def keep(self, rest: bytes, missing: int) -> None:
        """Put `rest` aside until `missing` more bytes have come; none: it is whole, but not now."""
        if rest:
            self.pieces.append(rest)
            self._missing = missing

    def add(self, data: bytes, paused: bool) -> bytes | None:
        """More bytes; returns all of them once they are enough, unless handling is paused."""
        self.pieces.append(data)
        self._missing -= len(data)
        if paused or self._missing > 0:
            return None
        joined = b"".join(self.pieces)
        self.pieces.clear()
        return joined

    def clear(self) -> None:
        self.pieces.clear()
