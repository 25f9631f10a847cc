"""Records: classes whose fields carry their jute type, compiled once to an encoder and a decoder.

Theory of operation. `@record` makes a slotted dataclass (and `register` takes a NamedTuple) whose
annotations are the schema: `Int`, `Long`, `Boolean`, `Trailing`, `Buffer`, `Path`, `Text`, another
record class, or a list of one of these. From them one Python function is generated per direction,
the way dataclasses and namedtuples generate their `__init__`: neighbouring fixed-size fields, and
the length of the string that follows them, share one struct call. Nothing is looked up per field at
run time, so the server's write path and the log can use records.

Null: a field whose type admits None keeps a null from the wire. A null where a path must be is a
JuteError; a null text or list reads as empty, which the rules for ACLs then refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from zoo.jute.codec import Reader, fail_null, fail_short, read_buffer, read_count

Int = Annotated[int, "int"]
Long = Annotated[int, "long"]
Boolean = Annotated[bool, "boolean"]
Trailing = Annotated[bool | None, "trailing"]
"""A boolean that old peers leave out at the end of the message: it is None then."""
Buffer = Annotated[bytes | None, "buffer"]
Path = Annotated[bytes, "path"]
"""A string kept as its UTF-8 bytes; null is an error."""
NullablePath = Annotated[bytes | None, "path"]
Text = Annotated[str, "text"]
NullableText = Annotated[str | None, "text"]

R = TypeVar("R")

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes, int, int], tuple[Any, int]]

_FIXED = {"int": ("i", 4), "long": ("q", 8), "boolean": ("?", 1)}
_SMALLEST = {"buffer": 4, "path": 4, "text": 4, "trailing": 0, "vector": 4}


class Field(NamedTuple):
    """One field of a record: its name, its jute kind, and whether null is kept as None."""

    name: str
    kind: str  # int long boolean trailing buffer path text vector record
    nullable: bool = False
    item: Field | None = None  # of a vector
    record: type[Any] | None = None


class Codec(NamedTuple):
    fields: tuple[Field, ...]
    min_size: int  # bytes the shortest encoding takes
    encode: Encoder
    decode: Decoder


_codecs: dict[type[Any], Codec] = {}


def codec_of(cls: type[Any]) -> Codec:
    """The compiled codec of a record class, for loops that want to look it up once."""
    return _codecs[cls]


def encode(record: Any) -> bytes:
    """The record's bytes."""
    return _codecs[record.__class__].encode(record)


def decode(cls: type[R], source: Reader | bytes) -> R:
    """A record read from the reader's position (which moves on) or from the start of the bytes.

    Bytes after the record are left alone, as Java does. Raises JuteError.
    """
    if isinstance(source, Reader):
        record, source.pos = _codecs[cls].decode(source.buf, source.pos, source.end)
    else:
        record, _ = _codecs[cls].decode(source, 0, len(source))
    return cast(R, record)


@dataclass_transform(eq_default=True)
def record(cls: type[R]) -> type[R]:
    """Class decorator: a slotted dataclass with a codec."""
    return register(dataclass(slots=True)(cls))


def register(cls: type[R]) -> type[R]:
    """Class decorator for a NamedTuple: give it a codec."""
    hints = get_type_hints(cls, include_extras=True)
    fields = tuple(_field(name, hint) for name, hint in hints.items())
    _codecs[cls] = Codec(
        fields,
        sum(map(_smallest, fields)),
        _compile(cls, "encode", _encoder_source(fields)),
        _compile(cls, "decode", _decoder_source(fields)),
    )
    return cls


def _field(name: str, hint: Any, nullable: bool = False) -> Field:
    if get_origin(hint) is Annotated:
        python_type, kind = get_args(hint)
        return Field(name, kind, type(None) in get_args(python_type))
    if get_origin(hint) is UnionType:
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _field(name, inner, nullable=True)
    if get_origin(hint) is list:
        return Field(name, "vector", nullable, item=_field(name, get_args(hint)[0]))
    assert hint in _codecs, f"field {name}: {hint!r} is not a jute type"
    return Field(name, "record", record=hint)


def _smallest(field: Field) -> int:
    if field.kind in _FIXED:
        return _FIXED[field.kind][1]
    return _codecs[field.record].min_size if field.record else _SMALLEST[field.kind]


# --- generated code -------------------------------------------------------------------------------


def _compile(cls: type[Any], name: str, source: tuple[list[str], dict[str, Any]]) -> Any:
    lines, names = source
    scope = {
        **names,
        "cls": cls,
        "fail_null": fail_null,
        "fail_short": fail_short,
        "read_buffer": read_buffer,
        "read_count": read_count,
    }
    exec("\n".join(lines), scope)
    function = scope[name]
    function.__qualname__ = f"{name}[{cls.__name__}]"
    return function


