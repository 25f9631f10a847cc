"""What a znode's bytes are to the application."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Converter(NamedTuple, Generic[T]):
    """`to_bytes` gives what is stored (None: the znode has null data), `from_bytes` the inverse."""

    name: str
    to_bytes: Callable[[T], bytes | None]
    from_bytes: Callable[[bytes | None], T]


def _bytes_in(value: bytes) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(
        f"data must be bytes, not {type(value).__name__}; for text or JSON connect with data=TEXT "
        "or data=JSON"
    )


def _text_in(value: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"data must be str, not {type(value).__name__}: this client has data=TEXT")


BYTES: Converter[bytes] = Converter("bytes", _bytes_in, lambda data: data or b"")
"""Bytes as they are; a znode without data reads as b""."""
TEXT: Converter[str] = Converter("text", _text_in, lambda data: (data or b"").decode())
"""UTF-8."""
JSON: Converter[Any] = Converter(
    "json",
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
    lambda data: json.loads(data) if data else None,
)
"""JSON in UTF-8; a znode without data reads as None."""
