"""Broadcast: the leader numbers transactions, has them logged everywhere, and commits them.

Theory of operation. A proposal goes to the leader's own log and, in the same call, to every
follower. Links and the log are in order, so one zxid per server says what it has: the last one that
it acknowledged, for ourselves the last one that our disk has. What a quorum has is committed. As
commits follow the order of the proposals it is enough to know up to where; and whatever arrives at
once (a run of proposals, of ACKs, of commits) is handled at once, in bytes that all links share.

An acknowledgement counts while its link lasts. A follower that comes back is cut back to what is
committed and gets the rest anew, so what it said before may not be true any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Any, Protocol

from zoo.zab.context import Context
from zoo.zab.packet_runs import commits, proposals
from zoo.zab.packets import PacketType, bare, with_data
from zoo.zxid import MAX_COUNTER

EXHAUSTED = MAX_COUNTER - (1 << 20)
"""A counter from which on the leader steps down, at the next tick: far enough from the end for all
that may be proposed until then."""

_VALIDITY = Struct(">q?")
_NO_ZXID = -1


class Receiver(Protocol):
    """A learner as broadcast sees it."""

    sid: int
    is_observer: bool

    def send(self, data: bytes) -> None: ...


class Broadcast:
    """What an established leader does with transactions; the service knows it as `Leading`.

    `proposed` is the zxid of the last proposal, counter 0 before the first.
    """

    def __init__(self, context: Context, epoch: int) -> None:
        self.proposed = epoch << 32
        self.followers: tuple[Receiver, ...] = ()
        self.observers: tuple[Receiver, ...] = ()
        self.is_open = False
        self._context = context
        self._log = context.log
        self._history = context.history
        self._acked: dict[int, int] = {}
        self._answers: deque[tuple[int, Receiver, bytes]] = deque()

    # --- learners

    def forward(self, learner: Receiver) -> None:
        """From now on all proposals, or the commits of an observer, go to this learner."""
        if learner.is_observer:
            self.observers = (*self.observers, learner)
        else:
            self.followers = (*self.followers, learner)

    def drop(self, learner: Receiver) -> None:
        """Its link is gone, and with it what it acknowledged."""
        self.followers = tuple(each for each in self.followers if each is not learner)
        self.observers = tuple(each for each in self.observers if each is not learner)
        self._acked.pop(learner.sid, None)

    # --- Leading

    def next_zxid(self) -> int:
        """The zxid that `propose` expects next."""
        return self.proposed + 1

    def propose(self, zxid: int, entry: bytes) -> None:
        """Take a transaction into the order: log it here and at every follower."""
        self._check(zxid, zxid)
        self._log.append(zxid, entry)
        self._history.append(zxid, entry)
        self.proposed = zxid
        if self.followers:
            self._send(self.followers, with_data(PacketType.PROPOSAL, zxid, entry))

    def propose_run(self, first: int, entries: list[bytes]) -> None:
        """`propose` of several with contiguous zxids from `first` on."""
        last = first + len(entries) - 1
        self._check(first, last)
        self._log.append_run(first, entries)
        self._history.append_run(first, entries)
        self.proposed = last
        if self.followers:
            self._send(self.followers, proposals(first, entries))

    def sync(self, learner: Receiver) -> None:
        """Send SYNC to the learner once all that is proposed by now is committed."""
        self._answer(learner, bare(PacketType.SYNC, 0))

    def answer_revalidation(self, learner: Receiver, session_id: int, valid: bool) -> None:
        """Tell the learner whether a session lives, likewise behind all that is proposed by now: a
        client that came over sees its own earlier writes.
        """
        data = _VALIDITY.pack(session_id, valid)
        self._answer(learner, with_data(PacketType.REVALIDATE, _NO_ZXID, data))

    # --- commits

    def open(self) -> None:
        """The leader is established: all of the history is committed."""
        self.is_open = True

    @property
    def pending_answers(self) -> int:
        """Syncs and revalidations that wait for a commit."""
        return len(self._answers)

    @property
    def is_exhausted(self) -> bool:
        """A new epoch is needed before the counter comes to its end (ZOOKEEPER-1277)."""
        return self.proposed & MAX_COUNTER >= EXHAUSTED

    def acknowledged(self, sid: int, zxid: int) -> None:
        """Server `sid` has everything up to `zxid` on its disk."""
        self._acked[sid] = zxid
        if self.is_open and zxid > self._history.committed:
            reached = self._context.quorum.quorum_zxid(self._acked)
            if reached > self._history.committed:
                answers = self._answers
                while answers and answers[0][0] < reached:  # nothing later may be ahead of them
                    self._commit_to(answers[0][0])
                self._commit_to(reached)

    def _commit_to(self, zxid: int) -> None:
        # A change of configuration in here will end the run: COMMITANDACTIVATE,
        # INFORMANDACTIVATE and other quorums from it on.
        history = self._history
        committed = history.committed
        first = max(committed, zxid >> 32 << 32) + 1
        if self.followers:
            self._send(self.followers, commits(first, zxid))
        if self.observers:
            for start, entries in history.runs(committed, zxid):
                self._send(self.observers, proposals(start, entries, PacketType.INFORM))
        history.commit_to(zxid)
        self._context.replica.commit_to(zxid)
        answers = self._answers
        while answers and answers[0][0] <= zxid:
            _, learner, data = answers.popleft()
            learner.send(data)

    # --- inside

    def _check(self, first: int, last: int) -> None:
        assert self.is_open, f"0x{first:x} proposed before the leader was established"
        assert first == self.proposed + 1, f"proposed 0x{first:x} after 0x{self.proposed:x}"
        assert first >> 32 == last >> 32, f"a run from 0x{first:x} to 0x{last:x} leaves its epoch"
        assert last & MAX_COUNTER != MAX_COUNTER, f"0x{last:x} must not be handed out"

    def _answer(self, learner: Any, data: bytes) -> None:
        if self._history.committed == self._history.last_zxid:
            learner.send(data)
        else:
            self._answers.append((self.proposed, learner, data))

    @staticmethod
    def _send(learners: Sequence[Receiver], data: bytes) -> None:
        for learner in learners:
            learner.send(data)
