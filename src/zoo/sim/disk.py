"""A disk that loses what a disk may lose, and the Storage interface on it.

Theory of operation. A `Disk` survives the server; a `MemoryStorage` is one server's hold on it.
Each file has two contents: `data`, what reads see (the page cache), and `durable`, what a power
failure surely leaves. Names likewise: `files` is what reads see, `entries` what is durable of the
two directories (one for logs, one for all else), and `pending` are the changes between the two. So

* `kill` (kill -9) loses nothing but the hold: what was written stays in the page cache, unsynced
  as it was, and the next server reads it. It is not more durable for having been read.
* `power_failure` keeps of each file its durable bytes and of the bytes written since a random
  prefix, at times with zeros behind it, as file systems leave that allocate late. Of the pending
  changes of names it keeps some: a new file may vanish, a deleted one come back, a renamed one
  have its old name.

Faults are in `Faults`: a full disk, a write that fails half way, an fsync that fails. After the
first failure the storage refuses everything, as the contract of zoo.persistence.storage demands.
`Interrupted` is the end of the server between any two operations on the disk.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from zoo.persistence.redo import settle
from zoo.persistence.storage import (
    TEMPORARY_PREFIX,
    LogFile,
    Reader,
    SnapshotFile,
    StorageFailed,
    log_name,
    parse_log_name,
    parse_snapshot_name,
    snapshot_name,
)
from zoo.persistence.txn_log import FILE_HEADER, HEADER_SIZE


class Interrupted(Exception):
    """The server ends here; says before which operation."""


@dataclass
class Faults:
    """What is to go wrong. Counters are decremented by each call; the call that finds 1 fails."""

    capacity: int | None = None
    """Bytes that may still be written before the disk is full."""
    writes_until_failure: int | None = None
    syncs_until_failure: int | None = None
    operations_until_interruption: int | None = None
    """Counts everything that changes the disk: writes, syncs, cuts, new, other and no names."""


class DiskFile:
    """One file's bytes, cached and durable."""

    __slots__ = ("data", "durable")

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""

    def sync(self) -> None:
        self.durable = bytes(self.data)

    def lose_power(self, rng: Random) -> None:
        """What was written since the last sync survives up to a random byte."""
        written = bytes(self.data)
        if written.startswith(self.durable):
            tail = len(written) - len(self.durable)
            kept = rng.choice((0, tail, rng.randint(0, tail)))
            zeros = rng.randint(0, tail - kept) if rng.random() < 0.3 else 0
            written = written[: len(self.durable) + kept] + bytes(zeros)
        elif rng.random() < 0.5:  # replaced or cut without a sync: the old or the new content
            written = self.durable
        self.data = bytearray(written)
        self.durable = written


class _NameChange(NamedTuple):
    """`file` gets the name `new` (None: it loses its name) and no longer has the name `old`."""

    old: str | None
    new: str | None
    file: DiskFile

    def apply(self, names: dict[str, DiskFile]) -> None:
        if self.old is not None:
            names.pop(self.old, None)
        if self.new is not None:
            names[self.new] = self.file


