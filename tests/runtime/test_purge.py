from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.persistence.history import log_bytes, open_storage, snapshot_bytes
from zoo.persistence.recovery import Recovery
from zoo.persistence.storage import StorageFailed
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.purge import plan_purge, purge


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FileStorage]:
    """Snapshots at 0, 10, 20, 30, 40; logs that begin at 1, 11, 25, 41."""
    for zxid in (0, 10, 20, 30, 40):
        (tmp_path / f"snapshot.{zxid:x}").write_bytes(snapshot_bytes(zxid))
    for first, next_first in ((1, 11), (11, 25), (25, 41), (41, 45)):
        (tmp_path / f"log.{first:x}").write_bytes(log_bytes(range(first, next_first)))
    storage = open_storage(tmp_path)
    yield storage
    storage.close()


def left(storage: FileStorage) -> tuple[list[int], list[int]]:
    return [s.zxid for s in storage.snapshots()], [log.zxid for log in storage.logs()]


def warn(line: str) -> None:
    raise AssertionError(line)


@pytest.mark.parametrize(
    ("retain", "snapshots", "logs"),
    [
        (1, [40], [25, 41]),
        (2, [30, 40], [25, 41]),
        (3, [20, 30, 40], [11, 25, 41]),
        (4, [10, 20, 30, 40], [1, 11, 25, 41]),
        (5, [0, 10, 20, 30, 40], [1, 11, 25, 41]),
        (6, [0, 10, 20, 30, 40], [1, 11, 25, 41]),
    ],
)
def test_the_newest_and_their_logs_stay(
    storage: FileStorage, retain: int, snapshots: list[int], logs: list[int]
) -> None:
    before = left(storage)
    plan = purge(storage, retain, warn)
    assert left(storage) == (snapshots, logs)
    assert len(plan.snapshots) == len(before[0]) - len(snapshots)
    assert len(plan.logs) == len(before[1]) - len(logs)
    assert purge(storage, retain, warn) == ((), ())


@pytest.mark.parametrize("retain", [1, 2, 3, 4])
def test_each_retained_snapshot_is_recoverable_alone(
    storage: FileStorage, tmp_path: Path, retain: int
) -> None:
    purge(storage, retain, warn)
    while storage.snapshots():
        newest = storage.snapshots()[-1]
        zxids = [zxid for zxid, _ in Recovery(storage, warn).entries()]
        assert zxids == list(range(newest.zxid + 1, 45))
        storage.remove(newest.name)


def test_damaged_snapshots_do_not_count(storage: FileStorage, tmp_path: Path) -> None:
    for zxid in (30, 40):
        path = tmp_path / f"snapshot.{zxid:x}"
        path.write_bytes(path.read_bytes()[:-1])
    warnings: list[str] = []
    purge(storage, 2, warnings.append)
    assert left(storage) == ([10, 20, 30, 40], [1, 11, 25, 41])
    assert [line.split()[0] for line in warnings] == ["snapshot.28", "snapshot.1e"]


def test_too_few_valid_ones_and_nothing_goes(storage: FileStorage, tmp_path: Path) -> None:
    for path in tmp_path.glob("snapshot.*"):
        path.write_bytes(b"")
    before = left(storage)
    assert plan_purge(storage, 1, lambda line: None) == ((), ())
    assert left(storage) == before


def test_at_least_one_is_retained(storage: FileStorage) -> None:
    with pytest.raises(ValueError, match="at least one"):
        plan_purge(storage, 0, warn)


def test_a_file_that_cannot_be_deleted_is_named(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zoo.runtime.file_storage.Files.unlink", staticmethod(unlink))
    with pytest.raises(StorageFailed, match=r"delete .*snapshot\.0"):
        purge(storage, 3, warn)
