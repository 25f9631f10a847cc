"""What is on its way to the disk, in order.

Theory of operation. Roles put work in: entries of the log, epochs, truncations, pieces of a
snapshot. `ready` hands out as much of it as one Ready can hold in the order that zoo.zab.ready
fixes; work that would have to come earlier than what is queued already opens a further Ready behind
it. One Ready is out at a time, and `on_persisted` takes it back.

Positions in the log, each the zxid of the last transaction there: `persisted` <= `handed` <=
`appended`.
"""

from __future__ import annotations

from collections import deque

from zoo.zab.ready import Configured, Install, Ready

_CONFIGURE, _ACCEPT, _TRUNCATE, _INSTALL, _APPEND, _CURRENT, _CLOSED = range(7)


class _Batch:
    """A Ready in the making. `stage` is the last of its steps that is taken."""

    __slots__ = (
        "accepted_epoch",
        "configured",
        "current_epoch",
        "entries",
        "first",
        "install",
        "last",
        "roll",
        "stage",
        "truncate",
    )

    def __init__(self, last: int) -> None:
        self.stage = _CONFIGURE
        self.configured: Configured | None = None
        self.entries: list[bytes] = []
        self.first = self.last = last
        self.roll = False
        self.accepted_epoch: int | None = None
        self.truncate: int | None = None
        self.install: Install | None = None
        self.current_epoch: int | None = None

    def finished(self) -> Ready:
        return Ready(
            self.entries,
            self.first,
            self.last,
            self.roll,
            self.accepted_epoch,
            self.truncate,
            self.install,
            self.current_epoch,
            self.configured,
        )


class LogQueue:
    """Disk work of one server. `last_zxid` is that of the log's last transaction."""

    def __init__(self, last_zxid: int) -> None:
        self.appended = last_zxid
        self.handed = last_zxid
        self.persisted = last_zxid
        self._batches: deque[_Batch] = deque()
        self._roll = False
        self._out: Ready | None = None

    # --- work for the disk

    def append(self, zxid: int, entry: bytes) -> None:
        """Put one transaction at the log's end: its zxid is the next, or opens a later epoch."""
        last = self.appended
        assert zxid == last + 1 or zxid >> 32 > last >> 32, (
            f"0x{zxid:x} cannot follow 0x{last:x} in the log"
        )
        batch = self._batch(_APPEND)
        if not batch.entries:
            batch.first = zxid
        batch.entries.append(entry)
        batch.last = self.appended = zxid

    def append_run(self, first: int, entries: list[bytes]) -> None:
        """`append` of several with contiguous zxids from `first` on, within one epoch."""
        last = self.appended
        assert first == last + 1 or first >> 32 > last >> 32, (
            f"0x{first:x} cannot follow 0x{last:x} in the log"
        )
        batch = self._batch(_APPEND)
        if not batch.entries:
            batch.first = first
        batch.entries += entries
        batch.last = self.appended = first + len(entries) - 1

    def configure(self, configured: Configured) -> None:
        """Keep these configurations, ahead of all that is queued from now on."""
        self._batch(_CONFIGURE).configured = configured

    def accept_epoch(self, epoch: int) -> None:
        self._batch(_ACCEPT, alone=True).accepted_epoch = epoch

    def set_current_epoch(self, epoch: int) -> None:
        self._batch(_CURRENT, alone=True).current_epoch = epoch

    def truncate(self, zxid: int) -> None:
        """Cut everything behind `zxid` off.

        It is the last of its Ready: the state may have to be rebuilt from what is left of the log,
        and nothing that follows may be in there by then.
        """
        assert zxid <= self.appended, f"nothing behind 0x{zxid:x}: the log ends there or before"
        batch = self._batch(_TRUNCATE, alone=True)
        batch.truncate = batch.first = batch.last = self.appended = zxid
        batch.stage = _CLOSED

    def install(self, install: Install) -> None:
        """Take pieces of a leader's snapshot; with the last of them the log ends at its zxid."""
        batch = self._batch(_INSTALL, alone=True)
        batch.install = install
        if install.is_last:
            batch.first = batch.last = self.appended = install.zxid

    def roll_log(self) -> None:
        """Begin a new log file with the next entries: a snapshot is being taken."""
        self._roll = True

    # --- towards the driver

    @property
    def waiting(self) -> int:
        """How many transactions the next Ready would have."""
        return len(self._batches[0].entries) if self._batches else 0

    @property
    def backlog(self) -> int:
        """How many Readies wait behind the one that is out."""
        return len(self._batches)

    @property
    def is_idle(self) -> bool:
        """All work is done."""
        return self._out is None and not self._batches

    @property
    def epochs_are_durable(self) -> bool:
        """No epoch waits for the disk; so what was queued before the last one is durable too."""
        batches: list[_Batch | Ready] = [*self._batches]
        if self._out is not None:
            batches.append(self._out)
        return all(each.accepted_epoch is each.current_epoch is None for each in batches)

    def ready(self) -> Ready | None:
        """The next Ready; None while one is out or nothing is to be done."""
        if self._out is not None or not self._batches:
            return None
        batch = self._batches.popleft()
        if self._roll and batch.entries:
            batch.roll, self._roll = True, False
        self._out = ready = batch.finished()
        self.handed = ready.last_zxid
        return ready

    def on_persisted(self, ready: Ready) -> None:
        """The Ready that is out has become durable."""
        assert ready is self._out, "a Ready was reported durable that is not the one handed out"
        self._out = None
        self.persisted = ready.last_zxid

    def _batch(self, stage: int, alone: bool = False) -> _Batch:
        """The batch that work of this stage joins; `alone`: at most one of its kind in a batch."""
        if self._batches:
            batch = self._batches[-1]
            if batch.stage < stage or (batch.stage == stage and not alone):
                batch.stage = stage
                return batch
        batch = _Batch(self.appended)
        batch.stage = stage
        self._batches.append(batch)
        return batch
