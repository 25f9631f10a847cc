"""Apache ZooKeeper's C client library through ctypes: as much of it as the tests call.

The library is Debian's libzookeeper_mt.so.2 (it comes with the package zookeeper-bin).
"""

from __future__ import annotations

import ctypes
import queue
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_int32, c_int64, c_void_p
from typing import Any

LIBRARY = "libzookeeper_mt.so.2"
EPHEMERAL, SEQUENCE = 1, 2
WATCHER = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int, c_char_p, c_void_p)
SESSION_EVENT, CONNECTED = -1, 3


class Stat(Structure):
    """struct Stat of zookeeper.jute.h."""

    _fields_ = (
        *((name, c_int64) for name in ("czxid", "mzxid", "ctime", "mtime")),
        *((name, c_int32) for name in ("version", "cversion", "aversion")),
        ("ephemeral_owner", c_int64),
        ("data_length", c_int32),
        ("num_children", c_int32),
        ("pzxid", c_int64),
    )

    def fields(self) -> dict[str, int]:
        """By name: the bytes of the structure hold padding."""
        return {name: getattr(self, name) for name, _ in self._fields_}


class Operation(Structure):
    """zoo_op_t: the type, then a union filled by zoo_*_op_init; 64 bytes is its largest member."""

    _fields_ = (("type", c_int), ("union", c_int64 * 8))


class Result(Structure):
    """zoo_op_result_t."""

    _fields_ = (
        ("error", c_int),
        ("value", c_char_p),
        ("value_length", c_int),
        ("stat", POINTER(Stat)),
    )


class Strings(Structure):
    """struct String_vector."""

    _fields_ = (("count", c_int32), ("data", POINTER(c_char_p)))


def load() -> ctypes.CDLL:
    """The library; OSError when it is not installed."""
    library = ctypes.CDLL(LIBRARY)
    library.zookeeper_init.restype = c_void_p
    library.zookeeper_init.argtypes = [c_char_p, WATCHER, c_int, c_void_p, c_void_p, c_int]
    library.zookeeper_close.argtypes = [c_void_p]
    library.zoo_create.argtypes = [
        *(c_void_p, c_char_p, c_char_p, c_int, c_void_p, c_int, c_void_p, c_int)
    ]
    library.zoo_delete.argtypes = [c_void_p, c_char_p, c_int]
    library.zoo_set2.argtypes = [c_void_p, c_char_p, c_char_p, c_int, c_int, POINTER(Stat)]
    library.zoo_wexists.argtypes = [c_void_p, c_char_p, WATCHER, c_void_p, POINTER(Stat)]
    library.zoo_wget.argtypes = [
        *(c_void_p, c_char_p, WATCHER, c_void_p, c_void_p, POINTER(c_int), POINTER(Stat))
    ]
    library.zoo_wget_children.argtypes = [c_void_p, c_char_p, WATCHER, c_void_p, POINTER(Strings)]
    library.zoo_remove_watches.argtypes = [c_void_p, c_char_p, c_int, WATCHER, c_void_p, c_int]
    library.zoo_multi.argtypes = [c_void_p, c_int, POINTER(Operation), POINTER(Result)]
    library.zoo_create_op_init.argtypes = [
        *(POINTER(Operation), c_char_p, c_char_p, c_int, c_void_p, c_int, c_void_p, c_int)
    ]
    library.zoo_delete_op_init.argtypes = [POINTER(Operation), c_char_p, c_int]
    library.zoo_set_op_init.argtypes = [
        *(POINTER(Operation), c_char_p, c_char_p, c_int, c_int, POINTER(Stat))
    ]
    library.zoo_check_op_init.argtypes = [POINTER(Operation), c_char_p, c_int]
    library.zoo_set_debug_level(1)
    return library


