"""What a learner makes of the transactions that its leader sends: the one way into log and tree.

Theory of operation. Synchronisation and broadcast use the same calls. A proposal goes to the log
and to the tail of the history at once. A commit applies it: in broadcast at once, before that when
the leader says UPTODATE. Until then a commit is only the claim of a leader that is not established
yet, and if it dies on the way a later leader may cut the transaction off: the tree holds committed
transactions only.

`base` is where the history was found to be the leader's: up to there proposals and commits are
repetitions. (A Java leader that sends a snapshot repeats what it committed meanwhile.)

A change of the configuration is seen before it is logged. As a leader proposes one only when the
one before is committed, the second that comes makes the first hold.
"""

from __future__ import annotations

from collections import deque

from zoo.errors import ProtocolViolation
from zoo.zab.configurations import Configuration, carries_configuration, configuration_in
from zoo.zab.context import Context
from zoo.zab.history import follows


class LearnerLog:
    """`committed` is the last zxid that the leader has told to be committed."""

    def __init__(self, context: Context) -> None:
        self._log = context.log
        self._history = context.history
        self._replica = context.replica
        self.base = self.committed = context.log.appended
        self._uncommitted: deque[tuple[int, bytes]] = deque()
        self._unacked: deque[int] = deque()
        self._acking = False
        self._serving = False
        self._configurations = context.configurations
        self._proposed: Configuration | None = None

    def found(self, base: int) -> None:
        """Log and history end at `base` now, and up to there they are the leader's."""
        self.base = self.committed = base

    def append(self, zxid: int, entry: bytes) -> None:
        """A transaction is proposed. Raises ProtocolViolation if it does not follow the last."""
        last = self._log.appended
        if zxid != last + 1 and not follows(zxid, last):
            if zxid <= self.base:
                return
            raise ProtocolViolation(f"0x{zxid:x} is proposed behind 0x{last:x}")
        if self._configurations.is_enabled and carries_configuration(entry):
            self._see(configuration_in(entry))
        self._log.append(zxid, entry)
        self._history.append(zxid, entry)
        self._uncommitted.append((zxid, entry))
        if self._acking:
            self._unacked.append(zxid)

    def commit(self, zxid: int) -> None:
        """Raises ProtocolViolation if it is not the first that is proposed and not committed."""
        waiting = self._uncommitted
        if not waiting or waiting[0][0] != zxid:
            if zxid <= self.base:
                return
            first = f"0x{waiting[0][0]:x}" if waiting else "nothing"
            raise ProtocolViolation(f"0x{zxid:x} is committed while {first} is the next proposal")
        _, entry = waiting.popleft()
        self.committed = zxid
        if self._serving:
            self._history.commit_to(zxid)
            self._replica.deliver(zxid, entry)

    def append_run(self, first: int, entries: list[bytes]) -> None:
        """`append` of several with contiguous zxids from `first` on."""
        last = first + len(entries) - 1
        is_plain = follows(first, self._log.appended) and first >> 32 == last >> 32
        if is_plain and self._configurations.is_enabled:
            is_plain = not any(map(carries_configuration, entries))
        if not is_plain:
            for zxid, entry in enumerate(entries, first):
                self.append(zxid, entry)
            return
        self._log.append_run(first, entries)
        self._history.append_run(first, entries)
        self._uncommitted.extend(enumerate(entries, first))
        if self._acking:
            self._unacked.extend(range(first, last + 1))

    def commit_run(self, first: int, last: int) -> None:
        """`commit` of all from `first` to `last`."""
        waiting = self._uncommitted
        count = last + 1 - first
        is_next = len(waiting) >= count and waiting[0][0] == first and waiting[count - 1][0] == last
        if not self._serving or not is_next:
            for zxid in range(first, last + 1):
                self.commit(zxid)
            return
        self.committed = last
        self._history.commit_to(last)
        deliver = self._replica.deliver
        for _ in range(count):
            deliver(*waiting.popleft())

    def _see(self, configuration: Configuration) -> None:
        if self._proposed is not None:
            self._configurations.activate(self._proposed)
        self._proposed = configuration
        self._configurations.see(configuration)

    def next_commit(self, zxid: int) -> bytes | None:
        """The transaction that a commit of `zxid` will apply; None if that is a repetition."""
        waiting = self._uncommitted
        return waiting[0][1] if waiting and waiting[0][0] == zxid else None

    def begin_acks(self) -> None:
        """NEWLEADER: its ACK covers what is committed by now; the rest has an ACK each."""
        self._acking = True
        self._unacked.extend(zxid for zxid, _ in self._uncommitted)

    def take_acks(self) -> list[int]:
        """The zxids that have become durable since the last call."""
        persisted = self._log.persisted
        waiting = self._unacked
        acks = []
        while waiting and waiting[0] <= persisted:
            acks.append(waiting.popleft())
        return acks

    def serve(self) -> None:
        """UPTODATE: the leader is established, and what it has committed is applied."""
        self._serving = True
        runs = self._history.runs(self._history.committed, self.committed)
        self._history.commit_to(self.committed)
        for first, entries in runs:
            for zxid, entry in enumerate(entries, first):
                self._replica.deliver(zxid, entry)
