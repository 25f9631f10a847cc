"""The simulated disk: keeps what was synced, loses the rest in every way, and honours Storage."""

from __future__ import annotations

from random import Random

import pytest

from zoo.persistence.storage import StorageFailed
from zoo.persistence.txn_log import FILE_HEADER, HEADER_SIZE
from zoo.sim.disk import Disk, Faults, Interrupted, MemoryStorage


def written(disk: Disk, synced: bytes, unsynced: bytes = b"") -> MemoryStorage:
    storage = MemoryStorage(disk)
    storage.append(synced, 1)
    storage.sync()
    if unsynced:
        storage.append(unsynced, 2)
    return storage


def log(disk: Disk, name: str = "log.1") -> bytes:
    return bytes(disk.files[name].data)[HEADER_SIZE:]


def test_a_power_failure_keeps_what_was_synced_and_any_prefix_of_the_rest() -> None:
    lengths = set()
    for seed in range(200):
        disk = Disk()
        written(disk, b"synced", b"tail")
        disk.power_failure(Random(seed))
        left = log(disk)
        assert left.startswith(b"synced")
        rest = left[6:].rstrip(b"\0")
        assert b"tail".startswith(rest)
        lengths.add(len(rest))
    assert lengths == {0, 1, 2, 3, 4}


def test_kill_keeps_the_page_cache_but_makes_nothing_durable() -> None:
    lost = 0
    for seed in range(30):
        disk = Disk()
        written(disk, b"synced", b"tail")
        disk.kill()
        assert log(disk) == b"syncedtail"
        MemoryStorage(disk)
        disk.power_failure(Random(seed))
        lost += log(disk) != b"syncedtail"
    assert lost > 0


def test_sync_log_makes_an_earlier_servers_tail_durable() -> None:
    for seed in range(30):
        disk = Disk()
        written(disk, b"synced", b"tail")
        disk.kill()
        MemoryStorage(disk).sync_log("log.1")
        disk.power_failure(Random(seed))
        assert log(disk) == b"syncedtail"


def test_a_file_whose_directory_entry_was_not_synced_may_vanish() -> None:
    outcomes = set()
    for seed in range(50):
        disk = Disk()
        MemoryStorage(disk).append(b"x", 1)
        disk.power_failure(Random(seed))
        outcomes.add("log.1" in disk.files)
    assert outcomes == {True, False}


def test_a_deleted_file_may_come_back_until_the_directory_is_synced() -> None:
    outcomes = set()
    for seed in range(50):
        disk = Disk()
        storage = written(disk, b"x")
        storage.remove("log.1")
        disk.power_failure(Random(seed))
        outcomes.add("log.1" in disk.files)
    assert outcomes == {True, False}


def test_logs_are_named_after_their_first_zxid_and_rolled() -> None:
    storage = written(Disk(), b"a")
    storage.roll()
    storage.append(b"b", 0x10)
    storage.sync()
    assert [(log.name, log.size) for log in storage.logs()] == [("log.1", 17), ("log.10", 17)]
    assert storage.read_log("log.10").read(99) == FILE_HEADER + b"b"
    assert storage.log_size() == 17


def test_a_log_is_replaced_only_if_it_holds_nothing() -> None:
    disk = Disk()
    written(disk, b"a").truncate_log("log.1", HEADER_SIZE)
    disk.kill()
    storage = MemoryStorage(disk)
    storage.append(b"new", 1)
    disk.kill()
    with pytest.raises(StorageFailed, match="may hold transactions"):
        MemoryStorage(disk).append(b"other", 1)


def test_a_snapshot_exists_once_committed() -> None:
    disk = Disk()
    storage = MemoryStorage(disk)
    writer = storage.begin_snapshot(5)
    writer.write(b"abc")
    assert storage.snapshots() == []
    assert writer.commit() == "snapshot.5"
    disk.power_failure(Random(1))
    assert MemoryStorage(disk).read_snapshot("snapshot.5").read(9) == b"abc"
    storage = MemoryStorage(Disk())
    storage.begin_snapshot(6).abort()
    assert storage.snapshots() == []


