"""Take the snapshot that a leader sends in the place of all the history there is.

Theory of operation. The pieces go into an unfinished file; while they come, and whatever happens,
the old history is what counts. With the last one the snapshot is made durable, still unpublished,
and then one change (zoo.persistence.redo) publishes it and removes every log and every other
snapshot: nothing of the old history may remain, it may differ from the leader's anywhere. So a
crash leaves the whole old history or the snapshot alone (ZOOKEEPER-2872, 3642).
"""

from __future__ import annotations

from collections.abc import Iterator

from zoo.persistence.redo import INSTALLING, Change, change_steps
from zoo.persistence.storage import TEMPORARY_PREFIX, Storage


class Installation:
    """One snapshot on its way in; `zxid` is the last txn it contains. Raises StorageFailed."""

    def __init__(self, storage: Storage, zxid: int) -> None:
        self._storage = storage
        self.zxid = zxid
        self._writer = storage.begin_snapshot(zxid)

    def write(self, piece: bytes) -> None:
        """The next bytes of the snapshot file, not compressed."""
        self._writer.write(piece)

    def abort(self) -> None:
        self._writer.abort()

    def commit(self) -> None:
        """Blocks; nothing else may write, take or purge snapshots meanwhile."""
        for _ in self.commit_steps():
            pass

    def commit_steps(self) -> Iterator[str]:
        """`commit`, one durable step after the other; yields what each has done."""
        storage = self._storage
        storage.roll()
        storage.sync()
        unpublished = self._writer.finish()
        yield f"finished {unpublished}"
        final = unpublished.removeprefix(TEMPORARY_PREFIX)
        logs = [log.name for log in reversed(storage.logs())]
        others = [s.name for s in reversed(storage.snapshots()) if s.name != final]
        change = Change(unpublished, tuple(logs + others), None)
        yield from change_steps(storage, INSTALLING, self.zxid, change)
