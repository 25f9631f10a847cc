"""Does a quorum still follow? What a leader must know before it answers a sync.

Theory of operation. A leader that was replaced while it stood still, or was cut off, may not have
noticed yet, and what it takes for the newest state is old. It has been replaced only if a quorum
has promised a later epoch, and who has done so follows it no more. So if a quorum is heard to
follow it after the sync was asked for, nothing that it lacks was committed before that.

Links are in order and a learner answers each PING once, so the n-th answer is that of the n-th
PING, and one that was sent in a round or later counts for that round. (PINGs during synchronisation
are left out: Apache ZooKeeper's learners do not answer them.) There is one round at a time, for all
syncs that wait; those that come meanwhile share the next. Who asks for a sync has said by that that
it follows: with three servers a follower's sync needs no round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from zoo.zab.context import Context


class Pinged(Protocol):
    """A learner in broadcast or on the way there, as a round sees it."""

    sid: int
    answered_round: int
    """The round in which the last PING was sent that it has answered."""

    @property
    def owes_answer(self) -> bool:
        """A PING is on its way to it, or the answer back."""
        ...

    def ping(self) -> None: ...


class PingRounds:
    """`number` is that of the last round that was begun, `confirmed` that of the last in which a
    quorum answered; rounds are numbered from 1 on.
    """

    def __init__(self, context: Context, learners: Callable[[], Iterable[Pinged]]) -> None:
        self.number = self.confirmed = 0
        self._context = context
        self._learners = learners
        self._wanted = 0
        self._follow: dict[int, None] = {}

    @property
    def is_under_way(self) -> bool:
        return self.confirmed < self.number

    def after_this(self, sid: int) -> int:
        """The number of the round that must be confirmed before server `sid`, which asks (-1: this
        one), may be told that this server leads; 0 if none need be.
        """
        if self._is_quorum((sid,)):
            return 0
        if self.is_under_way:
            self._wanted = self.number + 1
            return self._wanted
        self._begin()
        return self.number

    def answered(self, learner: Pinged) -> bool:
        """A PING was answered; whether that confirms the round."""
        if not self.is_under_way:
            return False
        if learner.answered_round < self.number:
            self._ping(learner)
            return False
        self._follow[learner.sid] = None
        if not self._is_quorum(self._follow):
            return False
        self.confirmed = self.number
        if self._wanted > self.number:
            self._begin()
        return True

    def joined(self, learner: Pinged) -> None:
        """One learner more is in broadcast."""
        if self.is_under_way:
            self._ping(learner)

    def _is_quorum(self, others: Iterable[int]) -> bool:
        return self._context.quorum.contains_quorum({self._context.my_id, *others})

    def _begin(self) -> None:
        self.number += 1
        self._follow.clear()
        for learner in self._learners():
            self._ping(learner)

    def _ping(self, learner: Pinged) -> None:
        """A slow learner gets the next one when it has answered: rounds may go on without it."""
        if not learner.owes_answer and learner.sid in self._context.quorum.voters:
            learner.ping()
