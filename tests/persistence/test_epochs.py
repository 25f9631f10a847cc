"""The epoch files: as Java writes them, never half written, never contradicting the history."""

from __future__ import annotations

import pytest

from tests.persistence.crashes import disk_with, durable, every_crash
from zoo.persistence.epochs import (
    EpochsUnusable,
    read_epochs,
    recover_epochs,
    refuse_lost_history,
    write_accepted_epoch,
    write_current_epoch,
)
from zoo.persistence.storage import StorageFailed
from zoo.sim.disk import Disk, Faults, MemoryStorage

ZXID = (3 << 32) + 7


def disk_of(accepted: bytes | None, current: bytes | None) -> Disk:
    disk = disk_with({}, [0])
    for name, content in (("acceptedEpoch", accepted), ("currentEpoch", current)):
        if content is not None:
            durable(disk, name, content)
    return disk


def recover(disk: Disk, last_zxid: int = ZXID) -> tuple[int | None, int | None, list[str]]:
    warnings: list[str] = []
    epochs = recover_epochs(MemoryStorage(disk), last_zxid, warnings.append)
    assert read_epochs_of(disk) == epochs
    return *epochs, warnings


def read_epochs_of(disk: Disk) -> tuple[int | None, int | None]:
    disk.kill()
    return read_epochs(MemoryStorage(disk))


def test_they_are_decimal_text() -> None:
    disk = Disk()
    storage = MemoryStorage(disk)
    assert read_epochs(storage) == (None, None)
    write_accepted_epoch(storage, 12)
    write_current_epoch(storage, 11)
    assert read_epochs(storage) == (12, 11)
    assert disk.files["acceptedEpoch"].durable == b"12"
    assert disk.files["currentEpoch"].durable == b"11"
    assert disk.pending == []


@pytest.mark.parametrize("text", [b"3", b"3\n", b"3\r\n", b" 3\nmore"])
def test_as_a_person_may_have_written_them(text: bytes) -> None:
    assert recover(disk_of(text, text)) == (3, 3, [])


def test_without_files_the_epoch_is_that_of_the_last_zxid() -> None:
    assert recover(disk_of(None, None)) == (3, 3, [])
    assert recover(disk_of(b"5", None)) == (5, 3, [])
    assert recover(disk_of(None, b"3")) == (3, 3, [])
    assert recover(disk_of(None, None), 0) == (0, 0, [])


def test_what_is_usual() -> None:
    assert recover(disk_of(b"9", b"4")) == (9, 4, [])


def test_a_synchronisation_that_a_crash_ended_before_its_epoch_was_written() -> None:
    accepted, current, warnings = recover(disk_of(b"4", b"1"))
    assert (accepted, current) == (4, 3)
    assert len(warnings) == 1
    assert "currentEpoch is 1" in warnings[0]


def test_epochs_without_the_history_they_speak_of() -> None:
    """ZOOKEEPER-2325: such a server must not stand for election."""
    disk = disk_of(b"3", b"3")
    storage = MemoryStorage(disk)
    refuse_lost_history(storage)
    storage.remove("snapshot.0")
    with pytest.raises(EpochsUnusable, match="neither a snapshot nor a log"):
        refuse_lost_history(storage)
    write_current_epoch(storage, 0)
    refuse_lost_history(storage)  # it promised something, and had nothing yet
    assert read_epochs(storage) == (3, 0)


@pytest.mark.parametrize(
    ("accepted", "current", "message"),
    [
        (b"2", b"2", "acceptedEpoch is 2, yet the history ends at 0x300000007"),
        (b"4", b"5", "currentEpoch is 5 and acceptedEpoch only 4"),
        (None, b"4", "acceptedEpoch is missing and currentEpoch is 4"),
        (b"", b"3", "acceptedEpoch should hold a number and holds ''"),
        (b"4", b"x\xff", r"currentEpoch should hold a number and holds 'x\\\\xff'"),
        (b"-1", b"3", "acceptedEpoch should hold a number"),
        (b"2147483648", b"3", "no epoch is above 2147483647"),
    ],
)
def test_contradictions(accepted: bytes | None, current: bytes, message: str) -> None:
    with pytest.raises(EpochsUnusable, match=message) as caught:
        recover(disk_of(accepted, current))
    assert "move this server's version-2 directories away" in str(caught.value)


def test_every_crash_leaves_the_old_or_the_new_promise() -> None:
    found = set()
    for how, disk in every_crash(
        lambda: disk_of(b"7", b"6"), lambda storage: write_accepted_epoch(storage, 8)
    ):
        epochs = read_epochs_of(disk)
        assert epochs in ((7, 6), (8, 6)), how
        found.add(epochs[0])
    assert epochs == (8, 6)
    assert found == {7, 8}


@pytest.mark.parametrize("faults", [Faults(syncs_until_failure=1), Faults(capacity=0)])
def test_a_failure_leaves_the_old_promise(faults: Faults) -> None:
    disk = disk_with({}, [])
    durable(disk, "acceptedEpoch", b"7")
    storage = MemoryStorage(disk)
    disk.faults = faults
    with pytest.raises(StorageFailed):
        write_accepted_epoch(storage, 8)
    assert read_epochs_of(disk) == (7, None)
