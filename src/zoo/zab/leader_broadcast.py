"""Broadcast: the leader numbers transactions, has them logged everywhere, and commits them.

Theory of operation. A proposal goes to the leader's own log and, in the same call, to every
follower. Links and the log are in order, so one zxid per server says what it has: the last one that
it acknowledged, for ourselves the last one that our disk has. What a quorum has is committed. As
commits follow the order of the proposals it is enough to know up to where; and whatever arrives at
once (a run of proposals, of ACKs, of commits) is handled at once, in bytes that all links share.

A change of the configuration is committed by a quorum of the old and one of the new, and so is what
is proposed behind it; what stands before it needs the old alone, as ever. Its commit says to
everybody to go by it, and who leads on: this server, if it votes there at the same address, else
the follower that has most. In that case nothing is committed here any more.

A sync is answered behind the commit of all that was proposed when it was asked for, ahead of any
later one (a learner's client may have written behind it), and only when a quorum is known to have
followed since then: it has answered a PING (zoo.zab.ping_rounds), or acknowledged something later.

An acknowledgement counts while its link lasts. A follower that comes back is cut back to what is
committed and gets the rest anew, so what it said before may not be true any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, NamedTuple, Protocol

from zoo.zab.configurations import Configuration, quorum_address
from zoo.zab.context import Context
from zoo.zab.packet_runs import commits, proposals
from zoo.zab.packets import PacketType, bare, with_data
from zoo.zab.ping_rounds import Pinged, PingRounds
from zoo.zab.quorum import QuorumVerifier
from zoo.zxid import MAX_COUNTER

EXHAUSTED = MAX_COUNTER - (1 << 20)
"""A counter from which on the leader steps down, at the next tick: far enough from the end for all
that may be proposed until then."""

_VALIDITY = Struct(">q?")
_DESIGNATED = Struct(">q")
_NO_ZXID = -1


class Asker(Protocol):
    """Who wants an answer: a learner, or (-1) this server for a client of its own."""

    sid: int

    def send(self, data: bytes) -> None: ...


class Receiver(Asker, Pinged, Protocol):
    """A learner as broadcast sees it."""

    is_observer: bool
    is_ours: bool
    """A Zoo, not an Apache ZooKeeper."""


class _Answer(NamedTuple):
    """It leaves when `zxid` is committed and the round of PINGs is confirmed."""

    zxid: int
    round: int
    asker: Asker
    data: bytes


class _Change(NamedTuple):
    """A change of configuration that is proposed. `old` decides about what stands before it, up to
    `preceding`.
    """

    preceding: int
    zxid: int
    entry: bytes
    configuration: Configuration
    old: QuorumVerifier


class Broadcast:
    """What an established leader does with transactions; the service knows it as `Leading`.

    `proposed` is the zxid of the last proposal, counter 0 before the first. `retire` is called when
    another server is to lead by a new configuration, `transfer` when the service wants another to.
    """

    def __init__(
        self,
        context: Context,
        epoch: int,
        retire: Callable[[int], None] = lambda leader: None,
        transfer: Callable[[int, int], str | None] = lambda target, timeout_ms: "nobody leads",
    ) -> None:
        self._retire = retire
        self._transfer = transfer
        self._change: _Change | None = None
        self.proposed = epoch << 32
        self.followers: tuple[Receiver, ...] = ()
        self.observers: tuple[Receiver, ...] = ()
        self.is_open = False
        self._context = context
        self._log = context.log
        self._history = context.history
        self._acked: dict[int, int] = {}
        self._reached = 0  # what a quorum has acknowledged, committed or about to be
        self._answers: deque[_Answer] = deque()
        self._rounds = PingRounds(context, lambda: (*self.followers, *self.observers))

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

    @property
    def configuration(self) -> Configuration:
        """The one that holds."""
        return self._context.configurations.committed

    @property
    def is_changing(self) -> bool:
        """A change of the configuration is proposed and not committed yet."""
        return self._context.configurations.is_changing

    def has_in_step(self, quorum: QuorumVerifier) -> bool:
        """Whether those that vote in step with us, or follow without a vote, are a quorum."""
        with_us = {each.sid: None for each in self.followers if each.sid in self._acked}
        return quorum.contains_quorum([*with_us, self._context.my_id])

    def propose_configuration(self, zxid: int, entry: bytes, configuration: Configuration) -> None:
        """`propose` of a change of the configuration, which must be the only one under way."""
        assert not self.is_changing, "two changes at a time"
        context = self._context
        old = context.quorum
        context.configurations.see(configuration)
        self._change = _Change(self._history.last_zxid, zxid, entry, configuration, old)
        self.propose(zxid, entry)

    @property
    def is_alone(self) -> bool:
        """This server is a quorum by itself."""
        return self._context.quorum.contains_quorum([self._context.my_id])

    def sync(self, asker: Asker) -> None:
        """Send SYNC once all that is proposed by now is committed, and a quorum was heard to follow
        after this.
        """
        self._answer(asker, bare(PacketType.SYNC, 0), self._rounds.after_this(asker.sid))

    def answer_revalidation(self, learner: Receiver, session_id: int, valid: bool) -> None:
        """Tell the learner whether a session lives, likewise behind all that is proposed by now: a
        client that came over sees its own earlier writes.
        """
        data = _VALIDITY.pack(session_id, valid)
        self._answer(learner, with_data(PacketType.REVALIDATE, _NO_ZXID, data))

    # --- PINGs

    @property
    def round(self) -> int:
        """To which a PING belongs that is sent now."""
        return self._rounds.number

    def ping_answered(self, learner: Receiver) -> None:
        if self._rounds.answered(learner):
            self._release()

    def joined(self, learner: Receiver) -> None:
        """The learner is in step."""
        self._rounds.joined(learner)

    def tell_moved(self, session_id: int, keeper: Any = None) -> None:
        """Tell all learners but `keeper` that this session is not theirs."""
        packet = bare(PacketType.MOVED, session_id)
        for each in (*self.followers, *self.observers):
            if each.is_ours and each is not keeper:
                each.send(packet)

    # --- leadership is handed over (zoo.zab.leader_transfer)

    def transfer(self, target: int, timeout_ms: int) -> str | None:
        return self._transfer(target, timeout_ms)

    def successor(self) -> int | None:
        """The follower that would make the best leader: a Zoo, since clients of all Zoos then need
        not connect again; who has most.
        """
        voters = [each for each in self.followers if each.sid in self._context.quorum.voters]
        in_step = [
            (each.is_ours, self._acked[each.sid], each.sid)
            for each in voters
            if each.sid in self._acked and self._context.quorum.weight(each.sid)
        ]
        return max(in_step)[2] if in_step else None

    def offer(self, follower: Receiver, entry: bytes) -> int:
        """Propose a transaction to this follower alone, and not even here; returns its zxid.
        `complete` must come before any other proposal.
        """
        zxid = self.next_zxid()
        follower.send(with_data(PacketType.PROPOSAL, zxid, entry))
        return zxid

    def complete(self, entry: bytes, follower: Receiver) -> None:
        """Propose what was offered to this follower to everybody else, too."""
        everybody = self.followers
        self.followers = tuple(each for each in everybody if each is not follower)
        self.propose(self.next_zxid(), entry)
        self.followers = everybody

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
            change, before = self._change, 0
            if change is not None:
                before = min(change.old.quorum_zxid(self._acked), change.preceding)
            self._reached = max(reached, before)
            if change is not None and reached >= change.zxid:
                self._commit_run(before)
                self._release()
                self._activate(change)
                self.acknowledged(sid, zxid)  # what follows needs the new quorum alone
                return
            self._commit_run(self._reached)

    def _activate(self, change: _Change) -> None:
        """Commit the change itself."""
        self._change = None
        context = self._context
        leader = self.designated(change.configuration)
        context.configurations.activate(change.configuration)
        data = _DESIGNATED.pack(leader)
        activate = with_data(PacketType.COMMITANDACTIVATE, change.zxid, data)
        inform = with_data(PacketType.INFORMANDACTIVATE, change.zxid, data + change.entry)
        self._send(self.followers, activate)
        self._send(self.observers, inform)
        self._committed(change.zxid)
        if leader != context.my_id:
            self.is_open = False
            self._retire(leader)

    def designated(self, new: Configuration) -> int:
        """Who shall lead by the new configuration, which a quorum of it has acknowledged."""
        me, old = self._context.my_id, self._context.configurations.committed
        voters = new.quorum.voters
        mine = quorum_address(new.ensemble.servers.get(me))
        if me in voters and mine == quorum_address(old.ensemble.servers.get(me)):
            return me
        others = [sid for sid in voters if sid != me and sid in self._acked]
        return max(others, key=lambda sid: (self._acked[sid], sid), default=me)

    def _commit_run(self, reached: int) -> None:
        if reached > self._history.committed:
            self._release()
            answers = self._answers
            while answers and answers[0].zxid < reached:  # nothing later may be ahead of them
                self._commit_to(answers[0].zxid)
            self._commit_to(reached)

    def _commit_to(self, zxid: int) -> None:
        history = self._history
        committed = history.committed
        first = max(committed, zxid >> 32 << 32) + 1
        if self.followers:
            self._send(self.followers, commits(first, zxid))
        if self.observers:
            for start, entries in history.runs(committed, zxid):
                self._send(self.observers, proposals(start, entries, PacketType.INFORM))
        self._committed(zxid)

    def _committed(self, zxid: int) -> None:
        self._history.commit_to(zxid)
        self._context.replica.commit_to(zxid)
        self._release()

    def _release(self) -> None:
        """Send the answers that need not wait any more, in their order."""
        answers, committed = self._answers, self._history.committed
        while answers and self._is_due(answers[0], committed):
            answer = answers.popleft()
            answer.asker.send(answer.data)

    def _is_due(self, answer: _Answer, committed: int) -> bool:
        followed = answer.round <= self._rounds.confirmed or answer.zxid < self._reached
        return answer.zxid <= committed and followed

    # --- inside

    def _check(self, first: int, last: int) -> None:
        assert self.is_open, f"0x{first:x} proposed before the leader was established"
        assert first == self.proposed + 1, f"proposed 0x{first:x} after 0x{self.proposed:x}"
        assert first >> 32 == last >> 32, f"a run from 0x{first:x} to 0x{last:x} leaves its epoch"
        assert last & MAX_COUNTER != MAX_COUNTER, f"0x{last:x} must not be handed out"

    def _answer(self, asker: Asker, data: bytes, after_round: int = 0) -> None:
        self._answers.append(_Answer(self._history.last_zxid, after_round, asker, data))
        self._release()

    @staticmethod
    def _send(learners: Sequence[Receiver], data: bytes) -> None:
        for learner in learners:
            learner.send(data)
