from __future__ import annotations

import pytest

from tests.persistence.crashes import disk_with, durable
from zoo.persistence.redo import INSTALLING, TRUNCATING, Change, change_steps, settle
from zoo.persistence.storage import StorageFailed
from zoo.sim.disk import Disk, MemoryStorage

LOGS = {1: [1, 2], 3: [3, 4]}


def test_the_steps_in_their_order() -> None:
    disk = disk_with(LOGS, [0, 2])
    storage = MemoryStorage(disk)
    change = Change(None, ("snapshot.2", "log.3"), ("log.1", 16))
    assert list(change_steps(storage, TRUNCATING, 2, change)) == [
        "wrote truncating.2", "removed snapshot.2", "removed log.3", "cut log.1",
        "removed truncating.2",
    ]  # fmt: skip
    assert sorted(disk.files) == ["log.1", "snapshot.0"]
    assert len(disk.files["log.1"].durable) == 16
    assert disk.pending == []


def test_an_opening_finishes_what_was_begun_and_drops_what_was_not() -> None:
    disk = disk_with(LOGS, [0])
    durable(disk, ".writing-snapshot.9", b"new")
    durable(disk, ".writing-snapshot.a", b"unfinished")
    durable(disk, "installing.9", b"publish .writing-snapshot.9\nremove log.3\nremove log.7\n")
    storage = MemoryStorage(disk)
    assert sorted(disk.files) == ["log.1", "snapshot.0", "snapshot.9"]
    assert settle(storage) == []


def test_a_published_snapshot_is_not_published_again() -> None:
    disk = disk_with(LOGS, [9])
    durable(disk, "installing.9", b"publish .writing-snapshot.9\nremove log.1\nremove log.3\n")
    MemoryStorage(disk)
    assert sorted(disk.files) == ["snapshot.9"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"publish .writing-snapshot.9\n", "snapshot.9 is neither there nor about to be"),
        (b"remove log.1 log.3\n", "no step of a change"),
        (b"cut log.1 -4\n", "no step of a change"),
        (b"\xff\n", "no step of a change"),
    ],
)
def test_nonsense_changes_nothing(content: bytes, message: str) -> None:
    disk = disk_with(LOGS, [0])
    durable(disk, INSTALLING + "9", content)
    for _ in range(2):
        with pytest.raises(StorageFailed, match=message):
            MemoryStorage(disk)
    assert sorted(disk.files) == ["installing.9", "log.1", "log.3", "snapshot.0"]


def test_nothing_to_settle() -> None:
    assert settle(MemoryStorage(Disk())) == []
