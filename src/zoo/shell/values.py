"""Data, Stats, ACLs and events as text and as JSON; and back, where people type them."""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from typing import Any

import click

from zoo.client.converters import Converter
from zoo.client.results import Node
from zoo.client.watches import Event
from zoo.jute.constants import EventType
from zoo.jute.records import ACL, Stat

# --- data


class _Null(bytes):
    """A znode without data: ZooKeeper tells it from one with zero bytes."""


NULL = _Null()
RAW: Converter[bytes] = Converter(
    "raw",
    lambda data: None if data is NULL else data,
    lambda data: NULL if data is None else data,
)
"""Bytes, with NULL for a znode that has none."""

_unprintable = re.compile("[^\\t\\n\\r\x20-\x7e\xa0-\U0010ffff]")


def text_of(data: bytes) -> str | None:
    """Data as text, or None when it is not: no UTF-8, or control characters in it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _unprintable.search(text) else text


def data_json(data: bytes) -> dict[str, Any]:
    """`data` when it is text (null: none at all), else `base64`."""
    if data is NULL:
        return {"data": None}
    text = text_of(data)
    if text is None:
        return {"base64": base64.b64encode(data).decode()}
    return {"data": text}


def data_from_json(record: dict[str, Any]) -> bytes:
    """The inverse. Raises ValueError, KeyError."""
    if "base64" in record:
        return base64.b64decode(record["base64"], validate=True)
    text = record["data"]
    return NULL if text is None else str(text).encode()


def from_base64(text: str) -> bytes:
    """Line breaks are what base64 and `get -b` end lines with. Raises click.UsageError."""
    try:
        return base64.b64decode(re.sub(r"[ \t\r\n]+", "", text), validate=True)
    except ValueError as error:
        raise click.UsageError(f"not base64: {error}") from None


def short(data: bytes, columns: int = 60) -> str:
    """Data in one line of limited length."""
    if data is NULL:
        return "null"
    text = text_of(data)
    if text is None:
        text = f"{len(data)} bytes {data[:16].hex(' ')}"
    text = text.replace("\r", "").replace("\n", "\\n").replace("\t", " ")
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


_RULE = "-" * 49


def hexdump(data: bytes) -> list[str]:
    """The table that zkCli prints for `get -x`."""
    if not data:
        return []
    line = f"+--------+{_RULE}+----------------+"
    digits = "".join(f"  {n:x}" for n in range(16))
    rows = [f"         +{_RULE}+", f"         |{digits} |", line]
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append(f"|{start:08x}| {part.hex(' '):47} |{plain:16}|")
    return [*rows, line]


# --- Stats


def _java_date(ms: int) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(ms / 1000))


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def number(value: int) -> str:
    """A zxid or session id, in hex as ZooKeeper writes it."""
    return f"0x{value & (1 << 64) - 1:x}"


def stat_lines(stat: Stat) -> list[str]:
    """As zkCli prints it."""
    return [
        f"cZxid = {number(stat.czxid)}",
        f"ctime = {_java_date(stat.ctime)}",
        f"mZxid = {number(stat.mzxid)}",
        f"mtime = {_java_date(stat.mtime)}",
        f"pZxid = {number(stat.pzxid)}",
        f"cversion = {stat.cversion}",
        f"dataVersion = {stat.version}",
        f"aclVersion = {stat.aversion}",
        f"ephemeralOwner = {number(stat.ephemeral_owner)}",
        f"dataLength = {stat.data_length}",
        f"numChildren = {stat.num_children}",
    ]


def stat_json(stat: Stat) -> dict[str, Any]:
    return {
        "czxid": number(stat.czxid),
        "mzxid": number(stat.mzxid),
        "pzxid": number(stat.pzxid),
        "ctime": iso(stat.ctime),
        "mtime": iso(stat.mtime),
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": number(stat.ephemeral_owner),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    }


def node_json(node: Node[bytes]) -> dict[str, Any]:
    return {"path": node.path, **data_json(node.data), "stat": stat_json(node.stat)}


# --- ACLs

_LETTERS = {"c": 4, "d": 8, "r": 1, "w": 2, "a": 16}


def acl_text(entry: ACL) -> str:
    """`world:anyone:cdrwa`: what setAcl takes."""
    letters = "".join(letter for letter, bit in _LETTERS.items() if entry.perms & bit)
    return f"{entry.scheme}:{entry.id}:{letters}"


def parse_acl(text: str) -> list[ACL]:
    """`scheme:id:perms,...`; an id may hold colons. Raises click.UsageError."""
    return [parse_acl_entry(part) for part in text.split(",")]


def parse_acl_entry(text: str) -> ACL:
    scheme, first, rest = text.partition(":")
    name, second, letters = rest.rpartition(":")
    if not (first and second and scheme):
        raise click.UsageError(f"ACL {text!r} is not of the form scheme:id:perms")
    if unknown := set(letters) - _LETTERS.keys():
        raise click.UsageError(
            f"ACL {text!r}: permission {min(unknown)!r} is none of {''.join(_LETTERS)}"
        )
    return ACL(sum(_LETTERS[letter] for letter in set(letters)), scheme, name)


# --- events


def event_name(kind: EventType) -> str:
    """NodeDataChanged, as ZooKeeper's Java names it."""
    return "".join(part.title() for part in kind.name.split("_"))


def event_json(event: Event) -> dict[str, Any]:
    if event.is_gap:
        is_over = event.state is not event._field_defaults["state"]
        return {"event": "Ended" if is_over else "Gap", "path": event.path, "reason": event.gap}
    zxid = {"zxid": number(event.zxid)} if event.zxid > 0 else {}
    return {"event": event_name(event.type), "path": event.path, **zxid}


def event_line(event: Event) -> str:
    told = event_json(event)
    return " ".join([told["event"], told["path"], *([told["zxid"]] if "zxid" in told else [])])
