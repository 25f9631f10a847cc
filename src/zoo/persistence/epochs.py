"""The two epochs that a member of an ensemble must not forget, in files as ZooKeeper has them.

Theory of operation. `acceptedEpoch` is the newest epoch the server has promised to follow (f.p in
the ZAB paper), `currentEpoch` the one whose initial history it has (f.a). Both are decimal text
beside the snapshots. The promise is durable before it is given, a history before its epoch, so a
crash can leave a log that is ahead of currentEpoch: entries of a later epoch came with the
synchronisation, and it was interrupted. Such a log is a prefix of that of the later epoch's leader,
exactly what a follower of that epoch would hold, so currentEpoch is raised to it. (Java servers
rely on what is left of the temporary file, and refuse to start without it.)

A log ahead of acceptedEpoch is another thing: nothing but lost, swapped or restored files leads to
it, and a server that forgot a promise can break it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoo import zxid as zxids
from zoo.persistence.storage import Storage

ACCEPTED = "acceptedEpoch"
CURRENT = "currentEpoch"
MAX_EPOCH = (1 << 31) - 1

_WHAT_TO_DO = (
    "If the other members of the ensemble are well, move this server's version-2 directories away: "
    "it begins empty and takes everything from them"
)


class EpochsUnusable(Exception):
    """The epoch files contradict the history or each other; says how, and what can be done."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. {_WHAT_TO_DO}.")


class StoredEpochs(NamedTuple):
    """What the two files hold; None where there is no file."""

    accepted: int | None
    current: int | None


def read_epochs(storage: Storage) -> StoredEpochs:
    """Raises EpochsUnusable for a file without a number, StorageFailed."""
    return StoredEpochs(_read(storage, ACCEPTED), _read(storage, CURRENT))


def write_accepted_epoch(storage: Storage, epoch: int) -> None:
    """Make the promise durable. Raises StorageFailed."""
    storage.write_note(ACCEPTED, b"%d" % epoch)


def write_current_epoch(storage: Storage, epoch: int) -> None:
    """Only after the history is durable. Raises StorageFailed."""
    storage.write_note(CURRENT, b"%d" % epoch)


def refuse_lost_history(storage: Storage) -> None:
    """Raise EpochsUnusable where the current epoch is known and nothing of its history is there.

    With an empty history of that epoch a server would win elections (ZOOKEEPER-2325). To be asked
    before an empty server takes its first snapshot, which afterwards looks like a history.
    """
    current = _read(storage, CURRENT)
    if current and not storage.snapshots() and not storage.logs():
        raise EpochsUnusable(
            f"{CURRENT} is {current}, yet there is neither a snapshot nor a log: they are lost, or "
            "dataDir or dataLogDir is another directory than before"
        )


def recover_epochs(
    storage: Storage, last_zxid: int, warn: Callable[[str], None], lacks_history: bool = False
) -> tuple[int, int]:
    """(accepted, current) of a server whose history ends at `last_zxid`; both are durable.

    A missing file gets the epoch of the last zxid: a server that was alone so far has none. Where
    the history is not to be trusted a missing current epoch stays so: `is_first_sync_unfinished`.
    Raises EpochsUnusable, StorageFailed.
    """
    accepted, current = read_epochs(storage)
    newest = zxids.epoch_of(last_zxid)
    last = zxids.to_hex(last_zxid)
    if current is None:
        current = newest if lacks_history else _write(storage, CURRENT, newest)
    if accepted is None:
        if current > newest:
            raise EpochsUnusable(
                f"{ACCEPTED} is missing and {CURRENT} is {current}, while the history ends at "
                f"{last}: the epoch this server has promised to follow is lost"
            )
        accepted = _write(storage, ACCEPTED, newest)
    if newest > accepted:
        raise EpochsUnusable(
            f"{ACCEPTED} is {accepted}, yet the history ends at {last}, in epoch {newest}: the "
            "files belong to different servers or times"
        )
    if current > accepted:
        raise EpochsUnusable(f"{CURRENT} is {current} and {ACCEPTED} only {accepted}")
    if newest > current:
        warn(
            f"{CURRENT} is {current} and the history ends at {last}: the synchronisation with a "
            f"leader was interrupted; {CURRENT} is {newest} now"
        )
        current = newest if lacks_history else _write(storage, CURRENT, newest)
    return accepted, current


def is_first_sync_unfinished(storage: Storage) -> bool:
    """Whether an epoch is promised and none has ever been followed.

    So it is with a server that began without a history it could trust, until a leader has given it
    all of one. (Everyone else writes the current epoch first.)
    """
    accepted, current = read_epochs(storage)
    return accepted is not None and current is None


def _write(storage: Storage, name: str, epoch: int) -> int:
    storage.write_note(name, b"%d" % epoch)
    return epoch


def _read(storage: Storage, name: str) -> int | None:
    content = storage.read_note(name)
    if content is None:
        return None
    line = content.split(b"\n", 1)[0].strip()
    if not line.isdigit() or len(line) > 19:
        shown = line[:40].decode("ascii", "backslashreplace")
        raise EpochsUnusable(f"{name} should hold a number and holds {shown!r}")
    epoch = int(line)
    if epoch > MAX_EPOCH:
        raise EpochsUnusable(f"{name} is {epoch}, and no epoch is above {MAX_EPOCH}")
    return epoch
