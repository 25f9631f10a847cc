"""A leader's snapshot replaces the history as a whole, or not at all."""

from __future__ import annotations

import pytest

from tests.persistence.crashes import disk_with, every_crash, recovered
from tests.persistence.history import ROOT, entry, record, snapshot_bytes
from zoo.persistence.installing import Installation
from zoo.persistence.storage import StorageFailed
from zoo.persistence.txn_log import encode_entry
from zoo.sim.disk import Disk, Faults, MemoryStorage

E1, E2 = 1 << 32, 2 << 32
LOGS = {1: [1, 2, 3], 4: [4, E1 + 1, E1 + 2], E1 + 3: [E1 + 3, E1 + 4]}
SNAPSHOTS = [0, 3, E1 + 2]
NEW = snapshot_bytes(7, [(b"/", ROOT, -1), (b"/new", record(b"from the leader"), -1)])


def old_disk() -> Disk:
    return disk_with(LOGS, SNAPSHOTS)


def install(storage: MemoryStorage, zxid: int, content: bytes = NEW) -> None:
    storage.append(encode_entry(entry(E1 + 5)), E1 + 5)
    installation = Installation(storage, zxid)
    for start in range(0, len(content), 50):
        installation.write(content[start : start + 50])
    installation.commit()


def content_of(disk: Disk) -> dict[str, bytes]:
    return {name: bytes(file.data) for name, file in disk.files.items()}


# Beyond the old history, within it, where an old snapshot has the very name, before all of it.
@pytest.mark.parametrize("zxid", [E2, E1 + 2, 3, 2])
def test_the_snapshot_is_all_there_is(zxid: int) -> None:
    disk = old_disk()
    storage = MemoryStorage(disk)
    install(storage, zxid)
    assert content_of(disk) == {f"snapshot.{zxid:x}": NEW}
    storage.append(encode_entry(entry(E2 + 1)), E2 + 1)
    storage.close()
    assert recovered(disk) == (zxid, [E2 + 1])


@pytest.mark.parametrize("zxid", [E2, E1 + 2, 3, 2])
def test_every_crash_leaves_the_old_history_or_the_snapshot_alone(zxid: int) -> None:
    alone = {f"snapshot.{zxid:x}": NEW}
    outcomes = set()
    last = ""
    for last, disk in every_crash(old_disk, lambda storage: install(storage, zxid)):
        snapshot, zxids = recovered(disk)
        files = content_of(disk)
        if files == alone:
            assert (snapshot, zxids) == (zxid, []), last
        else:
            assert snapshot == E1 + 2, last
            assert zxids in ([E1 + 3, E1 + 4], [E1 + 3, E1 + 4, E1 + 5]), last
            assert all(files[name] == whole for name, whole in content_of(old_disk()).items()), last
            assert not any(name.startswith((".writing", "installing")) for name in files), last
        outcomes.add(files == alone)
    assert last == "the end"
    assert outcomes == {True, False}


def test_an_aborted_installation_changes_nothing() -> None:
    disk = old_disk()
    before = content_of(disk)
    storage = MemoryStorage(disk)
    installation = Installation(storage, E2)
    installation.write(NEW[:50])
    installation.abort()
    storage.close()
    assert content_of(disk) == before


def test_a_full_disk_changes_nothing() -> None:
    disk = old_disk()
    before = content_of(disk)
    storage = MemoryStorage(disk)
    disk.faults = Faults(capacity=60)
    installation = Installation(storage, E2)
    installation.write(NEW[:50])
    with pytest.raises(StorageFailed, match="ENOSPC"):
        installation.write(NEW[50:])
    with pytest.raises(StorageFailed, match="ENOSPC"):
        installation.commit()
    disk.kill()
    MemoryStorage(disk).close()
    assert content_of(disk) == before
