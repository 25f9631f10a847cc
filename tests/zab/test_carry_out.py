from __future__ import annotations

import pytest

from tests.persistence.crashes import disk_with, every_crash, recovered
from tests.persistence.history import entry, snapshot_bytes
from zoo.persistence.epochs import read_epochs
from zoo.persistence.truncation import CannotTruncate
from zoo.sim.disk import Disk, MemoryStorage
from zoo.zab.carry_out import Carrier
from zoo.zab.ready import Install, Ready

E1, E2 = 1 << 32, 2 << 32
NEW = snapshot_bytes(E1 + 9)


def carrier(disk: Disk) -> Carrier:
    return Carrier(MemoryStorage(disk), lambda line: None)


def entries(*zxids: int) -> list[bytes]:
    return [entry(zxid, b"body") for zxid in zxids]


def install(zxid: int, pieces: list[bytes], first: bool, last: bool) -> Ready:
    return Ready([], zxid, zxid, False, None, None, Install(zxid, pieces, first, last))


def test_the_usual_batch() -> None:
    disk = Disk()
    steps = list(carrier(disk).steps(Ready(entries(1, 2), 1, 2, False)))
    assert steps == ["append", "sync"]
    assert recovered_after(disk) == (-1, [1, 2])


def recovered_after(disk: Disk) -> tuple[int, list[int]]:
    disk.kill()
    return recovered(disk)


def test_a_roll_begins_a_new_log() -> None:
    disk = Disk()
    carried = carrier(disk)
    carried.carry_out(Ready(entries(1, 2), 1, 2, False))
    carried.carry_out(Ready(entries(3), 3, 3, True))
    assert sorted(disk.files) == ["log.1", "log.3"]


def test_all_steps_in_their_order() -> None:
    disk = disk_with({1: [1, 2, 3], 4: [4, 5]}, [0])
    ready = Ready(entries(E1 + 1, E1 + 2), E1 + 1, E1 + 2, False, 2, 2, None, 1)
    steps = list(carrier(disk).steps(ready))
    assert steps == [
        "acceptedEpoch 2", "wrote truncating.2", "removed log.4", "cut log.1",
        "removed truncating.2", "append", "sync", "currentEpoch 1",
    ]  # fmt: skip
    assert recovered_after(disk) == (0, [1, 2, E1 + 1, E1 + 2])
    assert read_epochs(MemoryStorage(disk)) == (2, 1)


def test_a_snapshot_in_several_readies_and_what_follows_it() -> None:
    disk = disk_with({1: [1, 2, 3]}, [0])
    carried = carrier(disk)
    carried.carry_out(install(E1 + 9, [NEW[:20], NEW[20:30]], True, False))
    carried.carry_out(install(E1 + 9, [NEW[30:40]], False, False))
    last = Ready(
        entries(E1 + 10), E1 + 10, E1 + 10, False, None, None,
        Install(E1 + 9, [NEW[40:]], False, True), 1,
    )  # fmt: skip
    assert list(carried.steps(last)) == [
        "received 1 pieces", "finished .writing-snapshot.100000009", "wrote installing.100000009",
        "published snapshot.100000009", "removed log.1", "removed snapshot.0",
        "removed installing.100000009", "append", "sync", "currentEpoch 1",
    ]  # fmt: skip
    assert recovered_after(disk) == (E1 + 9, [E1 + 10])


@pytest.mark.parametrize(
    "then",
    [
        Ready(entries(4), 4, 4, False),
        Ready([], 2, 2, False, None, 2),
        install(E1 + 9, [NEW], True, True),
    ],
)
def test_a_snapshot_that_stopped_coming_is_dropped(then: Ready) -> None:
    disk = disk_with({1: [1, 2, 3]}, [0])
    carried = carrier(disk)
    carried.carry_out(install(E1 + 7, [NEW[:30]], True, False))
    carried.carry_out(then)
    assert not [name for name in disk.files if name.startswith(".writing")]
    expected = (E1 + 9, []) if then.install else (0, [1, 2, *([3, 4] if then.entries else [])])
    assert recovered_after(disk) == expected


def test_nothing_follows_a_cut_that_cannot_be_made() -> None:
    disk = disk_with({3: [3, 4]}, [2])
    with pytest.raises(CannotTruncate):
        carrier(disk).carry_out(Ready(entries(E2 + 1), E2 + 1, E2 + 1, False, 5, 1, None, 4))
    assert recovered_after(disk) == (2, [3, 4])
    assert read_epochs(MemoryStorage(disk)) == (5, None)


def test_no_epoch_is_durable_before_the_history_it_speaks_of() -> None:
    """ZOOKEEPER-4643"""
    ready = Ready(entries(E1 + 1, E1 + 2), E1 + 1, E1 + 2, False, 2, 2, None, 2)
    currents = set()
    for how, disk in every_crash(
        lambda: disk_with({1: [1, 2, 3]}, [0]),
        lambda storage: Carrier(storage, lambda line: None).carry_out(ready),
    ):
        zxids = recovered(disk)[1]
        accepted, current = read_epochs(MemoryStorage(disk))
        currents.add(current)
        if current is not None:
            assert zxids == [1, 2, E1 + 1, E1 + 2], how
        if zxids != [1, 2, 3]:
            assert accepted == 2, how
        assert zxids[:2] == [1, 2], how
    assert currents == {None, 2}
