"""The disk as the core sees it: the one interface that real files and the simulator implement.

Theory of operation
-------------------
Names are plain strings, contents are bytes, order is by zxid. The contract that durability
rests on:

* `append` hands bytes to the operating system and promises nothing; `sync` returns when all that
  was appended before the call is on the disk, directory entries of new files included.
* A log is created by the first `append` after opening or `roll`, and named after that txn's zxid;
  an existing log is never appended to, and replaced only when it holds no record (is not longer
  than its header: recovery cuts recordless logs to that).
* A snapshot exists under its name only once `commit` has returned: complete, fsynced, renamed.
* A note is a small file beside the snapshots (an epoch, a marker): old or new content, never a mix.
* `remove` is durable only with the next `sync_names`; until then the file may come back.
* Any failed write, fsync, truncate or rename raises `StorageFailed`. It is never retried (after a
  failed fsync the page cache may claim what the disk does not have): the server stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

LOG_PREFIX = "log."
SNAPSHOT_PREFIX = "snapshot."
TEMPORARY_PREFIX = ".writing-"
"""Begins the name of every file that is not complete; the rest of it is the name it will get."""
COMPRESSIONS = ("", "gz", "snappy")


class StorageFailed(Exception):
    """The disk broke its promise; says which operation on which path, why, and what can help."""

    def __init__(self, operation: str, path: str, reason: str, advice: str = "") -> None:
        super().__init__(f"cannot {operation} {path}: {reason}" + (f". {advice}" if advice else ""))
        self.operation = operation
        self.path = path
        self.reason = reason


class LogFile(NamedTuple):
    """A log: `zxid` is that of its first txn, from its name; `size` includes the padding."""

    name: str
    zxid: int
    size: int


class SnapshotFile(NamedTuple):
    """A snapshot: `zxid` is the last txn it surely contains, `compression` one of COMPRESSIONS."""

    name: str
    zxid: int
    compression: str


class Reader(Protocol):
    """A file's bytes from the first on; a snapshot's come decompressed."""

    def read(self, n: int, /) -> bytes:
        """At most n bytes, b"" at the end. Raises SnapshotUnreadable for a broken compression."""
        ...

    def close(self) -> None: ...


class SnapshotUnreadable(Exception):
    """A snapshot's compressed stream is broken, or its decompressor is not installed."""


class SnapshotWriter(Protocol):
    """A snapshot being written; invisible until committed."""

    def write(self, chunk: bytes) -> None: ...

    def commit(self) -> str:
        """Make it durable and visible; returns its name. Blocks: not for the event loop."""
        ...

    def finish(self) -> str:
        """Make it complete and durable, yet leave it to `Storage.publish`; returns the name it has
        until then, one of `Storage.unfinished`.
        """
        ...

    def abort(self) -> None:
        """Throw away what was written."""
        ...


class Storage(Protocol):
    """One server's logs and snapshots, exclusively held from construction to `close`."""

    def logs(self) -> Sequence[LogFile]:
        """All logs, oldest first."""
        ...

    def snapshots(self) -> Sequence[SnapshotFile]:
        """All committed snapshots, oldest first."""
        ...

    def read_log(self, name: str) -> Reader: ...

    def read_snapshot(self, name: str) -> Reader: ...

    def truncate_log(self, name: str, size: int) -> None:
        """Cut a log that is not being written, durably."""
        ...

    def sync_log(self, name: str) -> None:
        """Make a log durable that an earlier server wrote: a killed one may not have synced it."""
        ...

    def remove(self, name: str) -> None:
        """Delete one file that is not being written: a log, snapshot, note or unfinished file."""
        ...

    def sync_names(self) -> None:
        """Make every earlier `remove` durable."""
        ...

    def append(self, records: bytes, zxid: int) -> None:
        """Write framed records at the end of the log; `zxid` is that of the first of them."""
        ...

    def sync(self) -> None:
        """Make every earlier append durable. Blocks; may run in another thread than append."""
        ...

    def roll(self) -> None:
        """Let the next append begin a new log."""
        ...

    def log_size(self) -> int:
        """Bytes of header and records in the log being written, 0 when none is."""
        ...

    def begin_snapshot(self, zxid: int) -> SnapshotWriter: ...

    def unfinished(self) -> Sequence[str]:
        """Names of the files that are not complete, or complete and not published."""
        ...

    def publish(self, name: str) -> None:
        """Give a finished snapshot its final name, durably, instead of any older file's of that
        name.
        """
        ...

    def notes(self, prefix: str) -> Sequence[str]:
        """Names of the notes that begin so."""
        ...

    def read_note(self, name: str) -> bytes | None:
        """A note's content, None when there is no such note."""
        ...

    def write_note(self, name: str, content: bytes) -> None:
        """Write or replace a note, durably and in one step: no crash leaves half of it."""
        ...

    def close(self) -> None:
        """Let go of everything. What was not synced may be lost."""
        ...


def log_name(zxid: int) -> str:
    """log_name(0x10) == "log.10"."""
    return f"{LOG_PREFIX}{zxid:x}"


def snapshot_name(zxid: int, compression: str = "") -> str:
    """snapshot_name(0x10, "gz") == "snapshot.10.gz"."""
    return f"{SNAPSHOT_PREFIX}{zxid:x}" + (f".{compression}" if compression else "")


def parse_log_name(name: str) -> int | None:
    """The zxid in a log's name, None for any other file."""
    return _parse_zxid(name[len(LOG_PREFIX) :]) if name.startswith(LOG_PREFIX) else None


def parse_snapshot_name(name: str) -> tuple[int, str] | None:
    """The zxid and compression in a snapshot's name, None for any other file."""
    if not name.startswith(SNAPSHOT_PREFIX):
        return None
    digits, _, compression = name[len(SNAPSHOT_PREFIX) :].partition(".")
    zxid = _parse_zxid(digits)
    if zxid is None or compression not in COMPRESSIONS:
        return None
    return zxid, compression


def _parse_zxid(digits: str) -> int | None:
    """Lower-case hexadecimal without sign, prefix or leading zeros, as Java writes it."""
    try:
        zxid = int(digits, 16)
    except ValueError:
        return None
    return zxid if f"{zxid:x}" == digits and 0 <= zxid < 1 << 63 else None
