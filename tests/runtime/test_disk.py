from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.persistence.history import entry
from tests.runtime.servers import DEADLINE, wait_for
from tests.runtime.test_file_storage import FaultyFiles, replayed
from zoo.persistence.storage import StorageFailed
from zoo.runtime.disk import Background, LogDisk
from zoo.runtime.file_storage import FileStorage
from zoo.zab.ready import Ready


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def storage(tmp_path: Path, files: FaultyFiles) -> Iterator[FileStorage]:
    storage = FileStorage(tmp_path, tmp_path, preallocation=0, files=files)
    yield storage
    files.instead.clear()
    storage.close()


def ready(*zxids: int, roll: bool = False) -> Ready:
    return Ready([entry(zxid, b"x") for zxid in zxids], zxids[0], zxids[-1], roll)


def wait_until_reported(disk: LogDisk) -> None:
    assert select.select([disk.eventfd], [], [], DEADLINE)[0]


def test_a_batch_is_durable_when_it_is_reported(storage: FileStorage, files: FaultyFiles) -> None:
    disk = LogDisk(storage)
    assert disk.collect() is None
    batch = ready(1, 2, 3)
    disk.submit(batch)
    assert disk.busy
    wait_until_reported(disk)
    assert files.calls.count("fdatasync") == 1
    assert replayed(storage) == [1, 2, 3]
    assert disk.busy  # until it is collected
    assert disk.collect() is batch
    assert not disk.busy
    assert disk.collect() is None
    assert disk.silent_seconds() == 0
    disk.close()


def test_a_batch_rolls_the_log(storage: FileStorage) -> None:
    disk = LogDisk(storage)
    for batch in (ready(1), ready(2, roll=True)):
        disk.submit(batch)
        wait_until_reported(disk)
        assert disk.collect() is batch
    disk.close()
    assert [log.name for log in storage.logs()] == ["log.1", "log.2"]


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync", "open"])
def test_a_failure_is_reported_once_and_final(
    storage: FileStorage, files: FaultyFiles, call: str
) -> None:
    disk = LogDisk(storage)
    files.fail(call, errno.ENOSPC)
    disk.submit(ready(1))
    wait_until_reported(disk)
    with pytest.raises(StorageFailed, match="No space left"):
        disk.collect()
    assert disk.busy  # nothing can be submitted any more
    wait_for(lambda: not disk.is_alive, "the thread's end")
    disk.close()


def test_stop_finishes_the_batch_under_way(storage: FileStorage, files: FaultyFiles) -> None:
    gate = threading.Event()
    disk = LogDisk(storage)

    def slow(fd: int) -> None:
        gate.wait(DEADLINE)
        os.fdatasync(fd)

    files.instead["fdatasync"] = slow
    disk.submit(ready(1))
    wait_for(lambda: "fdatasync" in files.calls, "the sync begins")
    assert disk.silent_seconds() > 0
    disk.stop()
    assert disk.is_alive
    gate.set()
    wait_for(lambda: not disk.is_alive, "the thread's end")
    assert disk.collect() is not None
    disk.close()


def test_background_jobs_run_in_order_and_stop_waits_for_them() -> None:
    done: list[int] = []
    gate = threading.Event()
    background = Background(lambda failure: None)
    background.submit(lambda: gate.wait(DEADLINE))
    for i in range(5):
        background.submit(partial(done.append, i))
    assert background.backlog() >= 5
    background.stop()
    gate.set()
    wait_for(lambda: not background.is_alive, "the thread's end")
    assert done == [0, 1, 2, 3, 4]


def test_a_failing_background_job_ends_the_thread_with_its_reason() -> None:
    failures: list[BaseException] = []
    background = Background(failures.append)
    background.submit(lambda: 1 // 0)
    background.submit(lambda: failures.append(AssertionError("ran after a failure")))
    wait_for(lambda: not background.is_alive, "the thread's end")
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
