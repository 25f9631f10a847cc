"""Java's ``java.util.Random``, as much of it as session passwords need.

Theory of operation. The generator is a 48-bit linear congruential one whose parameters and output
bits are part of Java's published contract, so its stream is a stable format: a Java member and a
Zoo member derive the same password from the same id, and a client may move between them.
"""

from __future__ import annotations

_MULTIPLIER = 0x5DEECE66D
_INCREMENT = 0xB
_MASK = (1 << 48) - 1


class JavaRandom:
    """The stream of ``new java.util.Random(seed)``; `seed` is a Java long, signed or not."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ _MULTIPLIER) & _MASK

    def next_int(self) -> int:
        """The next 32 bits as a signed int (``nextInt()``)."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        high = self._state >> 16
        return high - (1 << 32) if high & 0x80000000 else high

    def next_bytes(self, length: int) -> bytes:
        """`length` bytes (``nextBytes``): ints, least significant byte first, the last one cut."""
        words = (length + 3) // 4
        stream = b"".join(
            (self.next_int() & 0xFFFFFFFF).to_bytes(4, "little") for _ in range(words)
        )
        return stream[:length]
