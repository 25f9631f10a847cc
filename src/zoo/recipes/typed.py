"""Dataclasses to JSON and back, checked against their annotations.

Known are bool, int, float, str, Decimal, None, Enum (by name), Literal, unions, list, tuple, set,
frozenset, dict with str keys, and dataclasses of these. Every error names the field: "limits.max:
an int is needed, not 'x'".
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Literal, Union


class BadSettingsError(ValueError):
    """Settings that do not fit their class, or that its owner refuses."""


def reason(error: Exception) -> str:
    """What it says; with its type where that says more, as for decimal.InvalidOperation."""
    return str(error) if isinstance(error, TypeError | ValueError) else repr(error)


def encode(value: Any) -> Any:
    """What json.dumps takes; the inverse of `decode`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(encode, value))
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    return value


def decode(kind: Any, raw: Any, where: str = "") -> Any:
    """A value of the annotated kind. Raises BadSettingsError."""
    if kind is Any:
        return raw
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, raw, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, raw, where)
    origin = typing.get_origin(kind) or kind
    reader = _READERS.get(origin)
    if reader is None:
        raise TypeError(f"{where}: settings cannot be of type {kind!r}")
    return reader(kind, raw, where)


def _wrong(where: str, needed: str, raw: Any) -> BadSettingsError:
    return BadSettingsError(f"{where or 'settings'}: {needed} is needed, not {raw!r}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _dataclass(kind: Any, raw: Any, where: str) -> Any:
    """Fields it does not know are left out: a newer release may have added them."""
    if not isinstance(raw, dict):
        raise _wrong(where, f"an object with the fields of {kind.__name__}", raw)
    known = {field.name for field in dataclasses.fields(kind) if field.init}
    dot = f"{where}." if where else ""
    values = {
        name: decode(_hints(kind)[name], each, dot + name)
        for name, each in raw.items()
        if name in known
    }
    try:
        return kind(**values)
    except BadSettingsError:
        raise
    except Exception as error:  # a field is missing, or __post_init__ refuses, in whatever way
        raise BadSettingsError(f"{where or kind.__name__}: {reason(error)}") from error


def _member(kind: type[Enum], raw: Any, where: str) -> Enum:
    try:
        return kind[raw]
    except (KeyError, TypeError):
        raise _wrong(where, f"one of {', '.join(kind.__members__)}", raw) from None


def _exactly(name: str, *accepted: type) -> Callable[[Any, Any, str], Any]:
    def read(kind: Any, raw: Any, where: str) -> Any:
        if type(raw) not in accepted:
            raise _wrong(where, name, raw)
        try:
            return kind(raw) if kind is float else raw
        except OverflowError:
            raise _wrong(where, f"{name} of less than 309 digits", raw) from None

    return read


def _decimal(_: Any, raw: Any, where: str) -> Decimal:
    try:
        if isinstance(raw, str):
            return Decimal(raw)
    except InvalidOperation:
        pass
    raise _wrong(where, "a decimal number as a string", raw)


def _literal(kind: Any, raw: Any, where: str) -> Any:
    for each in typing.get_args(kind):
        if each == raw and type(each) is type(raw):
            return raw
    raise _wrong(where, f"one of {', '.join(map(repr, typing.get_args(kind)))}", raw)


def _union(kind: Any, raw: Any, where: str) -> Any:
    problems = []
    for each in typing.get_args(kind):
        try:
            return decode(each, raw, where)
        except BadSettingsError as error:
            problems.append(str(error))
    raise BadSettingsError("; or ".join(problems))


def _sequence(kind: Any, raw: Any, where: str) -> Any:
    if not isinstance(raw, list):
        raise _wrong(where, "a list", raw)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(raw) != len(arguments):
            raise _wrong(where, f"a list of {len(arguments)}", raw)
    else:
        arguments = (arguments[0] if arguments else Any,) * len(raw)
    items = [
        decode(each, value, f"{where}[{n}]") for n, (each, value) in enumerate(zip(arguments, raw))
    ]
    try:
        return origin(items)
    except TypeError as error:  # a set of what cannot be in one
        raise BadSettingsError(f"{where or 'settings'}: {error}") from error


def _dict(kind: Any, raw: Any, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _wrong(where, "an object", raw)
    key, value = typing.get_args(kind) or (str, Any)
    if key is not str:
        raise TypeError(f"{where}: the keys of a dict are str in JSON, not {key!r}")
    return {name: decode(value, each, f"{where}[{name!r}]") for name, each in raw.items()}


_READERS: dict[Any, Callable[[Any, Any, str], Any]] = {
    bool: _exactly("true or false", bool),
    int: _exactly("an int", int),
    float: _exactly("a number", float, int),
    str: _exactly("a string", str),
    type(None): _exactly("null", type(None)),
    Decimal: _decimal,
    Literal: _literal,
    Union: _union,
    types.UnionType: _union,
    list: _sequence,
    tuple: _sequence,
    set: _sequence,
    frozenset: _sequence,
    dict: _dict,
}
