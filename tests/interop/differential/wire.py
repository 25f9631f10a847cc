"""The table of operations for streams: how arguments become bytes and replies become values.

A record is a tuple of (field, kind). Text in a stream is `str`; bytes that are no UTF-8 are lone
surrogates ("surrogateescape"), so that a stream survives JSON. "$R" in text is the stream's root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.interop.differential.view import View
from tests.interop.raw_client import INT, LONG, STAT, buffer

Args = Mapping[str, Any]
Record = tuple[tuple[str, str], ...]


class Operation(NamedTuple):
    """One row: number on the wire, request record, reply record."""

    code: int
    request: Record = ()
    reply: Record = ()


def _record(text: str) -> Record:
    return tuple((field, kind) for field, kind in (word.split(":") for word in text.split()))


def _operation(code: int, request: str = "", reply: str = "") -> Operation:
    return Operation(code, _record(request), _record(reply))


_CREATE = "path:text data:buffer acl:acl flags:int"
_WATCHES = "relative:zxid data:texts exist:texts child:texts"

OPERATIONS: dict[str, Operation] = {
    "create": _operation(1, _CREATE, "path:text"),
    "delete": _operation(2, "path:text version:int"),
    "exists": _operation(3, "path:text watch:bool", "stat:stat"),
    "getData": _operation(4, "path:text watch:bool", "data:buffer stat:stat"),
    "setData": _operation(5, "path:text data:buffer version:int", "stat:stat"),
    "getACL": _operation(6, "path:text", "acl:acl stat:stat"),
    "setACL": _operation(7, "path:text acl:acl version:int", "stat:stat"),
    "getChildren": _operation(8, "path:text watch:bool", "children:names"),
    "sync": _operation(9, "path:text", "path:text"),
    "ping": _operation(11),
    "getChildren2": _operation(12, "path:text watch:bool", "children:names stat:stat"),
    "check": _operation(13, "path:text version:int"),
    "multi": _operation(14, "ops:ops", "results:results"),
    "create2": _operation(15, _CREATE, "path:text stat:stat"),
    "reconfig": _operation(
        16, "joining:text leaving:text members:text config:long", "data:buffer stat:stat"
    ),
    "checkWatches": _operation(17, "path:text type:int"),
    "removeWatches": _operation(18, "path:text type:int"),
    "createContainer": _operation(19, _CREATE, "path:text stat:stat"),
    "deleteContainer": _operation(20, "path:text"),
    "createTTL": _operation(21, _CREATE + " ttl:long", "path:text stat:stat"),
    "multiRead": _operation(22, "ops:ops", "results:results"),
    "auth": _operation(100, "type:int scheme:text auth:buffer"),
    "setWatches": _operation(101, _WATCHES),
    "sasl": _operation(102, "token:buffer", "token:buffer"),
    "getEphemerals": _operation(103, "prefix:text", "paths:names"),
    "getAllChildrenNumber": _operation(104, "path:text", "total:int"),
    "setWatches2": _operation(105, _WATCHES + " persistent:texts recursive:texts"),
    "addWatch": _operation(106, "path:text mode:int", "error:int"),
    "whoAmI": _operation(107, "", "infos:pairs"),
    "close": _operation(-11),
    "notification": _operation(0, "path:text"),
    "error": _operation(-1, "path:text"),
    "unknown": _operation(999, "path:text"),
    "unused": _operation(10, "path:text"),
}
NAMES = {operation.code: name for name, operation in OPERATIONS.items()}
# Their answers do not show a change that any session could hear of.
SILENT = frozenset(
    (
        *("exists", "getData", "getACL", "getChildren", "getChildren2", "getAllChildrenNumber"),
        *("ping", "whoAmI", "getEphemerals", "multiRead", "checkWatches"),
    )
)
# The server ends the link after its reply to these; a ping behind them would race with that.
CLOSING = frozenset(("close", "check", "unknown", "unused", "notification", "error"))
EVENT = _record("type:int state:int path:text")
_MULTI_RESULTS: dict[int, Record] = {
    **{OPERATIONS[name].code: OPERATIONS[name].reply for name in ("create", "create2", "setData")},
    **{OPERATIONS[name].code: OPERATIONS[name].reply for name in ("getData", "getChildren")},
    **{OPERATIONS[name].code: () for name in ("delete", "check", "deleteContainer")},
    -1: _record("error:int"),
}


def to_bytes(text: str | None, root: str) -> bytes | None:
    if text is None:
        return None
    return text.replace("$R", root).encode("utf-8", "surrogateescape")


def to_text(data: bytes | None, root: str) -> str | None:
    if data is None:
        return None
    if b"\xed" in data:
        data = _joined_surrogates(data)
    return data.decode("utf-8", "surrogateescape").replace(root, "$R")


def _joined_surrogates(data: bytes) -> bytes:
    """The peer writes a character past U+FFFF as two surrogates of three bytes each: made one."""
    try:
        text = data.decode("utf-8", "surrogatepass")
        return text.encode("utf-16", "surrogatepass").decode("utf-16").encode()
    except UnicodeError:
        return data


class Encoder:
    """Arguments of one stream on one side to request bodies."""

    def __init__(self, root: str, view: View) -> None:
        self._root = root
        self._view = view

    def body(self, op: str, args: Args) -> bytes:
        return b"".join(
            getattr(self, "_" + kind)(args[field]) for field, kind in OPERATIONS[op].request
        )

    def _int(self, value: int) -> bytes:
        return INT.pack(value)

    def _long(self, value: int) -> bytes:
        return LONG.pack(value)

    def _zxid(self, value: int | str) -> bytes:
        return LONG.pack(self._view.real_zxid(value))

    def _bool(self, value: bool | int) -> bytes:
        return bytes([value])

    def _text(self, value: str | None) -> bytes:
        return buffer(to_bytes(value, self._root))

    _buffer = _text

    def _texts(self, value: Sequence[str | None] | None) -> bytes:
        if value is None:
            return INT.pack(-1)
        return INT.pack(len(value)) + b"".join(self._text(item) for item in value)

    def _acl(self, value: Sequence[tuple[int, str | None, str | None]] | None) -> bytes:
        if value is None:
            return INT.pack(-1)
        return INT.pack(len(value)) + b"".join(
            INT.pack(perms) + self._text(scheme) + self._text(ident)
            for perms, scheme, ident in value
        )

    def _ops(self, value: Sequence[tuple[str, Args]]) -> bytes:
        parts = [
            INT.pack(OPERATIONS[op].code) + b"\0" + INT.pack(-1) + self.body(op, args)
            for op, args in value
        ]
        return b"".join(parts) + INT.pack(-1) + b"\1" + INT.pack(-1)


class Decoder:
    """One reply body to values; a body that ends early or late shows as such in the values."""

    def __init__(self, data: bytes, root: str, view: View, paths: Sequence[Any] = ()) -> None:
        self._data = data
        self._at = 0
        self._root = root
        self._view = view
        self._paths = paths
        self._nth = 0

    def record(self, record: Record) -> dict[str, Any]:
        """The fields; "short" names one that is cut off, "rest" holds what is left over."""
        values: dict[str, Any] = {}
        for field, kind in record:
            try:
                values[field] = getattr(self, "_" + kind)()
            except EOFError:
                values["short"] = field
                break
        if self._at < len(self._data):
            values["rest"] = self._data[self._at :].hex()
        return values

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if size < 0 or len(part) < size:
            raise EOFError
        self._at += size
        return part

    def _int(self) -> int:
        return int(INT.unpack(self._take(4))[0])

    def _count(self) -> int:
        """Elements of a vector; a null vector counts -1."""
        return self._int()

    def _buffer(self) -> str | None:
        size = self._int()
        return None if size == -1 else to_text(self._take(size), self._root)

    _text = _buffer

    def _names(self) -> list[str | None] | None:
        """Children, ephemerals and identities come in hash order: compared as sorted."""
        count = self._count()
        names = [self._text() for _ in range(count)]
        return None if count == -1 else sorted(names, key=str)

    def _acl(self) -> list[Any] | None:
        count = self._count()
        acl = [(self._int(), self._text(), self._text()) for _ in range(count)]
        return None if count == -1 else sorted(acl, key=repr)

    def _pairs(self) -> list[Any]:
        return sorted((self._text() or "", self._text() or "") for _ in range(self._count()))

    def _stat(self) -> dict[str, Any]:
        path = self._paths[self._nth] if self._nth < len(self._paths) else None
        return self._view.stat(STAT.unpack(self._take(STAT.size)), path)

    def _results(self) -> list[Any]:
        results: list[Any] = []
        while True:
            code, done, error = self._int(), self._take(1)[0], self._int()
            if done:
                return [*results, ("done", code, done, error)]
            fields = [
                (field, getattr(self, "_" + kind)()) for field, kind in _MULTI_RESULTS.get(code, ())
            ]
            results.append((NAMES.get(code, code), error, *fields))
            self._nth += 1
