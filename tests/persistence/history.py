"""Made-up histories for the tests: entries, logs and snapshots."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from struct import Struct

from zoo.persistence.snapshot import SnapshotEncoder, ZxidDigest
from zoo.persistence.txn_log import FILE_HEADER, encode_entry
from zoo.runtime.file_storage import FileStorage

HEADER = Struct(">qiqqi")
SET_DATA, ERROR = 5, -1


def entry(zxid: int, body: bytes = b"", kind: int = SET_DATA) -> bytes:
    """A TxnHeader and any body."""
    return HEADER.pack(0x1234, 7, zxid, 1_700_000_000_000, kind) + body


def log_bytes(zxids: Iterable[int], padding: int = 0) -> bytes:
    return FILE_HEADER + b"".join(encode_entry(entry(z, b"x" * 20)) for z in zxids) + bytes(padding)


def reader(content: bytes, at_most: int = 1 << 30) -> Callable[[int], bytes]:
    """A read(n) that never returns more than `at_most` bytes."""
    file = io.BytesIO(content)
    return lambda n: file.read(min(n, at_most))


def record(
    data: bytes | None, *, cversion: int = 0, children: int = 0, owner: int = 0, zxid: int = 1
) -> bytes:
    """A node's in-memory record: GetDataResponse's body."""
    body = data or b""
    length = Struct(">i").pack(-1 if data is None else len(body))
    stat = Struct(">qqqqiiiqiiq").pack(
        zxid, zxid + 1, 1_700_000_000_000, 1_700_000_000_001, 3, cversion, 2, owner,
        len(body), children, zxid + 2,
    )  # fmt: skip
    return length + body + stat


ROOT = record(b"", zxid=0)


def snapshot_bytes(
    zxid: int,
    nodes: Iterable[tuple[bytes, bytes, int]] = ((b"/", ROOT, -1),),
    sessions: dict[int, int] | None = None,
    digest: ZxidDigest | None = None,
) -> bytes:
    return b"".join(SnapshotEncoder(sessions or {}, {}, nodes, zxid, digest).chunks())


def open_storage(directory: Path) -> FileStorage:
    return FileStorage(directory, directory, preallocation=4096)
