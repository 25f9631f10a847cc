"""The abstract disk of the pure protocol: what a kill leaves, what a power failure leaves."""

from __future__ import annotations

from random import Random

import pytest

from zoo.persistence.storage import StorageFailed
from zoo.sim.operator import initial
from zoo.sim.prefixes import Prefixes
from zoo.sim.zab_disk import Trouble, ZabDisk, read_snapshot, write_snapshot
from zoo.zab.quorum_joint import Joint
from zoo.zab.ready import Configured, Install

ENTRIES = [b"a", b"b", b"c"]


def test_a_power_failure_keeps_what_was_synced_and_a_beginning_of_the_rest() -> None:
    left = set()
    for seed in range(50):
        disk = ZabDisk(Prefixes())
        disk.append(ENTRIES[:1], 1)
        disk.sync()
        disk.append(ENTRIES[1:], 2)
        disk.power_failure(Random(seed))
        left.add(disk.recover().zxid)
    assert left == {1, 2, 3}


def test_recovery_makes_durable_what_a_killed_process_left() -> None:
    disk = ZabDisk(Prefixes())
    disk.append(ENTRIES, 1)
    assert disk.synced.zxid == 0
    assert disk.recover().zxid == 3
    assert disk.synced.zxid == 3


def test_truncation() -> None:
    disk = ZabDisk(Prefixes())
    disk.append(ENTRIES, 1)
    disk.sync()
    disk.truncate(2)
    assert (disk.log.zxid, disk.synced.zxid) == (2, 2)
    disk.snapshot(disk.log)
    assert disk.can_truncate(2)
    assert not disk.can_truncate(1)
    with pytest.raises(AssertionError, match="before the snapshot"):
        disk.truncate(1)


def test_an_install_counts_only_when_it_is_whole() -> None:
    prefixes = Prefixes()
    disk = ZabDisk(prefixes)
    disk.append(ENTRIES, 1)
    state = disk.log
    other = ZabDisk(prefixes)
    pieces = write_snapshot(state, 10_000)
    assert len(pieces) == 3
    other.install(Install(3, pieces[:1], is_first=True, is_last=False))
    assert other.recover() is prefixes.root
    other.install(Install(3, pieces[:2], is_first=True, is_last=False))
    other.install(Install(3, pieces[2:], is_first=False, is_last=True))
    assert other.recover() is state
    assert read_snapshot(b"".join(pieces), prefixes) is state


def test_a_snapshot_ahead_of_the_log_stands_for_it() -> None:
    disk = ZabDisk(Prefixes())
    disk.append(ENTRIES, 1)
    state = disk.log
    disk.snapshot(state)
    disk.power_failure(Random(1))
    assert disk.recover() is state


def test_failures() -> None:
    disk = ZabDisk(Prefixes())
    disk.trouble = Trouble(writes_until_failure=2)
    disk.accept(1)
    with pytest.raises(StorageFailed, match="currentEpoch"):
        disk.follow(1)
    disk.trouble = Trouble(syncs_until_failure=1)
    disk.append(ENTRIES, 1)
    with pytest.raises(StorageFailed, match="fsync"):
        disk.sync()
    assert disk.synced.zxid == 0


def test_configurations_are_known_after_a_restart() -> None:
    disk = ZabDisk(Prefixes())
    assert disk.configurations(True) is None
    old, new = initial([1], []), initial([1, 2], []).with_version(7)
    disk.prepare(old)
    disk.configure(Configured(old.text, 0, new.text))
    disk.power_failure(Random(1))
    known = disk.configurations(True)
    assert known is not None
    assert (known.committed.text, known.seen.text) == (old.text, new.text)
    assert isinstance(known.quorum, Joint)
    fixed = disk.configurations(False)
    assert fixed is not None
    assert fixed.seen.text == old.text
    disk.trouble.writes_until_failure = 1
    with pytest.raises(StorageFailed):
        disk.configure(Configured(new.text, 7, None))
    assert disk.configured == Configured(old.text, 0, new.text)