class Disk:
    """Files by name, of the log directory and the snapshot directory."""

    def __init__(self) -> None:
        self.files: dict[str, DiskFile] = {}
        self.entries: dict[str, DiskFile] = {}
        self.pending: list[_NameChange] = []
        self.faults = Faults()
        self.holder: MemoryStorage | None = None

    # --- what may happen to it

    def kill(self) -> None:
        """The server dies; what it wrote stays in the page cache."""
        if self.holder is not None:
            self.holder.dead = True
            self.holder = None

    def power_failure(self, rng: Random) -> None:
        """The server dies and with it all that was not synced, more or less."""
        self.kill()
        for change in self.pending:
            if rng.random() < 0.5:
                change.apply(self.entries)
        self.pending.clear()
        self.files = dict(self.entries)
        for file in self.files.values():
            file.lose_power(rng)

    def flip_bit(self, name: str, rng: Random) -> None:
        """Damage one durable bit of a file."""
        file = self.files[name]
        bit = rng.randrange(len(file.data) * 8)
        file.data[bit >> 3] ^= 1 << (bit & 7)
        file.durable = bytes(file.data)

    def rot(self, name: str, rng: Random) -> None:
        """A durable bit of a file flips; what is not durable yet stays as it is."""
        file = self.files[name]
        durable = bytearray(file.durable)
        bit = rng.randrange(len(durable) * 8)
        durable[bit >> 3] ^= 1 << (bit & 7)
        file.durable = bytes(durable)
        if bit >> 3 < len(file.data):
            file.data[bit >> 3] ^= 1 << (bit & 7)

    @property
    def size(self) -> int:
        return sum(len(file.data) for file in self.files.values())

    # --- what a server does to it

    def create(self, name: str) -> DiskFile:
        """A new file; one that has the name already is emptied, in the page cache."""
        self.operation(f"create {name}")
        file = self.files.get(name)
        if file is None:
            file = DiskFile()
            self._change(_NameChange(None, name, file))
        file.data.clear()
        return file

    def rename(self, old: str, new: str) -> None:
        self.operation(f"rename {old}")
        self._change(_NameChange(old, new, self.files[old]))

    def unlink(self, name: str) -> None:
        self.operation(f"delete {name}")
        self._change(_NameChange(name, None, self.files[name]))

    def sync_directory(self, *, of_logs: bool) -> None:
        self.operation("fsync a directory")
        for change in self.pending:
            if _is_log(change) == of_logs:
                change.apply(self.entries)
        self.pending = [change for change in self.pending if _is_log(change) != of_logs]

    def operation(self, what: str) -> None:
        left = self.faults.operations_until_interruption
        if left is not None:
            self.faults.operations_until_interruption = left - 1 if left > 1 else None
            if left <= 1:
                raise Interrupted(what)

    def _change(self, change: _NameChange) -> None:
        change.apply(self.files)
        self.pending.append(change)


def _is_log(change: _NameChange) -> bool:
    return parse_log_name(change.new or change.old or "") is not None


