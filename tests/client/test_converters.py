from __future__ import annotations

import pytest

from zoo.client.converters import BYTES, JSON, TEXT


def test_there_and_back() -> None:
    assert BYTES.from_bytes(BYTES.to_bytes(b"a")) == b"a"
    assert BYTES.to_bytes(bytearray(b"a")) == b"a"  # type: ignore[arg-type]
    assert TEXT.from_bytes(TEXT.to_bytes("é")) == "é"
    assert JSON.from_bytes(JSON.to_bytes({"a": ["é", None]})) == {"a": ["é", None]}


def test_no_data() -> None:
    for data in (None, b""):
        assert BYTES.from_bytes(data) == b""
        assert TEXT.from_bytes(data) == ""
        assert JSON.from_bytes(data) is None


def test_wrong_types_say_what_to_do() -> None:
    with pytest.raises(TypeError, match="connect with data=TEXT"):
        BYTES.to_bytes("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="data must be str, not bytes"):
        TEXT.to_bytes(b"a")  # type: ignore[arg-type]
