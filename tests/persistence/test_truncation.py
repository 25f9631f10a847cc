"""TRUNC on the disk: the cut history and nothing else, whatever crashes; else nothing changes."""

from __future__ import annotations

import pytest

from tests.persistence.crashes import disk_with, durable, every_crash, recovered
from tests.persistence.history import entry, log_bytes, snapshot_bytes
from zoo.persistence.snapshot import ZxidDigest
from zoo.persistence.storage import StorageFailed
from zoo.persistence.truncation import CannotTruncate, can_truncate, truncate_to
from zoo.persistence.txn_log import encode_entry
from zoo.sim.disk import Disk, Faults, MemoryStorage

E1, E2, E3 = 1 << 32, 2 << 32, 3 << 32
LOGS = {
    1: [1, 2, 3],
    4: [4, E1 + 1, E1 + 2],
    E1 + 3: [E1 + 3, E1 + 4],
    E1 + 5: [E1 + 5, E2 + 1],
    E2 + 2: [E2 + 2, E2 + 3],
}
ALL = [zxid for zxids in LOGS.values() for zxid in zxids]


def ignore(line: str) -> None:
    """A warning nobody asked for."""


def cut(disk: Disk, zxid: int) -> None:
    storage = MemoryStorage(disk)
    truncate_to(storage, zxid, ignore)
    storage.close()


@pytest.mark.parametrize("zxid", ALL)
@pytest.mark.parametrize("snapshots", [[], [0], [3], [0, E1 + 4], [0, E1 + 4, E2 + 3]])
def test_the_history_ends_at_the_zxid(zxid: int, snapshots: list[int]) -> None:
    disk = disk_with(LOGS, snapshots)
    cut(disk, zxid)
    bases = [at for at in snapshots if at <= zxid]
    if bases or not snapshots:
        base = bases[-1] if bases else -1
        assert recovered(disk) == (base, [z for z in ALL if max(base, 0) < z <= zxid])
    assert all(name in disk.files for name in (f"snapshot.{at:x}" for at in bases))


def test_the_next_transaction_begins_a_new_log() -> None:
    disk = disk_with(LOGS, [0])
    storage = MemoryStorage(disk)
    storage.append(encode_entry(entry(E2 + 4)), E2 + 4)  # the log being written is cut as well
    truncate_to(storage, E1 + 3, ignore)
    storage.append(encode_entry(entry(E3 + 1)), E3 + 1)
    storage.close()
    assert recovered(disk) == (0, [*(z for z in ALL if z <= E1 + 3), E3 + 1])
    assert [log.zxid for log in MemoryStorage(disk).logs()] == [1, 4, E1 + 3, E3 + 1]


def test_a_cut_inside_the_log_that_is_being_written() -> None:
    disk = Disk()
    storage = MemoryStorage(disk)
    for zxid in range(1, 6):
        storage.append(encode_entry(entry(zxid)), zxid)
    truncate_to(storage, 3, ignore)
    storage.append(encode_entry(entry(4, b"other")), 4)
    storage.close()
    assert recovered(disk) == (-1, [1, 2, 3, 4])
    assert MemoryStorage(disk).read_log("log.4").read(999) == log_bytes([]) + encode_entry(
        entry(4, b"other")
    )


def test_nothing_is_done_when_the_history_ends_there() -> None:
    disk = disk_with(LOGS, [0, E1 + 4])
    before = {name: bytes(file.data) for name, file in disk.files.items()}
    cut(disk, ALL[-1])
    assert {name: bytes(file.data) for name, file in disk.files.items()} == before


def test_zero_empties_everything() -> None:
    disk = disk_with(LOGS, [E1 + 4])
    cut(disk, 0)
    assert recovered(disk) == (-1, [])
    assert disk.files == {}


@pytest.mark.parametrize("zxid", [3, E1 + 2, E2 + 1])
def test_every_crash_leaves_the_whole_history_or_the_cut_one(zxid: int) -> None:
    snapshots = [0, 3, E1 + 4, E2 + 3]
    bases = [at for at in snapshots if at <= zxid]
    outcomes = set()
    last = ""
    for last, disk in every_crash(
        lambda: disk_with(LOGS, snapshots), lambda storage: truncate_to(storage, zxid, ignore)
    ):
        outcome = recovered(disk)
        assert outcome in (
            (E2 + 3, []),
            (bases[-1], [z for z in ALL if bases[-1] < z <= zxid]),
        ), last
        left = [name for name in disk.files if name.startswith((".writing", "truncating"))]
        assert left == [], last
        outcomes.add(outcome[0] == E2 + 3)
    assert last == "the end"
    assert outcomes == {True, False}


