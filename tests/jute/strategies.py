"""Hypothesis strategies for records, derived from their schemas; what holds for every record."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest
from hypothesis import strategies as st

from zoo.jute import schema
from zoo.jute.codec import JuteError, Reader
from zoo.jute.schema import Field

_plain: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "trailing": st.none() | st.booleans(),
    "buffer": st.binary(max_size=20),
    "path": st.binary(max_size=20),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
}


def records(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, *map(_values, schema.codec_of(cls).fields))


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind == "record":
        assert field.record is not None
        return records(field.record)
    if field.kind == "vector":
        assert field.item is not None
        values = st.lists(_values(field.item), max_size=4)
    else:
        values = _plain[field.kind]
    return st.none() | values if field.nullable else values


def classes_of(module: ModuleType) -> list[type[Any]]:
    """The records that a module defines."""
    found = [cls for _, cls in inspect.getmembers(module, inspect.isclass)]
    return [cls for cls in found if cls.__module__ == module.__name__]


def check_round_trip(record: Any, tail: bytes) -> None:
    """Decoding gives the record back, stops at its end, and no shorter input will do."""
    cls = type(record)
    data = schema.encode(record)
    assert len(data) >= schema.codec_of(cls).min_size
    assert schema.decode(cls, data) == record
    trailing = schema.codec_of(cls).fields[-1].kind == "trailing"
    reader = Reader(b"?" + data + tail, 1, 1 + len(data) if trailing else None)
    assert schema.decode(cls, reader) == record
    assert reader.pos == 1 + len(data)
    for size in range(len(data) - trailing):
        with pytest.raises(JuteError):
            schema.decode(cls, Reader(data + tail, 0, size))


def check_hostile(cls: type[Any], data: bytes) -> None:
    """Any bytes are a record or a JuteError; and what was accepted can be written again."""
    try:
        record = schema.decode(cls, data)
    except JuteError:
        return
    assert schema.decode(cls, schema.encode(record)) == record
