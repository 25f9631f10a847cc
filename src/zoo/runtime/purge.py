"""Delete the snapshots and logs that no recovery will need.

Kept are the N newest snapshots that are valid, everything newer than the oldest of those, and the
logs from the one that covers it on, so that each of the N can be recovered from by itself.
A snapshot counts only after its checksums were read (ZOOKEEPER-3231: N newest but damaged ones were
kept, and the good ones deleted). With fewer than N valid snapshots nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoo.persistence.recovery import logs_from, snapshot_problem
from zoo.persistence.storage import LogFile, SnapshotFile, Storage


class PurgePlan(NamedTuple):
    """Names of files to delete, oldest first: `snapshots` before `logs`."""

    snapshots: tuple[str, ...]
    logs: tuple[str, ...]


def plan_purge(storage: Storage, retain: int, warn: Callable[[str], None]) -> PurgePlan:
    """What `purge` would delete. Reads up to `retain` whole snapshots."""
    if retain < 1:
        raise ValueError(f"at least one snapshot must be retained, not {retain}")
    snapshots: list[SnapshotFile] = list(storage.snapshots())
    valid = 0
    if len(snapshots) < retain:
        return PurgePlan((), ())
    for snapshot in reversed(snapshots):
        problem = snapshot_problem(storage, snapshot.name)
        if problem is not None:
            warn(f"{snapshot.name} is not counted among the retained snapshots: {problem}")
            continue
        valid += 1
        if valid == retain:
            return _older_than(snapshot, snapshots, list(storage.logs()))
    return PurgePlan((), ())


def _older_than(
    oldest: SnapshotFile, snapshots: list[SnapshotFile], logs: list[LogFile]
) -> PurgePlan:
    needed = {log.name for log in logs_from(logs, oldest.zxid)}
    return PurgePlan(
        tuple(file.name for file in snapshots if file.zxid < oldest.zxid),
        tuple(log.name for log in logs if log.name not in needed),
    )


def purge(storage: Storage, retain: int, warn: Callable[[str], None]) -> PurgePlan:
    """Delete what the plan names and return it. Blocks; may run beside a writing server.

    Raises StorageFailed at the first file that cannot be deleted; what was deleted by then is gone,
    and what is left is still a consistent set.
    """
    plan = plan_purge(storage, retain, warn)
    # Snapshots first: a log that was needed by a snapshot must not go before it.
    for name in plan.snapshots + plan.logs:
        storage.remove(name)
    return plan