def _encoder_source(fields: tuple[Field, ...]) -> tuple[list[str], dict[str, Any]]:
    """`encode(record)`: one expression that adds or joins packed runs and payloads."""
    body: list[str] = []
    names: dict[str, Any] = {}
    parts: list[str] = []
    run: list[tuple[str, str]] = []  # (struct letter, expression) not yet written

    def flush() -> None:
        if run:
            names[f"pack{len(parts)}"] = struct.Struct(">" + "".join(f for f, _ in run)).pack
            parts.append(f"pack{len(parts)}({', '.join(e for _, e in run)})")
            run.clear()

    for index, field in enumerate(fields):
        value = f"v{index}"
        if field.kind in _FIXED:
            run.append((_FIXED[field.kind][0], f"record.{field.name}"))
            continue
        body.append(f"    {value} = record.{field.name}")
        if field.kind == "record":
            flush()
            names[f"encode{index}"] = codec_of(cast("type[Any]", field.record)).encode
            parts.append(f"encode{index}({value})")
        elif field.kind == "trailing":
            flush()
            parts.append(f"(b'' if {value} is None else b'\\1' if {value} else b'\\0')")
        else:
            size, payload = _sized(field, value, index, body, names)
            run.append(("i", size))
            flush()
            parts.append(payload)
    flush()
    total = " + ".join(parts) if len(parts) < 4 else f"b''.join(({', '.join(parts)}))"
    return ["def encode(record):", *body, f"    return {total or repr(b'')}"], names


def _sized(
    field: Field, value: str, index: int, body: list[str], names: dict[str, Any]
) -> tuple[str, str]:
    """Expressions for the length or count of a variable-size field and for what follows it."""
    if field.kind == "text":
        encoded = f"{value}.encode('utf-8', 'replace')"
        body.append(f"    {value} = {_unless_null(field, value, encoded, 'None')}")
    size = _unless_null(field, value, f"len({value})", "-1")
    if field.kind != "vector":
        return size, f"({value} or b'')" if field.nullable else value
    assert field.item is not None
    item = field.item
    if item.kind == "path":
        names["pack_count"] = struct.Struct(">i").pack
        each = "pack_count(len(x)) + x"
    else:
        assert item.record is not None, f"vectors of {item.kind} are not in zookeeper.jute"
        names[f"encode{index}"] = codec_of(item.record).encode
        each = f"encode{index}(x)"
    items = f"{value} or ()" if field.nullable else value
    return size, f"b''.join([{each} for x in {items}])"


def _unless_null(field: Field, value: str, expression: str, null: str) -> str:
    return f"({null} if {value} is None else {expression})" if field.nullable else expression


def _decoder_source(fields: tuple[Field, ...]) -> tuple[list[str], dict[str, Any]]:
    """`decode(buf, pos, end) -> (record, pos)`."""
    lines = ["def decode(buf, pos, end):"]
    names: dict[str, Any] = {}
    run: list[Field] = []

    def flush() -> None:
        if not run:
            return
        layout = struct.Struct(">" + "".join(_FIXED[f.kind][0] for f in run))
        unpack = f"unpack_{run[0].name}"
        names[unpack] = layout.unpack_from
        label = run[0].name if len(run) == 1 else f"{run[0].name}..{run[-1].name}"
        lines.append(f"    if pos + {layout.size} > end:")
        lines.append(f"        fail_short({label!r}, {layout.size}, end - pos)")
        lines.append(f"    {', '.join(f.name for f in run)}, = {unpack}(buf, pos)")
        lines.append(f"    pos += {layout.size}")
        run.clear()

    for field in fields:
        if field.kind in _FIXED:
            run.append(field)
        else:
            flush()
            lines += ["    " + line for line in _decode_variable(field, names)]
    flush()
    lines.append(f"    return cls({', '.join(f.name for f in fields)}), pos")
    return lines, names


def _decode_variable(field: Field, names: dict[str, Any]) -> list[str]:
    name, kind = field.name, field.kind
    if kind == "record":
        names[f"decode_{name}"] = codec_of(cast("type[Any]", field.record)).decode
        return [f"{name}, pos = decode_{name}(buf, pos, end)"]
    if kind == "trailing":
        return [f"{name} = buf[pos] != 0 if pos < end else None", "pos += pos < end"]
    if kind == "vector":
        return _decode_vector(field, names)
    lines = [f"{name}, pos = read_buffer(buf, pos, end, {name!r})"]
    if kind == "text":
        decoded = f"str({name}, 'utf-8', 'replace')"
        null = None if field.nullable else ""
        lines.append(f"{name} = {null!r} if {name} is None else {decoded}")
    elif not field.nullable:
        lines += [f"if {name} is None:", f"    fail_null({name!r})"]
    return lines


def _decode_vector(field: Field, names: dict[str, Any]) -> list[str]:
    name, item = field.name, cast(Field, field.item)
    if item.record is not None:
        names[f"decode_{name}"] = codec_of(item.record).decode
        take = f"x, pos = decode_{name}(buf, pos, end)"
    else:
        take = f"x, pos = read_buffer(buf, pos, end, {name!r})"
    guard = [f"    if x is None: fail_null({name!r})"] if item.kind == "path" else []
    lines = [
        f"n, pos = read_count(buf, pos, end, {name!r}, {_smallest(item)})",
        f"{name} = []",
        "for _ in range(n):",
        f"    {take}",
        *guard,
        f"    {name}.append(x)",
    ]
    return [*lines, "if n < 0:", f"    {name} = None"] if field.nullable else lines
