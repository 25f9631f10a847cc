from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.persistence.history import (
    ERROR,
    ROOT,
    entry,
    log_bytes,
    open_storage,
    record,
    snapshot_bytes,
)
from zoo.persistence.recovery import NoUsableSnapshot, Recovery, first_valid_snapshot, follows
from zoo.persistence.snapshot import ZxidDigest
from zoo.persistence.txn_log import FILE_HEADER, CorruptLog, encode_entry
from zoo.runtime.file_storage import FileStorage

EPOCH_2 = 2 << 32


class Disk:
    """A directory of made-up files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.storage = open_storage(directory)
        self.warnings: list[str] = []

    def log(self, zxid: int, zxids: Iterable[int], *, junk: bytes = b"", padding: int = 0) -> None:
        content = log_bytes(zxids) + junk + bytes(padding)
        (self.directory / f"log.{zxid:x}").write_bytes(content)

    def snapshot(self, zxid: int, *, damaged: bool = False) -> None:
        content = snapshot_bytes(zxid, [(b"/", ROOT, -1), (b"/a", record(b"d"), -1)], {7: 4000})
        if damaged:
            content = content[:-30]
        (self.directory / f"snapshot.{zxid:x}").write_bytes(content)

    def recover(self) -> tuple[list[int], Recovery]:
        recovery = Recovery(self.storage, self.warnings.append)
        list(recovery.nodes())
        return [zxid for zxid, _ in recovery.entries()], recovery


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.storage.close()


@pytest.mark.parametrize(
    ("previous", "zxid", "allowed"),
    [
        (0, 1, True), (0, 2, False), (5, 6, True), (5, 5, False), (5, 4, False), (5, 7, False),
        (5, EPOCH_2, True), (5, EPOCH_2 + 1, True), (5, EPOCH_2 + 2, False), (EPOCH_2, 6, False),
        ((1 << 32) - 1, 1 << 32, True),
    ],
)  # fmt: skip
def test_what_may_follow(previous: int, zxid: int, allowed: bool) -> None:
    assert follows(previous, zxid) is allowed


def test_an_empty_directory_is_fresh(disk: Disk) -> None:
    zxids, recovery = disk.recover()
    assert (zxids, recovery.fresh, recovery.snapshot, recovery.last_zxid) == ([], True, None, 0)


def test_snapshot_then_the_logs_above_it(disk: Disk) -> None:
    disk.snapshot(10)
    disk.snapshot(5)
    disk.log(1, range(1, 4))
    disk.log(4, range(4, 13))
    disk.log(13, [13, 14], padding=1000)
    recovery = Recovery(disk.storage, disk.warnings.append)
    assert recovery.snapshot is not None
    assert recovery.snapshot.name == "snapshot.a"
    assert recovery.sessions == {7: 4000}
    assert [path for path, _, _ in recovery.nodes()] == [b"/", b"/a"]
    assert [zxid for zxid, _ in recovery.entries()] == [11, 12, 13, 14]
    assert (recovery.last_zxid, recovery.fresh, recovery.repaired) == (14, False, [])
    assert disk.warnings == []


def test_the_entries_are_the_logged_bytes(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1])
    recovery = Recovery(disk.storage, disk.warnings.append)
    assert list(recovery.entries()) == [(1, entry(1, b"x" * 20))]


def test_the_digest_comes_with_the_nodes(disk: Disk) -> None:
    content = snapshot_bytes(3, digest=ZxidDigest(3, 2, 99))
    (disk.directory / "snapshot.3").write_bytes(content)
    _, recovery = disk.recover()
    assert recovery.digest == ZxidDigest(3, 2, 99)


def test_a_snapshot_newer_than_all_logs(disk: Disk) -> None:
    disk.snapshot(10)
    disk.log(1, range(1, 9))
    zxids, recovery = disk.recover()
    assert (zxids, recovery.last_zxid) == ([], 10)


def test_falls_back_to_the_older_snapshot_and_replays_more(disk: Disk) -> None:
    disk.snapshot(3)
    disk.snapshot(8, damaged=True)
    disk.snapshot(9, damaged=True)
    disk.log(1, range(1, 6))
    disk.log(6, range(6, 12))
    zxids, recovery = disk.recover()
    assert zxids == list(range(4, 12))
    assert recovery.last_zxid == 11
    assert [line.split()[0] for line in disk.warnings] == ["snapshot.9", "snapshot.8"]


def test_falling_back_must_not_lose_what_the_newer_snapshot_held(disk: Disk) -> None:
    disk.snapshot(3)
    disk.snapshot(8, damaged=True)
    disk.log(1, range(1, 6))
    with pytest.raises(NoUsableSnapshot, match="snapshot 8 is damaged, and the logs end at 0x5"):
        disk.recover()


def test_a_gap_between_snapshot_and_log(disk: Disk) -> None:
    disk.snapshot(10)
    disk.log(12, [12, 13])
    with pytest.raises(CorruptLog, match=r"log\.c: at byte 16: .*0xc cannot follow 0xa"):
        disk.recover()


def test_a_gap_between_logs(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2])
    disk.log(5, [5])
    with pytest.raises(CorruptLog, match="a log was lost or removed"):
        disk.recover()


def test_a_gap_in_a_log(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2, 4])
    with pytest.raises(CorruptLog, match="0x4 cannot follow 0x2"):
        disk.recover()


def test_a_gap_below_the_snapshot_does_not_matter(disk: Disk) -> None:
    disk.snapshot(10)
    disk.log(1, [1, 2, 3])
    disk.log(11, [11])
    assert disk.recover()[0] == [11]


def test_a_new_epoch(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2, EPOCH_2 + 1, EPOCH_2 + 2])
    assert disk.recover()[0] == [1, 2, EPOCH_2 + 1, EPOCH_2 + 2]


def test_zxids_that_run_backwards(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2, 3, 2])
    with pytest.raises(CorruptLog, match="run backwards"):
        disk.recover()


def test_javas_error_txns_without_a_zxid_of_their_own_are_skipped(disk: Disk) -> None:
    disk.snapshot(2)
    repeated = encode_entry(entry(2, b"\xff\xff\xff\xfb", ERROR))
    disk.log(2, [], junk=repeated + encode_entry(entry(3)))
    again = encode_entry(entry(3, b"\xff\xff\xff\xfb", ERROR))
    disk.log(3, [], junk=again + again + encode_entry(entry(4)))
    assert disk.recover()[0] == [3, 4]


def test_a_repeated_zxid_of_another_kind_is_corruption(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2, 2])
    with pytest.raises(CorruptLog, match="run backwards"):
        disk.recover()


def test_a_torn_tail_is_cut_and_reported_and_stays_repaired(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2], junk=encode_entry(entry(3))[:-1], padding=500)
    end = len(log_bytes([1, 2]))
    zxids, recovery = disk.recover()
    assert (zxids, recovery.last_zxid) == ([1, 2], 2)
    assert [(torn.name, torn.offset) for torn in recovery.repaired] == [("log.1", end)]
    assert (
        f"log.1: cut at byte {end}, dropping {len(encode_entry(entry(3))) - 1} bytes"
        in (disk.warnings[0])
    )
    assert (disk.directory / "log.1").stat().st_size == end
    disk.storage.append(encode_entry(entry(3)), 3)
    disk.storage.sync()
    zxids, recovery = disk.recover()
    assert (zxids, recovery.repaired, len(disk.warnings)) == ([1, 2, 3], [], 1)


@pytest.mark.parametrize("content", [b"", FILE_HEADER[:7], bytes(5000), FILE_HEADER + bytes(5000)])
def test_a_last_log_without_records_is_replaced(disk: Disk, content: bytes) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2])
    (disk.directory / "log.3").write_bytes(content)
    assert disk.recover()[0] == [1, 2]
    disk.storage.append(encode_entry(entry(3)), 3)
    disk.storage.sync()
    assert disk.recover()[0] == [1, 2, 3]


def test_an_older_log_may_be_torn_when_the_next_one_continues(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2], junk=b"\1\2\3", padding=100)
    disk.log(3, [3])
    zxids, recovery = disk.recover()
    assert (zxids, recovery.repaired) == ([1, 2, 3], [])
    assert "log.1: ignoring 3 bytes" in disk.warnings[0]


@pytest.mark.parametrize("first", [4, EPOCH_2 + 1])
def test_an_older_torn_log_is_corruption_when_the_next_does_not_continue(
    disk: Disk, first: int
) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2], junk=b"\1\2\3", padding=100)
    disk.log(first, [first])
    with pytest.raises(CorruptLog, match=r"log\.1: at byte"):
        disk.recover()


def test_an_older_log_torn_below_the_snapshot_does_not_matter(disk: Disk) -> None:
    disk.snapshot(5)
    disk.log(1, [1, 2], junk=b"\1\2\3")
    disk.log(6, [6])
    assert disk.recover()[0] == [6]


def test_a_corrupt_log_changes_nothing(disk: Disk) -> None:
    disk.snapshot(0)
    disk.log(1, [1, 2], junk=b"\1\2\3")
    disk.log(9, [9], junk=b"\1")
    before = {path.name: path.read_bytes() for path in disk.directory.iterdir()}
    with pytest.raises(CorruptLog):
        disk.recover()
    assert {path.name: path.read_bytes() for path in disk.directory.iterdir()} == before


def test_logs_alone_suffice_from_the_first_txn_on(disk: Disk) -> None:
    disk.log(1, [1, 2])
    zxids, recovery = disk.recover()
    assert (zxids, recovery.fresh, recovery.snapshot) == ([1, 2], False, None)


def test_logs_alone_that_begin_later_are_refused(disk: Disk) -> None:
    disk.log(3, [3])
    with pytest.raises(NoUsableSnapshot, match=r"there is no snapshot .* only at 0x3"):
        disk.recover()


def test_only_damaged_snapshots_are_not_a_fresh_directory(disk: Disk) -> None:
    disk.snapshot(3, damaged=True)
    with pytest.raises(NoUsableSnapshot, match="none of the 1 snapshots"):
        disk.recover()


def test_a_first_snapshot_that_was_never_finished_is_fresh(disk: Disk) -> None:
    (disk.directory / "snapshot.0").write_bytes(b"")
    assert disk.recover()[1].fresh


def test_the_newest_valid_snapshot(disk: Disk) -> None:
    disk.snapshot(1)
    disk.snapshot(2, damaged=True)
    storage: FileStorage = disk.storage
    found = first_valid_snapshot(storage, storage.snapshots(), disk.warnings.append)
    assert found is not None
    assert found.zxid == 1
