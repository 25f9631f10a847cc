"""A follower that has observers of its own, so that the leader need not feed all of them.

Theory of operation. An observer may be synchronised by any member that knows what is committed, and
then be told of commits by it: a follower's history up to the last commit is as good as the leader's
(observerMasterPort; Java calls this ObserverMaster). To the handler of such an observer
(zoo.zab.learner_handler) this is the master, and shorter than a leader: the epoch stands, nobody's
promise or acknowledgement counts, UPTODATE follows the ACK of NEWLEADER at once. Each run of
commits that the follower applies goes on as INFORMs, bytes shared by all.

The other way it relays. What an observer's clients write goes to the leader as if they were the
follower's own, over its one link, in order. Answers to syncs and revalidations come back over that
link in the order of the questions, so one queue of who asked tells whom they are for
(zoo.zab.follower). Sessions that an observer has heard of are reported with the follower's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Protocol

from zoo.errors import ProtocolViolation
from zoo.jute.records import Id
from zoo.zab.context import Context
from zoo.zab.learner_handler import HandlerPhase, LearnerHandler
from zoo.zab.link import PeerLink
from zoo.zab.packet_runs import proposals
from zoo.zab.packets import PacketType, with_data
from zoo.zab.request_runs import each_request
from zoo.zab.snapshot_turns import SnapshotTurns
from zoo.zab.sync_plan import SyncPlan

_LEADER = Struct(">q")
MAX_OBSERVERS = 1000
"""Links at a time."""


class Relay(Protocol):
    """The follower, as its observers use it."""

    def relay_request(
        self,
        asker: LearnerHandler,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        """Send a REQUEST of an observer's client to the leader."""
        ...

    def relay_revalidation(self, asker: LearnerHandler, session_id: int, timeout: int) -> None:
        """Ask the leader whether a session of an observer lives."""
        ...


class ObserverMaster:
    """What an observer's handler sees as its master; made when the follower begins to serve."""

    def __init__(self, context: Context, relay: Relay, epoch: int) -> None:
        self.context: Context = context
        self.epoch = epoch
        self.handlers: dict[LearnerHandler, None] = {}
        self.observers: tuple[LearnerHandler, ...] = ()
        """Those that get every commit."""
        self._relay = relay
        self._informed = context.history.unread = context.history.committed
        self._turns = SnapshotTurns(context.replica, self.handlers)
        self._touched: dict[int, int] = {}
        self._half_tick = max(1, context.settings.tick_ms // 2)
        self._next_ping = context.now_ms + self._half_tick

    def observer_link(self, link: PeerLink) -> None:
        """Somebody has connected to the observer master port."""
        if len(self.handlers) >= MAX_OBSERVERS:
            link.close("no more observers are taken")
            return
        self.handlers[LearnerHandler(self, link)] = None

    @property
    def in_step_count(self) -> int:
        return sum(each.phase is HandlerPhase.BROADCAST for each in self.handlers)

    # --- what the follower tells

    def committed(self) -> None:
        """More may be committed and applied: tell the observers."""
        history = self.context.history
        after, to = self._informed, history.committed
        if after == to:
            return
        self._informed = history.unread = to
        observers = self.observers  # who comes to be one in here has what was committed
        if observers:
            for first, entries in history.runs(after, to):
                data = proposals(first, entries, PacketType.INFORM)
                for observer in observers:
                    observer.send(data)

    def activates(self, zxid: int, entry: bytes, leader: int) -> None:
        """A change of the configuration is about to be applied: the next commit."""
        self.committed()
        self._informed = self.context.history.unread = zxid
        data = with_data(PacketType.INFORMANDACTIVATE, zxid, _LEADER.pack(leader) + entry)
        for observer in self.observers:
            observer.send(data)

    def touched(self) -> list[tuple[int, int]]:
        """(session id, timeout) of the observers' sessions heard of since the last call."""
        touched, self._touched = self._touched, {}
        return list(touched.items())

    def tick(self) -> None:
        now = self.context.now_ms
        if now < self._next_ping:
            return
        late = now - self._next_ping
        self._next_ping = now + self._half_tick
        for handler in [*self.handlers]:
            if late > self._half_tick:  # we stood still: what they said lies in the sockets
                handler.excuse(late)
            complaint = handler.complaint()
            if complaint is not None:
                handler.close(complaint)
            else:
                handler.ping()
        self._turns.go_on()

    def stop(self) -> None:
        self.context.history.unread = None
        for handler in [*self.handlers]:
            handler.finish()

    # --- what handlers tell and ask

    @property
    def history_end(self) -> int:
        return self.context.history.committed

    @property
    def round(self) -> int:
        return 0

    @property
    def announced(self) -> bytes:
        return self.context.configurations.committed.text

    @property
    def proposed(self) -> int:
        return max(self.epoch << 32, self.context.history.committed)

    def introduced(self, handler: LearnerHandler, accepted: int) -> None:
        if not handler.is_observer:
            raise ProtocolViolation("only observers are taken here: voters follow the leader")
        for other in [each for each in self.handlers if each.sid == handler.sid]:
            if other is not handler:
                other.close("it came again")
        handler.offer_epoch()

    def promised(self, handler: LearnerHandler, current: int) -> None:
        last = handler.last_zxid
        if last >> 32 == self.epoch and last > self.history_end:
            # It has applied what we have not heard to be committed, and must not be cut back.
            handler.close(f"it is ahead of us: zxid 0x{last:x}")
        else:
            handler.synchronise()

    def is_too_much(self, plan: SyncPlan) -> bool:
        context = self.context
        return context.history.size_behind(plan.after) > context.settings.max_missed

    def wants_snapshot(self, handler: LearnerHandler) -> None:
        self._turns.wants(handler)

    def snapshot_ended(self) -> None:
        self._turns.go_on()

    def forward(self, handler: LearnerHandler) -> None:
        assert self._informed == self.history_end, "an observer would be told of commits twice"
        self.observers = (*self.observers, handler)

    def in_step(self, handler: LearnerHandler) -> None:
        handler.up_to_date()

    def acknowledged(self, handler: LearnerHandler, zxid: int) -> None:
        """Nobody waits for an observer's disk."""

    def ping_answered(self, handler: LearnerHandler) -> None:
        """Nor is it asked whether it follows."""

    def revalidate(self, handler: LearnerHandler, session_id: int, timeout: int) -> None:
        self._relay.relay_revalidation(handler, session_id, timeout)

    def gone(self, handler: LearnerHandler) -> None:
        self.handlers.pop(handler, None)
        self._turns.gone(handler)
        self.observers = tuple(each for each in self.observers if each is not handler)

    # --- what handlers pass on (zoo.zab.learner_handler.Service)

    @property
    def service(self) -> ObserverMaster:
        return self

    def request(
        self,
        learner: LearnerHandler,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        self._relay.relay_request(learner, session_id, cxid, op, payload, identities)

    def request_run(
        self, learner: LearnerHandler, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        for cxid, op, payload in each_request(frames):
            self._relay.relay_request(learner, session_id, cxid, op, payload, identities)

    def touch(self, session_id: int, timeout: int) -> None:
        self._touched[session_id] = timeout
