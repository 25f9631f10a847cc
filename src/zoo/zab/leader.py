"""The leader: from its election to an established ensemble, and as long as a quorum follows.

Theory of operation, after the ZAB paper's phases.

DISCOVERY: the elected waits until a quorum of voters (itself among them) has come. The new epoch is
one above every epoch that any of them has promised. The leader promises it first, on its disk, then
offers it (LEADERINFO). Who promises it (ACKEPOCH) tells the epoch and the end of its own history,
and no quorum promises to a leader that lacks something: who is ahead does not count.

SYNCHRONIZATION: a quorum has promised, so no older leader can commit any more, and the leader's log
is the history of the new epoch, all of it. Learners are brought to it, one way or the other, and
acknowledge NEWLEADER when it is theirs durably; the leader's own acknowledgement is its current
epoch on the disk.

BROADCAST: with a quorum of those the history is committed. The leader applies what it had not,
starts the service and lets the learners start (UPTODATE). Half a tick after half a tick it pings,
drops who is silent, and steps down when those left are no quorum. Learners that come later take the
same steps, one by one.

A TRANSFER may be under way meanwhile (zoo.zab.leader_transfer): leadership is handed to a follower.

RETIRING: a change of the configuration was committed, by which another server leads. All have been
told and leave by themselves; once that server has, or after a while, we go to it, too.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Protocol

from zoo.errors import ProtocolViolation
from zoo.zab.context import Context
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.leader_transfer import Transfer, objection
from zoo.zab.learner_handler import HandlerPhase, LearnerHandler
from zoo.zab.link import PeerLink
from zoo.zab.snapshot_turns import SnapshotTurns
from zoo.zab.sync_plan import NO_HISTORY, SyncPlan
from zoo.zab.vote import UNKNOWN_ZXID

log = logging.getLogger(__name__)

MAX_LEARNERS = 1000
"""Links at a time."""
RETIRING_MS = 500
"""How long a leader waits for the next one to leave it, at most."""


class Phase(Enum):
    DISCOVERY = "discovery"
    SYNCHRONIZATION = "synchronization"
    BROADCAST = "broadcast"
    RETIRING = "retiring"
    STOPPED = "stopped"


class LeaderContext(Context, Protocol):
    """What a leader needs of the peer besides."""

    def established(self, epoch: int) -> None:
        """The role has begun to serve in this epoch."""


class Leader:
    """The role of an elected leader. When it begins, the log is durable and the replica has applied
    what the history takes for committed.
    """

    def __init__(self, context: LeaderContext) -> None:
        self.context: Context = context
        self._peer = context
        self.service = context.replica
        self.phase = Phase.DISCOVERY
        self.epoch = context.epochs.accepted + 1
        self.broadcast = Broadcast(context, self.epoch)
        self.transfer: Transfer | None = None
        self.handlers: dict[LearnerHandler, None] = {}
        self._summary = (context.epochs.current, context.history.last_zxid)
        self._come: dict[int, None] = {context.my_id: None}
        self._promised: dict[int, None] = {}
        self._in_step: dict[int, None] = {}
        self._lost: dict[int, None] = {}  # cannot promise this epoch any more
        self._is_decided = self._is_offered = False
        self._snapshots = SnapshotTurns(context.replica, self.handlers)
        self._withheld: dict[LearnerHandler, None] = {}
        self._half_tick = max(1, context.settings.tick_ms // 2)
        self._next_ping = context.now_ms + self._half_tick
        self._is_whole_tick = False
        self._deadline = 0
        self._successor: int | None = None
        self._set_deadline()
        self._decide_epoch()  # a lone voter needs nobody else

    # --- what others may know

    @property
    def proposed(self) -> int:
        """What some learner may acknowledge."""
        offered = 0 if self.transfer is None else self.transfer.offered
        return max(offered, self.broadcast.proposed)

    @property
    def round(self) -> int:
        return self.broadcast.round

    @property
    def announced(self) -> bytes:
        """The configuration that NEWLEADER carries: what a quorum is about to agree to, and then
        what holds. A change under way behind it says so itself, as a proposal.
        """
        known = self.context.configurations
        return (known.committed if self.phase is Phase.BROADCAST else known.seen).text

    @property
    def history_end(self) -> int:
        """Up to where the log is history: all of it, until it is established and goes on."""
        history = self.context.history
        return history.committed if self.phase is Phase.BROADCAST else history.last_zxid

    @property
    def next_due(self) -> int:
        """When `tick` has something to do, in ms."""
        if self.phase is Phase.BROADCAST:
            transfer = self.transfer
            return self._next_ping if transfer is None else min(self._next_ping, transfer.next_due)
        if self.phase is Phase.RETIRING:
            return self._deadline
        return min(self._next_ping, self._deadline + 1)

    @property
    def is_established(self) -> bool:
        return self.phase is Phase.BROADCAST

    # --- learners come and go

    def learner_link(self, link: PeerLink) -> None:
        """A learner, or whoever it is, has connected."""
        is_over = self.phase in (Phase.STOPPED, Phase.RETIRING)
        if is_over or len(self.handlers) >= MAX_LEARNERS:
            link.close("no more learners are taken")
            return
        self.handlers[LearnerHandler(self, link)] = None

    def gone(self, handler: LearnerHandler) -> None:
        """The handler's link is gone. Called once."""
        self.handlers.pop(handler, None)
        if handler.phase >= HandlerPhase.SYNC:
            self.broadcast.drop(handler)
        self._snapshots.gone(handler)
        self._withheld.pop(handler, None)
        if self.phase is Phase.BROADCAST and handler.phase is HandlerPhase.BROADCAST:
            self.context.replica.learner_gone(handler)
        self._advance_transfer()
        self._go_if_all_went()

    # --- discovery

    def introduced(self, handler: LearnerHandler, accepted: int) -> None:
        """A learner says who it is and which epoch it has promised to somebody."""
        sid = handler.sid
        if sid == self.context.my_id:
            raise ProtocolViolation(f"it says that it is server {sid}, as we are")
        for other in [each for each in self.handlers if each.sid == sid and each is not handler]:
            other.close("it came again")
        is_voter = sid in self.context.quorum.voters
        if not self._is_decided:
            self.epoch = max(self.epoch, accepted + 1)
            if is_voter:
                self._come[sid] = None
                self._decide_epoch()
        elif is_voter and accepted > self.epoch:
            # It may not follow us, and would stay outside for as long as we lead.
            self.context.log.accept_epoch(accepted)
            self.context.look(f"server {sid} has promised epoch {accepted}, ours is {self.epoch}")
        elif self._is_offered:
            handler.offer_epoch()

    def _decide_epoch(self) -> None:
        if self.context.quorum.contains_quorum(self._come):
            self._is_decided = True
            self.broadcast = Broadcast(self.context, self.epoch, self._retire, self._hand_over)
            self.context.log.accept_epoch(self.epoch)

    def _offer_epoch(self) -> None:
        """Our own promise is on the disk."""
        log.info("epoch %d, decided by servers %s", self.epoch, [*self._come])
        self._is_offered = True
        self._set_deadline()
        for handler in [*self.handlers]:
            if handler.phase is HandlerPhase.EPOCH:
                handler.offer_epoch()
        self._promise(self.context.my_id)

    def promised(self, handler: LearnerHandler, current: int) -> None:
        """ACKEPOCH; `current` is the epoch of its history, -1 if it has promised ours before: then
        it does not count, but it may follow.
        """
        if self.phase is not Phase.DISCOVERY:
            handler.synchronise()
        elif current < 0:
            if handler.sid not in self._promised:
                self._cannot_promise(handler.sid, "it did already")
        elif (current, handler.last_zxid) > self._summary:
            handler.close(f"it is ahead of us: epoch {current}, zxid 0x{handler.last_zxid:x}")
            self._cannot_promise(handler.sid, "it is ahead of us")
        elif handler.last_zxid not in (NO_HISTORY, UNKNOWN_ZXID):
            self._promise(handler.sid)

    def _cannot_promise(self, sid: int, why: str) -> None:
        """If a quorum promises without it, all is well: then what it has and we lack was never
        committed. If none can, there is nothing to wait for.
        """
        quorum = self.context.quorum
        self._lost[sid] = None
        if not quorum.contains_quorum([each for each in quorum.voters if each not in self._lost]):
            self.context.look(f"server {sid} cannot promise epoch {self.epoch}: {why}")

    def _promise(self, sid: int) -> None:
        self._promised[sid] = None
        if self.context.my_id in self._promised and self.context.quorum.contains_quorum(
            self._promised
        ):
            self._synchronise()

    # --- synchronisation

    def _synchronise(self) -> None:
        log.info("epoch %d is promised by servers %s", self.epoch, [*self._promised])
        self.phase = Phase.SYNCHRONIZATION
        self._set_deadline()
        self.context.configurations.establish(self.epoch)
        self.context.log.set_current_epoch(self.epoch)
        for handler in [*self.handlers]:
            if handler.phase is HandlerPhase.READY:
                handler.synchronise()

    def forward(self, handler: LearnerHandler) -> None:
        self.broadcast.forward(handler)

    def is_too_much(self, plan: SyncPlan) -> bool:
        return False  # the history as a whole has its limit

    def wants_snapshot(self, handler: LearnerHandler) -> None:
        """A snapshot shows what is committed as far as we know. Who has a history and cannot cut it
        may be one of those by whom more than that is committed: it has to keep that until we are
        established, and our snapshot shows it, too.
        """
        history = self.context.history
        may_be_ahead = handler.last_zxid == NO_HISTORY and history.committed < history.last_zxid
        if may_be_ahead and not self.is_established:
            self._withheld[handler] = None
        else:
            self._snapshots.wants(handler)

    def snapshot_ended(self) -> None:
        if self.phase is not Phase.STOPPED:
            self._snapshots.go_on()

    def in_step(self, handler: LearnerHandler) -> None:
        """ACK of NEWLEADER."""
        # An observer may be one that votes by the configuration which this epoch begins with.
        is_voter = handler.sid in self.context.quorum.voters
        if is_voter or not handler.is_observer:
            self.broadcast.acknowledged(handler.sid, handler.acked)
        if self.phase is Phase.BROADCAST:
            handler.up_to_date()
            self.broadcast.joined(handler)
        elif is_voter:
            self._has_history(handler.sid)

    def _has_history(self, sid: int) -> None:
        self._in_step[sid] = None
        if self.context.my_id in self._in_step and self.context.quorum.contains_quorum(
            self._in_step
        ):
            self._establish()

    def _establish(self) -> None:
        """The history of this epoch is committed; from now on there is more of it."""
        context = self.context
        log.info("leading epoch %d with servers %s", self.epoch, [*self._in_step])
        self.phase = Phase.BROADCAST
        for zxid, entry in context.history.tail():
            context.replica.deliver(zxid, entry)
        context.history.commit_to(context.history.last_zxid)
        known = context.configurations
        leader = self.broadcast.designated(known.seen)
        known.activate(known.seen)
        self.broadcast.open()
        self._peer.established(self.epoch)
        context.replica.start_leading(self.broadcast)
        for handler in [*self.handlers]:
            if handler.phase is HandlerPhase.IN_STEP:
                handler.up_to_date()
        withheld, self._withheld = self._withheld, {}
        for handler in withheld:
            self._snapshots.wants(handler)
        if known.is_enabled and leader != context.my_id:
            self._retire(None)  # nobody has been told whom to follow

    # --- another leads

    def _retire(self, leader: int | None) -> None:
        """All that are with us have been told of a configuration by which we do not lead."""
        log.info("the configuration has changed, another server is to lead: %s", leader or "any")
        self.phase = Phase.RETIRING
        self._successor = leader
        self._deadline = self.context.now_ms + min(RETIRING_MS, self.context.settings.tick_ms)
        self.context.replica.stop_serving()
        for handler in [*self.handlers]:
            handler.retire()
        self._go_if_all_went()

    def _go_if_all_went(self) -> None:
        if self.phase is Phase.RETIRING:
            left = [each.sid for each in self.handlers]
            if self._successor not in left if self._successor is not None else not left:
                self._go("it has been told")

    def _go(self, reason: str) -> None:
        if self._successor is None:
            self.context.look(f"by the new configuration another server leads: {reason}")
        else:
            self.context.go_to(self._successor, f"by the new configuration it leads: {reason}")

    # --- leadership is handed over

    def _hand_over(self, target: int, timeout_ms: int) -> str | None:
        why_not = objection(self, target)
        if why_not is None:
            self.transfer = Transfer(self, target, timeout_ms)
            self.transfer.advance()
        return why_not

    def _advance_transfer(self) -> None:
        if self.transfer is not None and self.phase is Phase.BROADCAST:
            self.transfer.advance()

    # --- broadcast

    def acknowledged(self, handler: LearnerHandler, zxid: int) -> None:
        if not handler.is_observer:
            # What was offered to this follower alone is in nobody else's history.
            self.broadcast.acknowledged(handler.sid, min(zxid, self.context.history.last_zxid))
            self._advance_transfer()

    def ping_answered(self, handler: LearnerHandler) -> None:
        self.broadcast.ping_answered(handler)

    def revalidate(self, handler: LearnerHandler, session_id: int, timeout: int) -> None:
        valid = self.context.replica.revalidate(handler, session_id, timeout)
        self.broadcast.answer_revalidation(handler, session_id, valid)

    # --- the role

    def persisted(self) -> None:
        """Our own disk is a server like others."""
        context = self.context
        if self.phase is Phase.DISCOVERY:
            if self._is_decided and not self._is_offered and context.epochs.accepted >= self.epoch:
                self._offer_epoch()
        elif self.phase in (Phase.SYNCHRONIZATION, Phase.BROADCAST):
            self.broadcast.acknowledged(context.my_id, context.log.persisted)
            is_new = context.my_id not in self._in_step
            if is_new and context.epochs.current == self.epoch:
                self._has_history(context.my_id)
            self._step_down_if_exhausted()
            self._advance_transfer()

    def tick(self) -> None:
        now = self.context.now_ms
        if self.phase is Phase.STOPPED or now < self.next_due:
            return
        if self.phase is Phase.RETIRING:
            self._go("time is up")
            return
        if now >= self._next_ping:
            self._excuse(now - self._next_ping)
            self._next_ping = now + self._half_tick
            self._half_tick_passed()
        self._advance_transfer()
        if self.phase in (Phase.DISCOVERY, Phase.SYNCHRONIZATION) and now > self._deadline:
            have = self._come if not self._is_decided else self._promised
            have = self._in_step if self.phase is Phase.SYNCHRONIZATION else have
            self.context.look(f"no quorum in {self.phase.value}, only servers {[*have]}")

    def stop(self) -> None:
        was_serving = self.phase is Phase.BROADCAST
        self.phase = Phase.STOPPED
        for handler in [*self.handlers]:
            handler.finish()
        if was_serving:
            self.context.replica.stop_serving()

    def _half_tick_passed(self) -> None:
        for handler in [*self.handlers]:
            complaint = handler.complaint()
            if complaint is not None:
                handler.close(complaint)
            else:
                handler.ping()
        self._snapshots.go_on()
        self._is_whole_tick = not self._is_whole_tick
        if self.phase is Phase.BROADCAST and not self._is_whole_tick:
            self._check_quorum()
        self._step_down_if_exhausted()

    def _check_quorum(self) -> None:
        """Step down if those that are with us are no quorum. Who is being synchronised is with us:
        it follows nobody else.
        """
        have = {self.context.my_id: None}
        have |= {each.sid: None for each in self.handlers if not each.is_observer}
        if not self.context.quorum.contains_quorum(have):
            have.pop(-1, None)
            self.context.look(f"only servers {[*have]} are left, no quorum")

    def _step_down_if_exhausted(self) -> None:
        if self.phase is Phase.BROADCAST and self.broadcast.is_exhausted:
            self.context.look(f"epoch {self.epoch} is used up: 0x{self.proposed:x} is proposed")

    def _excuse(self, late_ms: int) -> None:
        """A server that was suspended does not know what lies in its sockets: nobody was silent."""
        if late_ms > self._half_tick:
            self._deadline += late_ms
            for handler in self.handlers:
                handler.excuse(late_ms)

    def _set_deadline(self) -> None:
        settings = self.context.settings
        self._deadline = self.context.now_ms + settings.init_limit * settings.tick_ms
