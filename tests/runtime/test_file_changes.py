"""Notes, and changes of several files as one, on real files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.persistence.history import log_bytes, snapshot_bytes
from tests.runtime.test_file_storage import FaultyFiles, append, replayed
from zoo.persistence.epochs import write_current_epoch
from zoo.persistence.installing import Installation
from zoo.persistence.storage import StorageFailed
from zoo.persistence.truncation import truncate_to
from zoo.runtime.file_storage import FileStorage


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def storage(tmp_path: Path, files: FaultyFiles) -> FileStorage:
    storage = FileStorage(tmp_path, tmp_path, preallocation=8192, files=files)
    files.calls.clear()
    return storage


def test_a_note_is_written_synced_renamed_and_its_directory_synced(
    storage: FileStorage, files: FaultyFiles, tmp_path: Path
) -> None:
    assert storage.read_note("currentEpoch") is None
    write_current_epoch(storage, 5)
    assert [c for c in files.calls if c not in ("open", "close")] == [
        "pwrite", "fsync", "rename", "fsync",
    ]  # fmt: skip
    assert (tmp_path / "currentEpoch").read_bytes() == b"5"
    write_current_epoch(storage, 6)
    assert storage.read_note("currentEpoch") == b"6"
    assert storage.notes("current") == ["currentEpoch"]


@pytest.mark.parametrize("name", ["open", "pwrite", "fsync", "rename"])
def test_a_note_that_fails_is_the_old_one(
    storage: FileStorage, files: FaultyFiles, name: str
) -> None:
    write_current_epoch(storage, 5)
    files.fail(name, errno.EIO)
    with pytest.raises(StorageFailed, match="EIO"):
        write_current_epoch(storage, 6)
    files.instead.clear()
    assert storage.read_note("currentEpoch") == b"5"
    with pytest.raises(StorageFailed):
        append(storage, 1)


@pytest.mark.parametrize("apart", [True, False])
def test_truncating_a_log_that_is_being_written(tmp_path: Path, apart: bool) -> None:
    logs, snapshots = (tmp_path / "l", tmp_path / "s") if apart else (tmp_path, tmp_path)
    for directory in {logs, snapshots}:
        directory.mkdir(exist_ok=True)
    (snapshots / "snapshot.0").write_bytes(snapshot_bytes(0))
    (snapshots / "snapshot.5").write_bytes(snapshot_bytes(5))
    storage = FileStorage(snapshots, logs, preallocation=8192)
    append(storage, 1, 2, 3)
    storage.roll()
    append(storage, 4, 5, 6)
    truncate_to(storage, 2, lambda line: None)
    assert (logs / "log.1").read_bytes() == log_bytes([1, 2])
    append(storage, 3)
    storage.close()
    storage = FileStorage(snapshots, logs)
    assert replayed(storage) == [1, 2, 3]
    assert [snapshot.zxid for snapshot in storage.snapshots()] == [0]
    assert not list(tmp_path.glob("**/truncating*"))
    storage.close()


@pytest.mark.parametrize("compression", ["", "gz"])
def test_installing_a_snapshot_after_a_crash_in_the_middle(
    tmp_path: Path, compression: str
) -> None:
    files = FaultyFiles()
    storage = FileStorage(tmp_path, tmp_path, compression=compression, files=files)
    append(storage, 1, 2, 3)
    content = snapshot_bytes(9)
    installation = Installation(storage, 9)
    installation.write(content)
    files.fail("unlink", errno.EIO)
    with pytest.raises(StorageFailed):
        installation.commit()
    storage.close()
    assert (tmp_path / "log.1").exists()
    storage = FileStorage(tmp_path, tmp_path)
    name = "snapshot.9" + (f".{compression}" if compression else "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "zoo.lock"]
    assert storage.read_snapshot(name).read(9999) == content
    storage.close()
