"""Run an action on a simulated disk and end the server before each of its operations in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from tests.persistence.history import log_bytes, snapshot_bytes
from zoo.persistence.recovery import Recovery
from zoo.sim.disk import Disk, DiskFile, Interrupted, MemoryStorage

ENDS = ("kill", *range(6))  # kill -9, or a power failure with one of these seeds


def durable(disk: Disk, name: str, content: bytes) -> None:
    file = DiskFile()
    file.data += content
    file.sync()
    disk.files[name] = disk.entries[name] = file


def disk_with(logs: dict[int, list[int]], snapshots: dict[int, bytes] | list[int]) -> Disk:
    """Logs by the zxid in their name, and snapshots: their contents, or only the zxids."""
    disk = Disk()
    if not isinstance(snapshots, dict):
        snapshots = {zxid: snapshot_bytes(zxid) for zxid in snapshots}
    for zxid, zxids in logs.items():
        durable(disk, f"log.{zxid:x}", log_bytes(zxids))
    for zxid, content in snapshots.items():
        durable(disk, f"snapshot.{zxid:x}", content)
    return disk


def recovered(disk: Disk) -> tuple[int, list[int]]:
    """(zxid of the snapshot recovery starts from or -1, zxids it replays)."""
    storage = MemoryStorage(disk)
    recovery = Recovery(storage, lambda line: None)
    zxids = [zxid for zxid, _ in recovery.entries()]
    storage.close()
    return recovery.snapshot.zxid if recovery.snapshot else -1, zxids


def end(disk: Disk, how: str | int) -> None:
    if isinstance(how, int):
        disk.power_failure(Random(how))
    else:
        disk.kill()


def every_crash(
    make: Callable[[], Disk], action: Callable[[MemoryStorage], object]
) -> Iterator[tuple[str, Disk]]:
    """The disk after each crash of the action, and after each crash of the opening that follows.

    Ends with the disk after the whole action.
    """
    first = 0
    while True:
        first += 1
        disk, at = _interrupted(make, action, first)
        if not at:
            disk.kill()
            yield "the end", disk
            return
        for how in ENDS:
            disk, _ = _interrupted(make, action, first)
            end(disk, how)
            yield f"{how} before {at}", disk
            for then in ENDS if how == "kill" else (how,):
                again = 0
                reopening = "open"
                while reopening:
                    again += 1
                    disk, _ = _interrupted(make, action, first)
                    end(disk, how)
                    reopening = _interrupt(disk, partial(MemoryStorage, disk), again)
                    end(disk, then)
                    yield f"{how} before {at}, then {then} before {reopening}", disk


def _interrupted(
    make: Callable[[], Disk], action: Callable[[MemoryStorage], object], operation: int
) -> tuple[Disk, str]:
    disk = make()
    storage = MemoryStorage(disk)
    return disk, _interrupt(disk, lambda: action(storage), operation)


def _interrupt(disk: Disk, action: Callable[[], object], operation: int) -> str:
    """What the operation was, "" if there are fewer."""
    disk.faults.operations_until_interruption = operation
    try:
        action()
    except Interrupted as interrupted:
        return str(interrupted) or "?"
    finally:
        disk.faults.operations_until_interruption = None
    return ""