class Client:
    """One session of the C library; watch events arrive in `events` as (type, path)."""

    def __init__(self, address: str, timeout_ms: int = 10000) -> None:
        self.address = address
        self._c = load()
        self.events: queue.Queue[tuple[int, str]] = queue.Queue()
        connected: queue.Queue[int] = queue.Queue()

        def hear(_: Any, kind: int, state: int, path: bytes, context: Any) -> None:
            if kind == SESSION_EVENT:
                connected.put(state)
            else:
                self.events.put((kind, path.decode()))

        self._watcher = WATCHER(hear)  # kept alive: the library holds only its address
        self._open_acl = ctypes.addressof(
            (ctypes.c_byte * 16).in_dll(self._c, "ZOO_OPEN_ACL_UNSAFE")
        )
        handle = self._c.zookeeper_init(address.encode(), self._watcher, timeout_ms, None, None, 0)
        assert handle, "zookeeper_init failed"
        self._handle = handle
        assert connected.get(timeout=15) == CONNECTED

    def close(self) -> int:
        return int(self._c.zookeeper_close(self._handle))

    def create(self, path: str, data: bytes, flags: int = 0) -> str | int:
        """The path made, or the error code."""
        made = ctypes.create_string_buffer(512)
        code = self._c.zoo_create(
            self._handle, path.encode(), data, len(data), self._open_acl, flags, made, 512
        )
        return code if code else made.value.decode()

    def delete(self, path: str, version: int = -1) -> int:
        return int(self._c.zoo_delete(self._handle, path.encode(), version))

    def set(self, path: str, data: bytes, version: int = -1) -> Stat | int:
        stat = Stat()
        code = self._c.zoo_set2(self._handle, path.encode(), data, len(data), version, byref(stat))
        return code if code else stat

    def exists(self, path: str) -> Stat | int:
        """Watches the path too, as get and children do."""
        stat = Stat()
        code = self._c.zoo_wexists(self._handle, path.encode(), self._watcher, None, byref(stat))
        return code if code else stat

    def get(self, path: str) -> tuple[bytes, Stat] | int:
        stat, size = Stat(), c_int(1 << 20)
        data = ctypes.create_string_buffer(size.value)
        code = self._c.zoo_wget(
            self._handle, path.encode(), self._watcher, None, data, byref(size), byref(stat)
        )
        return code if code else (data.raw[: max(size.value, 0)], stat)

    def children(self, path: str) -> list[str] | int:
        found = Strings()
        code = self._c.zoo_wget_children(
            self._handle, path.encode(), self._watcher, None, byref(found)
        )
        if code:
            return int(code)
        names = sorted(found.data[i].decode() for i in range(found.count))
        self._c.deallocate_String_vector(byref(found))
        return names

    def remove_watches(self, path: str, kind: int = 3) -> int:
        return int(
            self._c.zoo_remove_watches(self._handle, path.encode(), kind, self._watcher, None, 0)
        )

    def multi(self, operations: Sequence[tuple[Any, ...]]) -> tuple[int, list[int], list[str]]:
        """Rows ("create", path, data, flags), ("set", path, data, version), ("delete"|"check",
        path, version); gives the code of the whole, the code of each, the paths created."""
        count = len(operations)
        ops, results = (Operation * count)(), (Result * count)()
        buffers = [ctypes.create_string_buffer(512) for _ in operations]
        stats = [Stat() for _ in operations]
        paths = [row[1].encode() for row in operations]  # the operations hold their addresses
        for op, row, path, made, stat in zip(ops, operations, paths, buffers, stats, strict=True):
            name, _, *rest = row
            if name == "create":
                data, flags = rest
                self._c.zoo_create_op_init(
                    *(byref(op), path, data, len(data), self._open_acl, flags, made, 512)
                )
            elif name == "set":
                data, version = rest
                self._c.zoo_set_op_init(byref(op), path, data, len(data), version, byref(stat))
            else:
                getattr(self._c, f"zoo_{name}_op_init")(byref(op), path, rest[0])
        code = int(self._c.zoo_multi(self._handle, count, ops, results))
        return code, [r.error for r in results], [b.value.decode() for b in buffers if b.value]
