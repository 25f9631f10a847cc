"""What a server holds after a crash: the newest valid snapshot, then the log from there on.

Theory of operation
-------------------
1. Take the newest snapshot whose checksums hold; older ones when it does not, saying so.
2. Replay, of the newest log that begins at or before that snapshot's zxid and of all later logs,
   the txns above the snapshot's zxid.
3. Every replayed txn must follow the one before it: the next counter in the same epoch, or the
   first one (or zero) of a later epoch. A gap means that a log was lost, damaged or removed, and a
   server that replays across it serves a state that never was: `CorruptLog`. Below the
   snapshot's zxid gaps are fine, the snapshot covers them (every learner that was sent one has such
   a gap).
4. An unfinished end of the newest log is cut off; nothing in it was acknowledged. A Java server
   does not cut, it goes on in a new log: such an end in an older log is accepted when the next
   log continues with exactly the txn that comes next in the same epoch.
5. Who falls back to an older snapshot must reach the zxid of the unusable newer one.
6. What was replayed is made durable before anybody is served from it. A killed server's last
   writes may live in the page cache alone: clients would see them, later txns would follow them in
   a log of their own, and a power failure would take them out of the middle.

One irregularity is the Java server's own: for a request whose body it cannot decode it logs an
error txn without a zxid of its own, which so repeats that of the txn before it. Such a record
changes nothing and is skipped; any other repetition or regression is corruption.

Without any snapshot the log alone is enough only if it begins with the very first txn. A server
that has logs and lost its snapshots must not start empty (ZOOKEEPER-2325).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from zoo import zxid as zxids
from zoo.jute.records import ACL
from zoo.persistence.snapshot import InvalidSnapshot, SnapshotDecoder, ZxidDigest, validate
from zoo.persistence.storage import (
    LogFile,
    Reader,
    SnapshotFile,
    SnapshotUnreadable,
    Storage,
)
from zoo.persistence.txn_log import (
    ERROR_TXN,
    HEADER_SIZE,
    ZXID_AND_TYPE,
    CorruptLog,
    LogScanner,
    TornTail,
)


class NoUsableSnapshot(Exception):
    """There are logs but nothing to replay them on."""


def first_valid_snapshot(
    storage: Storage, snapshots: Sequence[SnapshotFile], warn: Callable[[str], None]
) -> SnapshotFile | None:
    """The newest of the snapshots (given oldest first) that is complete and undamaged."""
    for snapshot in reversed(snapshots):
        problem = snapshot_problem(storage, snapshot.name)
        if problem is None:
            return snapshot
        warn(f"{snapshot.name} is not usable: {problem}")
    return None


def snapshot_problem(storage: Storage, name: str) -> str | None:
    """Why this snapshot cannot be used, or None when it can. Reads the whole file."""
    reader = storage.read_snapshot(name)
    try:
        validate(reader.read)
    except (InvalidSnapshot, SnapshotUnreadable) as error:
        return str(error)
    finally:
        reader.close()
    return None


def follows(previous: int, zxid: int) -> bool:
    """Whether `zxid` may come right after `previous` in a log."""
    if zxids.epoch_of(zxid) == zxids.epoch_of(previous):
        return zxid == previous + 1
    return zxid > previous and zxids.counter_of(zxid) <= 1


def logs_from(logs: Sequence[LogFile], zxid: int) -> Sequence[LogFile]:
    """The logs (oldest first) that may hold txns above `zxid`.

    That is the newest log that begins at or before `zxid`, and all later ones.
    """
    start = 0
    for i, (_, later) in enumerate(pairwise(logs)):
        if later.zxid <= zxid:
            start = i + 1
    return logs[start:]


class Recovery:
    """One recovery; consume it in order: `sessions` and `acls`, then `nodes()`, then `entries()`.

    `snapshot` is the file it starts from (None: an empty tree), `fresh` tells that the storage
    holds no history at all, `last_zxid` is the zxid recovered so far. `nodes()` yields what
    `SnapshotDecoder.nodes` yields, after it `digest` is set; `entries()` yields `(zxid, entry)`,
    and at its end repairs the torn logs and lists them in `repaired`. `warn` gets one line
    per oddity survived. Raises CorruptLog, NoUsableSnapshot, StorageFailed, and InvalidSnapshot
    (nonsense under a right checksum).
    """

    def __init__(self, storage: Storage, warn: Callable[[str], None]) -> None:
        self._storage = storage
        self._warn = warn
        snapshots = storage.snapshots()
        logs = storage.logs()
        self.snapshot = first_valid_snapshot(storage, snapshots, warn)
        self.fresh = not logs and all(snapshot.zxid == 0 for snapshot in snapshots)
        self.last_zxid = self.snapshot.zxid if self.snapshot else 0
        self.sessions: dict[int, int] = {}
        self.acls: dict[int, tuple[ACL, ...]] = {}
        self.digest: ZxidDigest | None = None
        self.repaired: list[TornTail] = []
        self._must_reach = max((file.zxid for file in snapshots), default=0)
        self._logs = logs_from(logs, self.last_zxid)
        self._reader: Reader | None = None
        if self.snapshot is None:
            if not self.fresh:
                _require_whole_history(len(snapshots), logs)
            return
        self._reader = storage.read_snapshot(self.snapshot.name)
        self._decoder = SnapshotDecoder(self._reader.read)
        self.sessions = self._decoder.sessions
        self.acls = self._decoder.acls

    def nodes(self) -> Iterator[tuple[bytes, bytes, int]]:
        """The snapshot's nodes, root first; none without a snapshot."""
        if self._reader is None:
            return
        try:
            yield from self._decoder.nodes()
        finally:
            self._reader.close()
        self.digest = self._decoder.digest

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """The log's txns above the snapshot, each following the one before."""
        replayed = False
        unfinished: list[TornTail] = []
        for log in self._logs:
            reader = self._storage.read_log(log.name)
            try:
                scanner = LogScanner(reader.read, log.name)
                empty = True
                for zxid, offset, entry in scanner:
                    empty = False
                    previous = self.last_zxid
                    if zxid == previous + 1 or (zxid <= previous and not replayed):
                        if unfinished:
                            self._accept(unfinished)
                    elif zxid == previous and ZXID_AND_TYPE.unpack_from(entry)[1] == ERROR_TXN:
                        continue
                    elif any(t.lost for t in unfinished) or not follows(previous, zxid):
                        raise self._gap(log, offset, zxid, unfinished)
                    if zxid > previous:
                        replayed = True
                        self.last_zxid = zxid
                        yield zxid, entry
            finally:
                reader.close()
            if scanner.torn:
                unfinished.append(scanner.torn)
            elif empty and log.size > HEADER_SIZE:
                unfinished.append(TornTail(log.name, HEADER_SIZE, 0, "it holds no transaction"))
        self._require_reached()
        for torn in unfinished:
            self._storage.truncate_log(torn.name, torn.offset)
            if torn.lost:
                self._warn(
                    f"{torn.name}: cut at byte {torn.offset}, dropping {torn.lost} bytes that were "
                    f"never acknowledged: {torn.reason}"
                )
        self.repaired = unfinished
        for log in self._logs:
            self._storage.sync_log(log.name)

    def _accept(self, unfinished: list[TornTail]) -> None:
        for torn in unfinished:
            if torn.lost:
                self._warn(
                    f"{torn.name}: ignoring {torn.lost} bytes from byte {torn.offset} on "
                    f"({torn.reason}), since the next log continues where it left off"
                )
        unfinished.clear()

    def _gap(self, log: LogFile, offset: int, zxid: int, unfinished: list[TornTail]) -> CorruptLog:
        before = zxids.to_hex(self.last_zxid)
        found = f"{zxids.to_hex(zxid)} cannot follow {before}"
        if zxid <= self.last_zxid:
            return CorruptLog(log.name, offset, f"zxids run backwards: {found}")
        if torn := next((torn for torn in unfinished if torn.lost), None):
            return CorruptLog(
                torn.name,
                torn.offset,
                f"{torn.reason}, yet {log.name} goes on with {zxids.to_hex(zxid)} after {before}",
            )
        return CorruptLog(
            log.name,
            offset,
            f"transactions are missing: {found}; a log was lost or removed",
        )

    def _require_reached(self) -> None:
        """Nothing an unusable snapshot held may be missing."""
        # A snapshot at counter 0 of an epoch holds no txn of that epoch.
        if self._must_reach <= self.last_zxid or not zxids.counter_of(self._must_reach):
            return
        name = f"snapshot {zxids.hex_digits(self._must_reach)}"
        raise NoUsableSnapshot(
            f"{name} is damaged, and the logs end at {zxids.to_hex(self.last_zxid)}, before it. "
            "Restore the data directories from a backup or from another member of the ensemble."
        )


def _require_whole_history(snapshots: int, logs: Sequence[LogFile]) -> None:
    """Without a snapshot only a log that begins with the first txn of all will do."""
    if logs and logs[0].zxid <= 1:
        return
    had = f"none of the {snapshots} snapshots is usable" if snapshots else "there is no snapshot"
    begin = f"the logs begin only at {zxids.to_hex(logs[0].zxid)}" if logs else "there is no log"
    raise NoUsableSnapshot(
        f"{had} and {begin}: the state before that is lost here. Check that dataDir and dataLogDir "
        "name the directories used before; else restore them from a backup or from another member "
        "of the ensemble, or begin empty by moving what is left out of both directories."
    )