class MemoryStorage:
    """zoo.persistence.storage.Storage on a Disk. Raises StorageFailed if another holds the disk."""

    def __init__(self, disk: Disk) -> None:
        if disk.holder is not None:
            raise StorageFailed("lock", "disk", "another server holds it")
        disk.holder = self
        self.disk = disk
        self.dead = False
        self._failure: StorageFailed | None = None
        self._log = ""
        self._retired: list[str] = []
        try:
            settle(self)
        except BaseException:
            disk.kill()
            raise

    # --- what is there

    def logs(self) -> list[LogFile]:
        found = []
        for name, file in self.disk.files.items():
            zxid = parse_log_name(name)
            if zxid is not None:
                found.append(LogFile(name, zxid, len(file.data)))
        return sorted(found, key=lambda log: log.zxid)

    def snapshots(self) -> list[SnapshotFile]:
        found = []
        for name in self.disk.files:
            parsed = parse_snapshot_name(name)
            if parsed is not None:
                found.append(SnapshotFile(name, *parsed))
        return sorted(found, key=lambda snapshot: (snapshot.zxid, snapshot.name))

    def read_log(self, name: str) -> Reader:
        return io.BytesIO(bytes(self.disk.files[name].data))

    read_snapshot = read_log

    def truncate_log(self, name: str, size: int) -> None:
        self._check("truncate", name)
        file = self.disk.files[name]
        self.disk.operation(f"cut {name}")
        del file.data[size:]
        self._sync_file("truncate", name, file)

    def sync_log(self, name: str) -> None:
        """Make a log of an earlier server durable."""
        self._check("fsync", name)
        self._sync_file("fsync", name, self.disk.files[name])
        self.disk.sync_directory(of_logs=True)

    def remove(self, name: str) -> None:
        self._check("delete", name)
        self.disk.unlink(name)

    def sync_names(self) -> None:
        self._check("fsync", "the directories")
        self.disk.sync_directory(of_logs=True)
        self.disk.sync_directory(of_logs=False)

    # --- the log being written

    def append(self, records: bytes, zxid: int) -> None:
        self._check("write to", self._log or log_name(zxid))
        if not self._log:
            name = log_name(zxid)
            old = self.disk.files.get(name)
            if old is not None and len(old.data) > HEADER_SIZE:
                raise self._fail("create", name, "it exists and may hold transactions")
            file = self.disk.create(name)
            self._log = name
            self._write(name, file.data, FILE_HEADER)
        self._write(self._log, self.disk.files[self._log].data, records)

    def sync(self) -> None:
        for name in [*self._retired, self._log]:
            if name:
                self._check("fsync", name)
                self._sync_file("fsync", name, self.disk.files[name])
        self._retired.clear()
        self.disk.sync_directory(of_logs=True)

    def roll(self) -> None:
        if self._log:
            self._retired.append(self._log)
            self._log = ""

    def log_size(self) -> int:
        return len(self.disk.files[self._log].data) if self._log else 0

    # --- snapshots and notes

    def begin_snapshot(self, zxid: int) -> MemorySnapshotWriter:
        name = snapshot_name(zxid)
        self._check("create", name)
        return MemorySnapshotWriter(self, name)

    def unfinished(self) -> list[str]:
        return sorted(name for name in self.disk.files if name.startswith(TEMPORARY_PREFIX))

    def publish(self, name: str) -> None:
        self._check("rename", name)
        self.disk.rename(name, name.removeprefix(TEMPORARY_PREFIX))
        self.disk.sync_directory(of_logs=False)

    def notes(self, prefix: str) -> list[str]:
        return sorted(name for name in self.disk.files if name.startswith(prefix))

    def read_note(self, name: str) -> bytes | None:
        file = self.disk.files.get(name)
        return None if file is None else bytes(file.data)

    def write_note(self, name: str, content: bytes) -> None:
        temporary = TEMPORARY_PREFIX + name
        self._check("create", name)
        file = self.disk.create(temporary)
        self._write(name, file.data, content)
        self._sync_file("fsync", name, file)
        self.publish(temporary)

    def close(self) -> None:
        """Let go of the disk. After a failure nothing is synced any more."""
        if not self.dead:
            if self._failure is None:
                self.sync()
            self.disk.kill()

    # --- failing

    def _check(self, operation: str, name: str) -> None:
        assert not self.dead, f"a dead server wants to {operation} {name}"
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    def _fail(self, operation: str, name: str, reason: str) -> StorageFailed:
        self._failure = StorageFailed(operation, name, reason)
        return self._failure

    def _write(self, name: str, data: bytearray, new: bytes) -> None:
        self.disk.operation(f"write to {name}")
        faults = self.disk.faults
        if faults.writes_until_failure is not None:
            faults.writes_until_failure -= 1
            if faults.writes_until_failure <= 0:
                faults.writes_until_failure = None
                data += new[: len(new) // 2]
                raise self._fail("write to", name, "the disk reported an error (EIO)")
        if faults.capacity is not None:
            fits = max(0, faults.capacity)
            faults.capacity -= len(new)
            if len(new) > fits:
                data += new[:fits]
                raise self._fail("write to", name, "no space is left (ENOSPC)")
        data += new

    def _sync_file(self, operation: str, name: str, file: DiskFile) -> None:
        self.disk.operation(f"fsync {name}")
        faults = self.disk.faults
        if faults.syncs_until_failure is not None:
            faults.syncs_until_failure -= 1
            if faults.syncs_until_failure <= 0:
                faults.syncs_until_failure = None
                raise self._fail(operation, name, "the disk reported an error (EIO)")
        file.sync()


class MemorySnapshotWriter:
    """One snapshot under a temporary name until it is committed or published."""

    def __init__(self, storage: MemoryStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._file = storage.disk.create(TEMPORARY_PREFIX + name)

    def write(self, chunk: bytes) -> None:
        self._storage._check("write to", self._name)
        self._storage._write(self._name, self._file.data, chunk)

    def commit(self) -> str:
        storage = self._storage
        storage._check("fsync", self._name)
        storage._sync_file("fsync", self._name, self._file)
        storage.publish(TEMPORARY_PREFIX + self._name)
        return self._name

    def finish(self) -> str:
        storage = self._storage
        storage._check("fsync", self._name)
        storage._sync_file("fsync", self._name, self._file)
        storage.disk.sync_directory(of_logs=False)
        return TEMPORARY_PREFIX + self._name

    def abort(self) -> None:
        self._storage.remove(TEMPORARY_PREFIX + self._name)
