"""Whose turn it is to be sent a snapshot: a few learners at a time, the others wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.zab.learner_handler import LearnerHandler
    from zoo.zab.replica import Replica

MAX_SNAPSHOTS = 10
"""Learners that are sent a snapshot at a time, as in Java (leader.maxConcurrentSnapSyncs)."""


class SnapshotTurns:
    """`handlers` are all that the master has, those that wait and those that are served."""

    def __init__(self, replica: Replica, handlers: Iterable[LearnerHandler]) -> None:
        self._replica = replica
        self._handlers = handlers
        self._waiting: deque[LearnerHandler] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def wants(self, handler: LearnerHandler) -> None:
        self._waiting.append(handler)
        self.go_on()

    def gone(self, handler: LearnerHandler) -> None:
        if handler in self._waiting:
            self._waiting.remove(handler)

    def go_on(self) -> None:
        """Serve those whose turn it is: to be called when one has ended, and now and then, since
        the state can be read by one reader at a time.
        """
        while self._waiting:
            if sum(each.has_snapshot for each in self._handlers) >= MAX_SNAPSHOTS:
                return
            snapshot = self._replica.snapshot()
            if snapshot is None:
                return
            self._waiting.popleft().send_snapshot(snapshot)
