"""Synchronisation: the learner's history is made a prefix of the leader's, by one of three ways.

Theory of operation. DIFF: all that the learner has is the leader's, and what it lacks follows as
proposals. TRUNC: what lies behind a zxid never was committed and is cut off. SNAP: the whole state,
raw on the link. Log, history and replica are changed together, and what they are changed to is
queued for the disk in the same call, so that the link may break behind any packet: what has been
taken is a prefix of the leader's history, and the next try goes on from there. A snapshot counts
only when it is complete.

Two things a leader cannot know, and `StartOver` is for them: that the learner's log does not have
the very transaction to cut back to (its numbers jumped over it), and that its disk has nothing old
enough to rebuild a state of long ago.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Protocol

from zoo.errors import ProtocolViolation
from zoo.zab.context import Context
from zoo.zab.learner_log import LearnerLog
from zoo.zab.packets import SNAPSHOT_END
from zoo.zab.ready import Install
from zoo.zab.replica import InstallTarget
from zoo.zab.sync_plan import NO_HISTORY

log = logging.getLogger(__name__)

INSTALL_RUN = 1 << 20
"""Bytes of a snapshot that are collected for one Ready."""


class StartOver(Exception):
    """The leader has to be asked again: for a snapshot, or with an end of the log that is new."""

    def __init__(self, reason: str, needs_snapshot: bool = False) -> None:
        super().__init__(reason)
        self.needs_snapshot = needs_snapshot


class SyncMode(Enum):
    DIFF = "diff"
    TRUNC = "trunc"
    SNAP = "snap"


class SyncContext(Context, Protocol):
    """What synchronisation needs of the peer besides."""

    lacks_history: bool
    """This server may have lost what it knew: whatever it has now counts for nothing."""

    def can_truncate(self, zxid: int) -> bool:
        """Whether the disk can rebuild the state at `zxid`, which is older than the tree."""
        ...


class Synchronisation:
    """From ACKEPOCH on until NEWLEADER. `is_raw`: the link carries a snapshot, no packets."""

    def __init__(self, context: SyncContext, received: LearnerLog) -> None:
        self._context = context
        self._received = received
        self.presented = NO_HISTORY if context.lacks_history else context.log.appended
        """The zxid in ACKEPOCH."""
        self.mode: SyncMode | None = None
        self._snapshot: _Snapshot | None = None

    @property
    def is_raw(self) -> bool:
        return self._snapshot is not None

    def diff(self, zxid: int) -> None:
        self._choose(SyncMode.DIFF, zxid)
        last = self._context.log.appended
        if self.presented != last:
            raise ProtocolViolation("DIFF in answer to no history at all")
        # A Java leader numbers its beginning epoch<<32, where there is no transaction.
        if zxid < last and last & 0xFFFFFFFF:
            raise ProtocolViolation(f"DIFF to 0x{zxid:x} leaves 0x{last:x} at the log's end")
        self._received.found(last)

    def trunc(self, zxid: int) -> None:
        """Raises StartOver when the log cannot be made to end at `zxid`."""
        self._choose(SyncMode.TRUNC, zxid)
        context = self._context
        last = context.log.appended
        if self.presented != last or not 0 <= zxid <= last:
            raise ProtocolViolation(f"TRUNC to 0x{zxid:x} while the log ends at 0x{last:x}")
        found = context.history.preceding(zxid)
        if found is None or (found < context.replica.last_zxid and not context.can_truncate(found)):
            raise StartOver(f"nothing to rebuild the state at 0x{zxid:x} from", True)
        if found < last:
            context.history.rewind(found)
            context.log.truncate(found)
        if found < zxid:
            raise StartOver(f"no 0x{zxid:x} to go back to, only 0x{found:x}")
        self._received.found(zxid)

    def snap(self, zxid: int) -> None:
        """What follows on the link belongs to `feed`, until `is_raw` is false again."""
        self._choose(SyncMode.SNAP, zxid)
        self._snapshot = _Snapshot(self._context, zxid)

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the snapshot; returns the rest, all of it once the snapshot has ended."""
        assert self._snapshot is not None
        rest, is_complete = self._snapshot.feed(data)
        if is_complete:
            self._received.found(self._snapshot.zxid)
            self._snapshot = None
        return rest

    def _choose(self, mode: SyncMode, zxid: int) -> None:
        if self.mode is not None:
            raise ProtocolViolation(f"{mode.name} within a {self.mode.name}")
        self.mode = mode
        log.info("%s to 0x%x, the log ends at 0x%x", mode.name, zxid, self._context.log.appended)


class _Snapshot:
    """A snapshot on its way into the replica and, as a file, to the disk."""

    def __init__(self, context: SyncContext, zxid: int) -> None:
        self.zxid = zxid
        self._context = context
        self._target: InstallTarget = context.replica.begin_install(zxid)
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_first = True
        self._has_ended = False

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(rest, whether it is complete, signature and all)"""
        if not self._has_ended:
            piece, rest = self._target.feed(data)
            self._pieces.append(piece)
            self._size += len(piece)
            if rest is None:
                if self._size >= INSTALL_RUN:
                    self._hand_over(is_last=False)
                return b"", False
            self._has_ended = True
            data = rest
        signature = data[: len(SNAPSHOT_END)]
        if not SNAPSHOT_END.startswith(signature):
            raise ProtocolViolation("no signature behind the snapshot")
        if len(signature) < len(SNAPSHOT_END):
            return data, False
        self._hand_over(is_last=True)
        self._target.finish()
        self._context.history.reset(self.zxid)
        return data[len(SNAPSHOT_END) :], True

    def _hand_over(self, is_last: bool) -> None:
        install = Install(self.zxid, self._pieces, self._is_first, is_last)
        self._context.log.install(install)
        self._pieces = []
        self._size = 0
        self._is_first = False