# --- what cannot be


def test_it_can_be_asked_before() -> None:
    disk = disk_with(LOGS, [3, E1 + 4])
    before = {name: bytes(file.data) for name, file in disk.files.items()}
    storage = MemoryStorage(disk)
    warnings: list[str] = []
    answers = [can_truncate(storage, zxid, warnings.append) for zxid in (3, E1 + 2, E1 + 9)]
    assert answers == [True, True, False]
    assert len(warnings) == 1
    assert {name: bytes(file.data) for name, file in disk.files.items()} == before


def untouched(disk: Disk, zxid: int) -> CannotTruncate:
    before = {name: bytes(file.data) for name, file in disk.files.items()}
    with pytest.raises(CannotTruncate) as caught:
        cut(disk, zxid)
    assert {name: bytes(file.data) for name, file in disk.files.items()} == before
    return caught.value


def test_no_snapshot_at_or_before_the_zxid() -> None:
    logs = {zxid: zxids for zxid, zxids in LOGS.items() if zxid > 1}
    assert "no snapshot here" in str(untouched(disk_with(logs, [E1 + 4]), E1 + 3))


@pytest.mark.parametrize("zxid", [E1, E1 + 9, E2 + 9, E3 + 1])
def test_a_zxid_that_is_not_in_the_history(zxid: int) -> None:
    assert "is not in this server's history" in str(untouched(disk_with(LOGS, [0]), zxid))


def test_a_gap_between_the_snapshot_and_the_zxid() -> None:
    logs = {zxid: zxids for zxid, zxids in LOGS.items() if zxid != E1 + 3}
    failure = untouched(disk_with(logs, [0, E2 + 1]), E1 + 5)
    assert "missing between 0x100000002 and 0x100000005" in str(failure)


def test_a_snapshot_that_shows_more_than_its_name_says() -> None:
    """A Java server takes snapshots while it goes on applying (ZOOKEEPER-4837 and its kin)."""
    fuzzy = snapshot_bytes(E1 + 2, digest=ZxidDigest(E1 + 4, 2, 7))[:-21]
    disk = disk_with(LOGS, {E1 + 2: fuzzy})
    disk.files.pop("log.1")
    assert "no snapshot here" in str(untouched(disk, E1 + 3))
    disk = disk_with(LOGS, {3: snapshot_bytes(3), E1 + 2: fuzzy})
    cut(disk, E1 + 3)
    assert recovered(disk) == (3, [4, E1 + 1, E1 + 2, E1 + 3])
    disk = disk_with(LOGS, {3: snapshot_bytes(3), E1 + 2: fuzzy})
    cut(disk, E1 + 4)
    assert recovered(disk) == (E1 + 2, [E1 + 3, E1 + 4])


def test_a_damaged_snapshot_or_log_is_no_base() -> None:
    damaged = bytearray(snapshot_bytes(3))
    damaged[30] ^= 1
    disk = disk_with(LOGS, {3: bytes(damaged)})
    disk.files.pop("log.1")
    assert "no snapshot" in str(untouched(disk, E1 + 1))
    disk = disk_with(LOGS, [0])
    disk.files["log.4"].data[30] ^= 1
    assert "log.4" in str(untouched(disk, E1 + 4))


def test_a_torn_end_that_the_next_log_made_good_is_cut_off() -> None:
    """Java leaves such ends in older logs; as the newest log's it must not be read on."""
    disk = disk_with({1: [1, 2, 3], 4: [4, 5]}, [0])
    durable(disk, "log.1", log_bytes([1, 2, 3]) + b"torn end of a record")
    cut(disk, 3)
    assert bytes(disk.files["log.1"].data) == log_bytes([1, 2, 3])
    assert recovered(disk) == (0, [1, 2, 3])


@pytest.mark.parametrize("after", range(1, 4))
def test_a_failing_fsync_is_a_failure(after: int) -> None:
    """ZOOKEEPER-3701"""
    disk = disk_with(LOGS, [0])
    storage = MemoryStorage(disk)
    disk.faults = Faults(syncs_until_failure=after)
    if after == 3:
        truncate_to(storage, E1 + 1, ignore)
        return
    with pytest.raises(StorageFailed):
        truncate_to(storage, E1 + 1, ignore)
    with pytest.raises(StorageFailed):
        storage.append(b"x", E3 + 1)
