"""The Storage interface on real files.

Theory of operation
-------------------
`append` is one write into the page cache at a position we know, inside a region that was
allocated ahead, so that `sync` (fdatasync) seldom has to write file metadata. `sync` may run in
another thread than everything else: it takes the logs that `roll` retired, oldest first, then the
one being written. Directory entries of new files are fsynced by that same `sync`, before it
returns, hence before anything in the new file is acknowledged.

All system calls go through one `Files` object, so that a test can fail the n-th of them. Any
failure is final: the storage refuses to write from then on, with the first failure's message.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

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
from zoo.runtime.compression import compressor, decompressing_reader
from zoo.runtime.files import Files, failing, lock, write_all

log = logging.getLogger(__name__)

DEFAULT_PREALLOCATION = 64 * 1024 * 1024
# As Java: allocate again when less than this is left, so that a usual record never meets the end.
ALLOCATION_MARGIN = 4096


class _Log:
    """A log file being written: where the next record goes, and how far zeros are allocated."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.position = 0
        self.allocated = 0
        self.closed = False
        self.new = True  # its directory entry is not durable yet


class FileStorage:
    """Logs in `log_dir`, snapshots in `snapshot_dir` (both are the `version-2` directories).

    Takes the lock of both directories or raises StorageFailed. `compression` is that of new
    snapshots, "" or "gz" or "snappy"; all three are read. `preallocation` in bytes, 0 for none.
    """

    def __init__(
        self,
        snapshot_dir: Path,
        log_dir: Path,
        *,
        compression: str = "",
        preallocation: int = DEFAULT_PREALLOCATION,
        files: Files | None = None,
    ) -> None:
        self._snapshot_dir = snapshot_dir
        self._log_dir = log_dir
        self._compression = compression
        self._preallocation = preallocation
        self._files = files or Files()
        self._log: _Log | None = None
        self._retired: deque[_Log] = deque()
        self._failure: StorageFailed | None = None
        compressor(compression)  # a missing library is found now, not at the first snapshot
        self._locks: list[int] = []
        try:
            for directory in dict.fromkeys((snapshot_dir, log_dir)):
                self._locks.append(lock(directory))
            for line in settle(self):
                log.warning("%s: %s", snapshot_dir, line)
        except BaseException:
            self._unlock()
            raise

    # --- what is there --------------------------------------------------------------------------

    def logs(self) -> list[LogFile]:
        found = []
        with failing("list", self._log_dir):
            for entry in os.scandir(self._log_dir):
                zxid = parse_log_name(entry.name)
                if zxid is not None:
                    found.append(LogFile(entry.name, zxid, entry.stat().st_size))
        return sorted(found, key=lambda log: log.zxid)

    def snapshots(self) -> list[SnapshotFile]:
        found = []
        with failing("list", self._snapshot_dir):
            for name in os.listdir(self._snapshot_dir):
                parsed = parse_snapshot_name(name)
                if parsed is not None:
                    found.append(SnapshotFile(name, *parsed))
        return sorted(found, key=lambda snapshot: (snapshot.zxid, snapshot.name))

    def read_log(self, name: str) -> Reader:
        path = self._log_dir / name
        with failing("read", path):
            return path.open("rb", buffering=0)

    def read_snapshot(self, name: str) -> Reader:
        path = self._snapshot_dir / name
        parsed = parse_snapshot_name(name)
        assert parsed is not None, name
        with failing("read", path):
            return decompressing_reader(path.open("rb", buffering=0), parsed[1])

    def truncate_log(self, name: str, size: int) -> None:
        path = self._log_dir / name
        with self._write("truncate", path):
            fd = self._files.open(path, os.O_WRONLY)
            try:
                self._files.ftruncate(fd, size)
                self._files.fsync(fd)
            finally:
                self._files.close(fd)

    def sync_log(self, name: str) -> None:
        path = self._log_dir / name
        with self._write("fsync", path):
            fd = self._files.open(path, os.O_WRONLY)
            try:
                self._files.fsync(fd)
            finally:
                self._files.close(fd)
        self._sync_directory(self._log_dir)

    def remove(self, name: str) -> None:
        directory = self._log_dir if parse_log_name(name) is not None else self._snapshot_dir
        # What stays undeleted costs room, not safety: no reason to refuse writes from then on.
        with failing("delete", directory / name):
            self._files.unlink(directory / name)

    def sync_names(self) -> None:
        for directory in dict.fromkeys((self._snapshot_dir, self._log_dir)):
            self._sync_directory(directory)

    # --- the log being written ------------------------------------------------------------------

    def append(self, records: bytes, zxid: int) -> None:
        if not records:
            return  # no log may come into being whose name nothing in it bears
        log = self._log or self._create_log(zxid)
        with self._write("write to", log.path):
            if log.position + len(records) + ALLOCATION_MARGIN > log.allocated:
                self._allocate(log, len(records))
            write_all(self._files, log.fd, records, log.position)
        log.position += len(records)

    def sync(self) -> None:
        current = self._log
        while self._retired:
            log = self._retired[0]
            with self._write("finish", log.path):
                # Gives the unused allocation back; Java reads a log that ends without zeros.
                self._files.ftruncate(log.fd, log.position)
            self._sync_log(log)
            log.closed = True
            self._files.close(log.fd)
            self._retired.popleft()
        if current is not None and not current.closed:
            self._sync_log(current)

    def roll(self) -> None:
        if self._log is not None:
            self._retired.append(self._log)
            self._log = None

    def log_size(self) -> int:
        return self._log.position if self._log else 0

    def close(self) -> None:
        """Closes and unlocks; cuts the unused allocation off the log when nothing has failed."""
        self.roll()
        try:
            if self._failure is None:
                self.sync()
        finally:
            for log in self._retired:
                if not log.closed:
                    self._files.close(log.fd)
            self._retired.clear()
            self._unlock()

    def _create_log(self, zxid: int) -> _Log:
        path = self._log_dir / log_name(zxid)
        with self._write("create", path):
            if path.exists() and path.stat().st_size > HEADER_SIZE:
                raise FileExistsError(errno.EEXIST, "it exists and may hold transactions", path)
            fd = self._files.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            self._log = log = _Log(path, fd)
            write_all(self._files, fd, FILE_HEADER, 0)
        log.position = log.allocated = HEADER_SIZE
        return log

    def _allocate(self, log: _Log, needed: int) -> None:
        """Zero-filled room up to the next multiple of the preallocation."""
        if not self._preallocation:
            return
        end = log.position + needed + ALLOCATION_MARGIN
        end += -end % self._preallocation
        try:
            self._files.posix_fallocate(log.fd, 0, end)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            self._files.ftruncate(log.fd, end)
        log.allocated = end

    def _sync_log(self, log: _Log) -> None:
        with self._write("fsync", log.path):
            self._files.fdatasync(log.fd)
        if log.new:
            self._sync_directory(self._log_dir)
            log.new = False

    def _sync_directory(self, directory: Path) -> None:
        with self._write("fsync", directory):
            fd = self._files.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._files.fsync(fd)
            finally:
                self._files.close(fd)

    # --- snapshots ------------------------------------------------------------------------------

    def begin_snapshot(self, zxid: int) -> FileSnapshotWriter:
        name = snapshot_name(zxid, self._compression)
        path = self._snapshot_dir / (TEMPORARY_PREFIX + name)
        with self._write("create", path):
            fd = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        return FileSnapshotWriter(self, path, name, fd)

    def unfinished(self) -> list[str]:
        return self.notes(TEMPORARY_PREFIX)

    def publish(self, name: str) -> None:
        target = self._snapshot_dir / name.removeprefix(TEMPORARY_PREFIX)
        with self._write("rename to", target):
            self._files.rename(self._snapshot_dir / name, target)
        self._sync_directory(self._snapshot_dir)

    # --- notes ----------------------------------------------------------------------------------

    def notes(self, prefix: str) -> list[str]:
        with failing("list", self._snapshot_dir):
            names = os.listdir(self._snapshot_dir)
        return sorted(name for name in names if name.startswith(prefix))

    def read_note(self, name: str) -> bytes | None:
        path = self._snapshot_dir / name
        with failing("read", path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def write_note(self, name: str, content: bytes) -> None:
        path = self._snapshot_dir / (TEMPORARY_PREFIX + name)
        with self._write("write to", path):
            fd = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                write_all(self._files, fd, content, 0)
                self._files.fsync(fd)
            finally:
                self._files.close(fd)
        self.publish(path.name)

    # --- failing and locking --------------------------------------------------------------------

    @contextlib.contextmanager
    def _write(self, operation: str, path: Path) -> Iterator[None]:
        """Around every change: refuse after the first failure, and remember it."""
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        try:
            with failing(operation, path):
                yield
        except StorageFailed as failure:
            self._failure = failure
            raise

    def _unlock(self) -> None:
        for fd in self._locks:
            os.close(fd)
        self._locks.clear()


# How much of a snapshot may wait in the page cache: a log's fsync can have to wait for all of it.
SNAPSHOT_SYNC_BYTES = 2 * 1024 * 1024


class FileSnapshotWriter:
    """One snapshot under a temporary name; see SnapshotWriter."""

    def __init__(self, storage: FileStorage, path: Path, name: str, fd: int) -> None:
        self._storage = storage
        self._path = path
        self._name = name
        self._fd = fd
        self._position = 0
        self._synced = 0
        self._compressor = compressor(storage._compression)

    def write(self, chunk: bytes) -> None:
        self._out(self._compressor.compress(chunk))
        if self._position - self._synced >= SNAPSHOT_SYNC_BYTES:
            self._synced = self._position
            with self._storage._write("fsync", self._path):
                self._storage._files.fdatasync(self._fd)

    def commit(self) -> str:
        self._complete()
        self._storage.publish(self._path.name)
        return self._name

    def finish(self) -> str:
        self._complete()
        self._storage._sync_directory(self._storage._snapshot_dir)
        return self._path.name

    def _complete(self) -> None:
        self._out(self._compressor.flush())
        with self._storage._write("fsync", self._path):
            self._storage._files.fsync(self._fd)
        self._storage._files.close(self._fd)

    def abort(self) -> None:
        self._storage._files.close(self._fd)
        with failing("delete", self._path):
            self._storage._files.unlink(self._path)

    def _out(self, data: bytes) -> None:
        with self._storage._write("write to", self._path):
            write_all(self._storage._files, self._fd, data, self._position)
        self._position += len(data)