@pytest.mark.parametrize(
    ("faults", "kept"),
    [
        (Faults(capacity=18), b"ab"),
        (Faults(writes_until_failure=2), b"abc"),
    ],
)
def test_a_failing_write_leaves_a_part_and_is_final(faults: Faults, kept: bytes) -> None:
    disk = Disk()
    disk.faults = faults
    storage = MemoryStorage(disk)
    with pytest.raises(StorageFailed) as first:
        storage.append(b"abcdef", 1)
    assert log(disk) == kept
    disk.faults = Faults()
    for action in (
        lambda: storage.append(b"x", 2),
        storage.sync,
        lambda: storage.begin_snapshot(1),
    ):
        if action == storage.sync:
            storage.roll()
        with pytest.raises(StorageFailed) as again:
            action()
        assert str(again.value) == str(first.value)


def test_a_failing_fsync_makes_nothing_durable() -> None:
    disk = Disk()
    storage = written(disk, b"a")
    storage.append(b"b", 2)
    disk.faults = Faults(syncs_until_failure=1)
    with pytest.raises(StorageFailed, match="fsync"):
        storage.sync()
    assert disk.files["log.1"].durable == FILE_HEADER + b"a"


def test_one_server_at_a_time() -> None:
    disk = Disk()
    storage = MemoryStorage(disk)
    with pytest.raises(StorageFailed, match="another server"):
        MemoryStorage(disk)
    storage.close()
    assert MemoryStorage(disk).logs() == []


def test_flip_bit() -> None:
    disk = Disk()
    written(disk, b"abc")
    before = bytes(disk.files["log.1"].data)
    disk.flip_bit("log.1", Random(3))
    after = bytes(disk.files["log.1"].data)
    assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1
    assert disk.size == len(after)


def test_a_rename_that_was_not_synced_may_be_undone() -> None:
    outcomes = set()
    for seed in range(60):
        disk = Disk()
        storage = MemoryStorage(disk)
        storage.write_note("n", b"old")
        file = disk.create(".writing-n")
        file.data += b"new"
        file.sync()
        disk.rename(".writing-n", "n")
        assert storage.read_note("n") == b"new"
        disk.power_failure(Random(seed))
        outcomes.add(MemoryStorage(disk).read_note("n"))
        assert MemoryStorage.unfinished(disk.holder or storage) == []
    assert outcomes == {b"old", b"new"}


@pytest.mark.parametrize("operation", range(1, 6))
def test_a_note_is_replaced_as_a_whole(operation: int) -> None:
    found = set()
    for seed in range(20):
        disk = Disk()
        storage = MemoryStorage(disk)
        storage.write_note("n", b"old")
        disk.faults.operations_until_interruption = operation
        with pytest.raises(Interrupted):
            storage.write_note("n", b"new")
        disk.power_failure(Random(seed))
        found.add(MemoryStorage(disk).read_note("n"))
    assert found == ({b"old"} if operation < 5 else {b"old", b"new"})


def test_notes_by_prefix() -> None:
    storage = MemoryStorage(Disk())
    storage.write_note("installing.b", b"")
    storage.write_note("installing.a", b"x")
    assert storage.notes("installing.") == ["installing.a", "installing.b"]
    storage.remove("installing.b")
    assert storage.notes("installing.") == ["installing.a"]
    assert storage.read_note("installing.b") is None


def test_removals_are_durable_once_the_names_are_synced() -> None:
    for seed in range(20):
        disk = Disk()
        storage = written(disk, b"x")
        storage.write_note("n", b"")
        storage.remove("log.1")
        storage.remove("n")
        storage.sync_names()
        disk.power_failure(Random(seed))
        assert disk.files == {}


def test_syncing_a_log_makes_no_snapshot_directory_durable() -> None:
    outcomes = set()
    for seed in range(30):
        disk = Disk()
        storage = MemoryStorage(disk)
        storage.write_note("n", b"")
        storage.remove("n")
        storage.append(b"x", 1)
        storage.sync()
        disk.power_failure(Random(seed))
        outcomes.add("n" in disk.files)
        assert "log.1" in disk.files
    assert outcomes == {True, False}


def test_a_finished_snapshot_waits_to_be_published() -> None:
    disk = Disk()
    storage = MemoryStorage(disk)
    writer = storage.begin_snapshot(5)
    writer.write(b"abc")
    assert writer.finish() == ".writing-snapshot.5"
    assert (storage.snapshots(), storage.unfinished()) == ([], [".writing-snapshot.5"])
    storage.publish(".writing-snapshot.5")
    disk.power_failure(Random(2))
    assert MemoryStorage(disk).read_snapshot("snapshot.5").read(9) == b"abc"
