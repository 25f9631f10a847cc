"""Cut the end off a history: everything above some zxid.

Theory of operation. A leader that is elected may not have what this server has logged last; TRUNC
says up to which zxid the histories agree. Everything is looked at before anything is changed:
there must be a snapshot that shows nothing newer than that zxid, and logs that lead from it to
exactly that zxid without a gap. Where either is missing, `CannotTruncate`: the leader must send
its whole state. Then, as one change (zoo.persistence.redo):

1. Remove the snapshots that show something newer. Recovery starts from the newest snapshot, and
   one beyond the cut would bring back what was cut (ZOOKEEPER-4837). A Java server's snapshot may
   show more than its name says; its end tells.
2. Remove the logs that begin beyond the cut, newest first.
3. Cut the log that holds the zxid behind it, with fsync: without, a power failure could bring the
   tail back behind new transactions.

Any failure raises (ZOOKEEPER-3701: a truncation that failed was reported done, and the members
diverged).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo import zxid as zxids
from zoo.persistence.recovery import follows, logs_from
from zoo.persistence.redo import TRUNCATING, Change, change_steps
from zoo.persistence.snapshot import InvalidSnapshot, validate
from zoo.persistence.storage import LogFile, SnapshotFile, SnapshotUnreadable, Storage
from zoo.persistence.txn_log import CorruptLog, LogScanner


class CannotTruncate(Exception):
    """The history up to that zxid is not all here; nothing was changed. Only a snapshot helps."""


def truncate_to(storage: Storage, zxid: int, warn: Callable[[str], None]) -> None:
    """Remove every txn above `zxid`; the next append begins a new log.

    Blocks; nothing else may write, take or purge snapshots meanwhile. Raises CannotTruncate,
    StorageFailed.
    """
    for _ in truncation_steps(storage, zxid, warn):
        pass


def can_truncate(storage: Storage, zxid: int, warn: Callable[[str], None]) -> bool:
    """Whether `truncate_to` would find all it needs. Blocks, reads a snapshot and logs."""
    try:
        _plan(storage, zxid, warn)
    except CannotTruncate as reason:
        warn(f"cannot truncate to {zxids.to_hex(zxid)}: {reason}")
        return False
    return True


def truncation_steps(storage: Storage, zxid: int, warn: Callable[[str], None]) -> Iterator[str]:
    """`truncate_to`, one durable step after the other; yields what each has done."""
    storage.roll()
    storage.sync()
    change = _plan(storage, zxid, warn)
    if change.remove or change.cut:
        yield from change_steps(storage, TRUNCATING, zxid, change)


def _plan(storage: Storage, zxid: int, warn: Callable[[str], None]) -> Change:
    base, beyond = _base(storage, zxid, warn)
    logs = list(storage.logs())
    cut = None
    if zxid:  # the state at zero is the empty tree, whatever is here
        if base is None and not (logs and logs[0].zxid <= 1):
            raise CannotTruncate(f"no snapshot here shows nothing beyond {zxids.to_hex(zxid)}")
        kept = [log for log in logs if log.zxid <= zxid]
        cut = _walk(storage, kept, base.zxid if base else 0, zxid)
    later = [log.name for log in reversed(logs) if log.zxid > zxid]
    return Change(None, tuple(beyond + later), cut)


def _base(
    storage: Storage, zxid: int, warn: Callable[[str], None]
) -> tuple[SnapshotFile | None, list[str]]:
    """The newest snapshot that shows nothing beyond `zxid`, and those newer than it that do."""
    beyond = []
    for snapshot in reversed(storage.snapshots()):
        if snapshot.zxid > zxid:
            beyond.append(snapshot.name)
            continue
        reader = storage.read_snapshot(snapshot.name)
        try:
            shows = validate(reader.read).contains_up_to(snapshot.zxid)
        except (InvalidSnapshot, SnapshotUnreadable) as error:
            warn(f"{snapshot.name} is not usable: {error}")
            continue
        finally:
            reader.close()
        if shows <= zxid:
            return snapshot, beyond
        beyond.append(snapshot.name)
    return None, beyond


def _walk(storage: Storage, logs: list[LogFile], start: int, zxid: int) -> tuple[str, int] | None:
    """Follow the logs from `start` to exactly `zxid`; the log and the size to cut it to, if any."""
    last = start
    cut = None
    for log in logs_from(logs, start):
        reader = storage.read_log(log.name)
        cut = None
        try:
            scanner = LogScanner(reader.read, log.name)
            for found, offset, _ in scanner:
                if found > zxid:
                    cut = (log.name, offset)
                    break
                if found > last:
                    _require_follows(last, found)
                    last = found
        except CorruptLog as error:
            raise CannotTruncate(str(error)) from error
        finally:
            reader.close()
        if cut:
            break
        if scanner.torn:
            cut = (log.name, scanner.torn.offset)
    if last != zxid:
        raise CannotTruncate(
            f"{zxids.to_hex(zxid)} is not in this server's history: {zxids.to_hex(last)} is the "
            "last one before it"
        )
    return cut


def _require_follows(last: int, found: int) -> None:
    if not follows(last, found):
        raise CannotTruncate(
            f"transactions are missing between {zxids.to_hex(last)} and {zxids.to_hex(found)}"
        )
