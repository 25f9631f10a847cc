"""Jute's primitives: big-endian numbers, and length-prefixed buffers, strings and vectors.

Every length is checked against the bytes that are really there before anything is allocated. The
only negative length with a meaning is -1, null. `Reader` and `Writer` are for code that walks a
message by hand; whole records go through `zoo.jute.schema`, where the same rules are compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import NoReturn, TypeVar

from zoo.errors import ProtocolViolation

INT = Struct(">i")
LONG = Struct(">q")
BOOL = Struct(">?")

_unpack_int = INT.unpack_from
_unpack_long = LONG.unpack_from

T = TypeVar("T")


class JuteError(ProtocolViolation):
    """Bytes that are not a message: too short, or with a length that cannot be true."""


def fail_short(field: str, need: int, have: int) -> NoReturn:
    raise JuteError(f"{field}: needs {need} bytes, {have} left")


def fail_null(field: str) -> NoReturn:
    raise JuteError(f"{field}: must not be null")


def fail_length(field: str, length: int, have: int) -> NoReturn:
    raise JuteError(f"{field}: length {length} is not possible, {have} bytes left")


def fail_count(field: str, count: int, have: int, item_size: int) -> NoReturn:
    raise JuteError(
        f"{field}: count {count} is not possible, {have} bytes left, an item takes {item_size}"
    )


def read_buffer(buf: bytes, pos: int, end: int, field: str) -> tuple[bytes | None, int]:
    """One length-prefixed byte string at `pos`, and the position after it; None for null."""
    start = pos + 4
    if start > end:
        fail_short(field, 4, end - pos)
    (length,) = _unpack_int(buf, pos)
    if length < 0:
        if length == -1:
            return None, start
        fail_length(field, length, end - start)
    stop = start + length
    if stop > end:
        fail_length(field, length, end - start)
    return buf[start:stop], stop


def read_count(buf: bytes, pos: int, end: int, field: str, item_size: int) -> tuple[int, int]:
    """A vector's count at `pos` (-1 for null), and the position after it; `item_size` in bytes."""
    start = pos + 4
    if start > end:
        fail_short(field, 4, end - pos)
    (count,) = _unpack_int(buf, pos)
    if count < -1 or count * item_size > end - start:
        fail_count(field, count, end - start, item_size)
    return count, start


class Reader:
    """A cursor over `buf[pos:end]`; every method takes what it returns, or raises JuteError.

    `field` is the name to blame in the error's text.
    """

    __slots__ = ("buf", "end", "pos")

    def __init__(
        self, buf: bytes | bytearray | memoryview, pos: int = 0, end: int | None = None
    ) -> None:
        # Slices of bytes are bytes: one copy here at most, none later.
        self.buf = buf if isinstance(buf, bytes) else bytes(buf)
        self.pos = pos
        self.end = len(self.buf) if end is None else end
        assert 0 <= pos <= self.end <= len(self.buf), f"0 <= {pos} <= {end} <= {len(self.buf)}"

    @property
    def remaining(self) -> int:
        return self.end - self.pos

    def _take(self, size: int, field: str) -> int:
        pos = self.pos
        if pos + size > self.end:
            fail_short(field, size, self.end - pos)
        self.pos = pos + size
        return pos

    def int32(self, field: str = "int") -> int:
        value: int = _unpack_int(self.buf, self._take(4, field))[0]
        return value

    def int64(self, field: str = "long") -> int:
        value: int = _unpack_long(self.buf, self._take(8, field))[0]
        return value

    def boolean(self, field: str = "boolean") -> bool:
        """Any byte but zero is true, as in Java."""
        return self.buf[self._take(1, field)] != 0

    def buffer(self, field: str = "buffer") -> bytes | None:
        value, self.pos = read_buffer(self.buf, self.pos, self.end, field)
        return value

    def ustring(self, field: str = "ustring") -> bytes | None:
        """A string left as its UTF-8 bytes; None for null."""
        return self.buffer(field)

    def string(self, field: str = "string") -> str | None:
        """A string decoded; broken UTF-8 becomes U+FFFD, as in Java. None for null."""
        value = self.buffer(field)
        return None if value is None else value.decode("utf-8", "replace")

    def vector(
        self,
        read_item: Callable[[], T],
        limit: int | None = None,
        item_size: int = 1,
        field: str = "vector",
    ) -> list[T] | None:
        """A counted list, `read_item()` per item; None for null.

        `limit` bounds the count, `item_size` is the fewest bytes an item can take.
        """
        count, pos = read_count(self.buf, self.pos, self.end, field, item_size)
        if limit is not None and count > limit:
            raise JuteError(f"{field}: count {count} is above the limit {limit}")
        self.pos = pos
        return None if count < 0 else [read_item() for _ in range(count)]

    def rest(self) -> bytes:
        """All that is left."""
        pos, self.pos = self.pos, self.end
        return self.buf[pos : self.end]

    def finish(self, field: str = "message") -> None:
        """Insist that nothing is left."""
        if self.pos != self.end:
            raise JuteError(f"{field}: {self.end - self.pos} bytes too many")


class Writer:
    """Collects parts; `getvalue()` joins them. Numbers out of range are our bug: struct.error."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def int32(self, value: int) -> Writer:
        self.parts.append(INT.pack(value))
        return self

    def int64(self, value: int) -> Writer:
        self.parts.append(LONG.pack(value))
        return self

    def boolean(self, value: bool) -> Writer:
        self.parts.append(BOOL.pack(value))
        return self

    def buffer(self, value: bytes | None) -> Writer:
        if value is None:
            return self.int32(-1)
        self.parts += (INT.pack(len(value)), value)
        return self

    def ustring(self, value: bytes | None) -> Writer:
        return self.buffer(value)

    def string(self, value: str | None) -> Writer:
        return self.buffer(None if value is None else value.encode("utf-8", "replace"))

    def vector(self, items: Iterable[T] | None, write_item: Callable[[T], object]) -> Writer:
        if items is None:
            return self.int32(-1)
        listed = list(items)
        self.int32(len(listed))
        for item in listed:
            write_item(item)
        return self

    def raw(self, value: bytes) -> Writer:
        """Bytes that are encoded already."""
        self.parts.append(value)
        return self

    def getvalue(self) -> bytes:
        return b"".join(self.parts)
