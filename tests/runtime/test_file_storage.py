from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.persistence.history import ROOT, entry, log_bytes, record, snapshot_bytes
from zoo.persistence.recovery import Recovery
from zoo.persistence.storage import StorageFailed
from zoo.persistence.txn_log import HEADER_SIZE, encode_entry
from zoo.runtime.file_storage import SNAPSHOT_SYNC_BYTES, FileStorage
from zoo.runtime.files import Files

MARGIN = 4096


class FaultyFiles(Files):
    """Counts calls as "name" and fails, or acts differently, where told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.instead: dict[str, Callable[..., Any]] = {}

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in ("calls", "instead", "fail"):
            return super().__getattribute__(name)
        real = super().__getattribute__(name)

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            return self.instead.get(name, real)(*arguments)

        return call

    def fail(self, name: str, code: int, after: int = 0) -> None:
        real = getattr(Files, name)
        left = [after]

        def failing(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        self.instead[name] = failing


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def storage(tmp_path: Path, files: FaultyFiles) -> Iterator[FileStorage]:
    storage = FileStorage(tmp_path, tmp_path, preallocation=8192, files=files)
    files.calls.clear()
    yield storage
    files.instead.clear()
    storage.close()


def append(storage: FileStorage, *zxids: int) -> None:
    for zxid in zxids:
        storage.append(encode_entry(entry(zxid, b"x" * 20)), zxid)


def read_all(storage: FileStorage, name: str) -> bytes:
    reader = storage.read_log(name)
    out = b"".join(iter(lambda: reader.read(1 << 20), b""))
    reader.close()
    return out


def replayed(storage: FileStorage) -> list[int]:
    return [zxid for zxid, _ in Recovery(storage, lambda line: None).entries()]


# --- logs -----------------------------------------------------------------------------------------


def test_a_log_as_it_lies_on_the_disk(storage: FileStorage, tmp_path: Path) -> None:
    append(storage, 10, 11)
    expected = log_bytes([10, 11])
    assert storage.log_size() == len(expected)
    assert (tmp_path / "log.a").read_bytes() == expected + bytes(8192 - len(expected))
    assert [(log.name, log.zxid, log.size) for log in storage.logs()] == [("log.a", 10, 8192)]


def test_more_is_allocated_before_the_room_ends(storage: FileStorage, tmp_path: Path) -> None:
    sizes = set()
    for zxid in range(1, 400):
        append(storage, zxid)
        size = (tmp_path / "log.1").stat().st_size
        assert size - storage.log_size() >= MARGIN
        sizes.add(size)
    assert len(sizes) > 2
    assert all(size % 8192 == 0 for size in sizes)
    assert replayed(storage) == list(range(1, 400))


def test_a_record_larger_than_the_preallocation(storage: FileStorage, tmp_path: Path) -> None:
    storage.append(encode_entry(entry(1, b"y" * 50_000)), 1)
    assert (tmp_path / "log.1").stat().st_size == 57344
    assert replayed(storage) == [1]


def test_without_preallocation(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, tmp_path, preallocation=0)
    append(storage, 1)
    assert (tmp_path / "log.1").read_bytes() == log_bytes([1])
    storage.close()


def test_a_file_system_that_cannot_allocate(storage: FileStorage, files: FaultyFiles) -> None:
    files.fail("posix_fallocate", errno.EOPNOTSUPP)
    append(storage, 1)
    assert storage.logs()[0].size == 8192


def test_sync_makes_data_and_new_directory_entry_durable(
    storage: FileStorage, files: FaultyFiles
) -> None:
    append(storage, 1)
    assert "fdatasync" not in files.calls
    assert "fsync" not in files.calls
    storage.sync()
    assert files.calls.count("fdatasync") == 1
    assert files.calls.count("fsync") == 1  # the directory
    append(storage, 2)
    storage.sync()
    assert files.calls.count("fdatasync") == 2
    assert files.calls.count("fsync") == 1


def test_roll_begins_a_new_log_and_the_next_sync_finishes_the_old_one(
    storage: FileStorage, files: FaultyFiles, tmp_path: Path
) -> None:
    append(storage, 1, 2)
    storage.roll()
    assert storage.log_size() == 0
    append(storage, 3)
    storage.sync()
    assert files.calls.count("fdatasync") == 2
    assert (tmp_path / "log.1").read_bytes() == log_bytes([1, 2])
    assert [log.name for log in storage.logs()] == ["log.1", "log.3"]
    assert replayed(storage) == [1, 2, 3]


def test_closing_syncs_and_cuts_the_padding(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, tmp_path)
    append(storage, 1)
    storage.close()
    assert (tmp_path / "log.1").read_bytes() == log_bytes([1])


def test_a_log_with_records_is_never_overwritten(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "log.5").write_bytes(log_bytes([5]))
    with pytest.raises(StorageFailed, match="may hold transactions"):
        append(storage, 5)
    assert (tmp_path / "log.5").read_bytes() == log_bytes([5])


def test_a_log_without_records_is_replaced(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "log.5").write_bytes(log_bytes([])[:HEADER_SIZE])
    append(storage, 5)
    assert storage.log_size() == len(log_bytes([5]))


def test_truncate_is_durable(storage: FileStorage, files: FaultyFiles, tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(log_bytes([1, 2]))
    storage.truncate_log("log.1", len(log_bytes([1])))
    assert read_all(storage, "log.1") == log_bytes([1])
    assert files.calls.index("ftruncate") < files.calls.index("fsync")


def test_remove(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "log.1").touch()
    (tmp_path / "snapshot.1.gz").touch()
    storage.remove("log.1")
    storage.remove("snapshot.1.gz")
    assert storage.logs() == []
    assert storage.snapshots() == []


def test_opening_makes_durable_what_a_killed_server_left(tmp_path: Path) -> None:
    files = FaultyFiles()
    FileStorage(tmp_path, tmp_path, files=files).close()
    assert files.calls == ["open", "fsync", "close"]


def test_logs_and_snapshots_sort_by_number_and_others_are_ignored(tmp_path: Path) -> None:
    logs, snapshots = tmp_path / "l", tmp_path / "s"
    logs.mkdir()
    snapshots.mkdir()
    for name in ("log.a", "log.9", "log.100", "log.9.bak", "notes"):
        (logs / name).touch()
    for name in ("snapshot.a", "snapshot.9.gz", "snapshot.100.snappy", "snapshot.5.tmp"):
        (snapshots / name).touch()
    storage = FileStorage(snapshots, logs)
    assert [log.name for log in storage.logs()] == ["log.9", "log.a", "log.100"]
    assert [tuple(snapshot) for snapshot in storage.snapshots()] == [
        ("snapshot.9.gz", 9, "gz"), ("snapshot.a", 10, ""), ("snapshot.100.snappy", 256, "snappy"),
    ]  # fmt: skip
    storage.close()


def test_appending_nothing_makes_no_log(storage: FileStorage) -> None:
    storage.append(b"", 7)
    storage.sync()
    assert storage.logs() == []


def test_sync_in_one_thread_beside_append_and_roll_in_another(storage: FileStorage) -> None:
    stop = Event()
    failures: list[BaseException] = []

    def keep_syncing() -> None:
        try:
            while not stop.is_set():
                storage.sync()
        except BaseException as failure:
            failures.append(failure)

    thread = Thread(target=keep_syncing)
    thread.start()
    for zxid in range(1, 600):
        append(storage, zxid)
        if zxid % 7 == 0:
            storage.roll()
    stop.set()
    thread.join()
    assert failures == []
    assert replayed(storage) == list(range(1, 600))


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(4))
def test_a_full_disk_at_any_write_is_final(
    storage: FileStorage, files: FaultyFiles, tmp_path: Path, after: int
) -> None:
    files.fail("pwrite", errno.ENOSPC, after)
    with pytest.raises(StorageFailed) as caught:
        append(storage, 1, 2, 3, 4)
    message = str(caught.value)
    assert message.startswith(f"cannot {'write to' if after else 'create'} {tmp_path}/log.1: ")
    assert "No space left on device (ENOSPC)" in message
    assert "Free space" in message
    files.instead.clear()
    for attempt in (lambda: append(storage, 5), storage.sync, lambda: storage.begin_snapshot(5)):
        with pytest.raises(StorageFailed, match="ENOSPC"):
            attempt()
    storage.close()
    restarted = FileStorage(tmp_path, tmp_path)
    assert replayed(restarted) == list(range(1, after))
    restarted.close()


def test_a_failed_fsync_is_never_retried(storage: FileStorage, files: FaultyFiles) -> None:
    append(storage, 1)
    files.fail("fdatasync", errno.EIO)
    with pytest.raises(StorageFailed, match=r"fsync .*log\.1: .*EIO.*kernel log"):
        storage.sync()
    files.instead.clear()
    with pytest.raises(StorageFailed):
        storage.sync()
    assert files.calls.count("fdatasync") == 1


@pytest.mark.parametrize("name", ["open", "posix_fallocate", "fsync", "fdatasync"])
def test_every_call_of_the_first_append_and_sync_may_fail(
    storage: FileStorage, files: FaultyFiles, name: str
) -> None:
    files.fail(name, errno.EIO)
    with pytest.raises(StorageFailed, match="EIO"):  # noqa: PT012 - either of the two may raise
        append(storage, 1)
        storage.sync()


def test_a_failed_truncate(storage: FileStorage, files: FaultyFiles, tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(log_bytes([1]))
    files.fail("ftruncate", errno.EROFS)
    with pytest.raises(StorageFailed, match="read-only"):
        storage.truncate_log("log.1", 0)
    with pytest.raises(StorageFailed):
        append(storage, 2)


def test_short_writes_are_completed(storage: FileStorage, files: FaultyFiles) -> None:
    files.instead["pwrite"] = lambda fd, data, at: os.pwrite(fd, data[:7], at)
    append(storage, 1, 2)
    assert read_all(storage, "log.1").rstrip(b"\0") == log_bytes([1, 2])


def test_a_disk_that_takes_nothing_more(storage: FileStorage, files: FaultyFiles) -> None:
    files.instead["pwrite"] = lambda fd, data, at: 0
    with pytest.raises(StorageFailed, match="accepts no more bytes"):
        append(storage, 1)


def test_a_failed_delete_does_not_stop_the_log(storage: FileStorage, files: FaultyFiles) -> None:
    append(storage, 1)
    files.fail("unlink", errno.EACCES)
    with pytest.raises(StorageFailed, match=r"delete .*snapshot\.1"):
        storage.remove("snapshot.1")
    append(storage, 2)
    storage.sync()
    assert replayed(storage) == [1, 2]


# --- snapshots ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["", "gz", "snappy"])
def test_a_snapshot_appears_when_it_is_committed(tmp_path: Path, compression: str) -> None:
    storage = FileStorage(tmp_path, tmp_path, compression=compression)
    content = snapshot_bytes(16, [(b"/", ROOT, -1), (b"/a", record(b"z" * 200_000), -1)])
    writer = storage.begin_snapshot(16)
    for start in range(0, len(content), 50_000):
        writer.write(content[start : start + 50_000])
    assert storage.snapshots() == []
    name = writer.commit()
    assert name == "snapshot.10" + (f".{compression}" if compression else "")
    assert [snapshot.name for snapshot in storage.snapshots()] == [name]
    reader = storage.read_snapshot(name)
    assert b"".join(iter(lambda: reader.read(30_000), b"")) == content
    reader.close()
    if compression:
        assert (tmp_path / name).stat().st_size < len(content) / 5
    storage.close()


def test_commit_syncs_renames_and_syncs_the_directory_in_this_order(
    storage: FileStorage, files: FaultyFiles
) -> None:
    writer = storage.begin_snapshot(1)
    writer.write(b"x")
    files.calls.clear()
    writer.commit()
    assert [c for c in files.calls if c in ("fsync", "rename")] == ["fsync", "rename", "fsync"]


@pytest.mark.parametrize("name", ["fsync", "rename", "pwrite"])
def test_a_snapshot_that_fails_never_appears(
    storage: FileStorage, files: FaultyFiles, name: str
) -> None:
    writer = storage.begin_snapshot(1)
    files.fail(name, errno.ENOSPC)
    with pytest.raises(StorageFailed):  # noqa: PT012
        writer.write(b"x")
        writer.commit()
    assert storage.snapshots() == []


def test_an_aborted_or_unfinished_snapshot_leaves_nothing(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, tmp_path)
    storage.begin_snapshot(1).abort()
    storage.begin_snapshot(2).write(b"x")
    storage.close()
    assert [path.name for path in tmp_path.glob(".writing*")] == [".writing-snapshot.2"]
    FileStorage(tmp_path, tmp_path).close()
    assert list(tmp_path.glob(".writing*")) == []


# --- lock -----------------------------------------------------------------------------------------


def test_a_second_server_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    logs, snapshots = tmp_path / "l", tmp_path / "s"
    logs.mkdir()
    snapshots.mkdir()
    storage = FileStorage(snapshots, logs)
    for pair in ((snapshots, logs), (logs, logs), (snapshots, snapshots)):
        with pytest.raises(StorageFailed, match=rf"pid {os.getpid()}\b.*dataDir"):
            FileStorage(*pair)
    storage.close()
    FileStorage(snapshots, logs).close()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from zoo.runtime.file_storage import FileStorage; "
        "d = pathlib.Path(sys.argv[1]); s = FileStorage(d, d); print('held', flush=True); "
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StorageFailed, match=f"pid {process.pid}"):
        FileStorage(tmp_path, tmp_path)
    process.kill()
    process.communicate()
    FileStorage(tmp_path, tmp_path).close()


def test_a_big_snapshot_reaches_the_disk_bit_by_bit(tmp_path: Path) -> None:
    """One fsync of all of it at the end would hold up the log's."""
    calls: list[int] = []

    class Counting(Files):
        def fdatasync(self, fd: int) -> None:
            calls.append(fd)
            super().fdatasync(fd)

    storage = FileStorage(tmp_path, tmp_path, files=Counting())
    writer = storage.begin_snapshot(7)
    for _ in range(40):
        writer.write(bytes(SNAPSHOT_SYNC_BYTES // 10 + 1))
    assert len(calls) == 4
    writer.commit()
    storage.close()
