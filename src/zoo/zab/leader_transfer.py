"""Leadership is handed to a follower, while clients wait for milliseconds.

Theory of operation. The new leader is elected as ever; all that is done here is to make sure who
wins. CATCHING_UP: the target acknowledges what was proposed when the transfer began; writes go on.
HOLDING: nothing more is proposed, until the target has everything and everything is committed.
OFFERED: one more transaction, which changes nothing, is proposed to the target alone. When the
target has it on its disk, its history is the longest there is, so by the rules of every member,
Java's too, no other can win the next election. Then the leader leaves.

Nothing of this is more than a leader does that dies while it sends its last proposal, so election,
discovery and synchronisation make it as safe as that. What a Zoo is told besides (HANDOVER) lets it
expect the target and keep its clients; a Java server sees its leader go.

Up to the moment of leaving the leader can give up: the target has left or is too late. If the last
transaction was offered already, it is proposed to all the others, too, and the leader goes on.
"""

from __future__ import annotations

import logging
from enum import Enum
from struct import Struct
from typing import TYPE_CHECKING

from zoo.zab.learner_handler import HandlerPhase, LearnerHandler
from zoo.zab.packets import PacketType, with_data

if TYPE_CHECKING:
    from zoo.zab.leader import Leader

log = logging.getLogger(__name__)

HOLD_MS = 1000
"""However long the target may take to catch up, writes are held no longer than this."""

_TARGET = Struct(">q")


class Step(Enum):
    CATCHING_UP = "has not caught up"
    HOLDING = "has not acknowledged the last write"
    OFFERED = "has not acknowledged that it is to lead"


def objection(leader: Leader, target: int) -> str | None:
    """Why this server cannot be made leader, if it cannot."""
    context = leader.context
    if not leader.is_established:
        return "this server does not lead"
    if target == context.my_id:
        return f"server {target} is the leader"
    if leader.transfer is not None:
        return f"a transfer to server {leader.transfer.target} is under way"
    if context.configurations.is_changing:
        return "a change of the configuration is under way"
    if target not in context.quorum.voters:
        return f"server {target} is no voting member"
    if not context.quorum.weight(target):
        return f"server {target} has no weight, so it cannot lead"
    if _follower(leader, target) is None:
        return f"server {target} is not connected and in step"
    return None


def _follower(leader: Leader, sid: int) -> LearnerHandler | None:
    for handler in leader.handlers:
        if handler.sid == sid and handler.phase is HandlerPhase.BROADCAST:
            return None if handler.is_observer else handler
    return None


class Transfer:
    """A transfer that nothing speaks against; `advance` is called whenever something has happened.
    `offered` is the zxid of the transaction that the target alone was sent, 0 before that.
    """

    def __init__(self, leader: Leader, target: int, timeout_ms: int) -> None:
        handler = _follower(leader, target)
        assert handler is not None, f"server {target} is not in step"
        context = leader.context
        self.target = target
        self.step = Step.CATCHING_UP
        self.offered = 0
        self._awaited = context.history.last_zxid
        self.next_due = context.now_ms + timeout_ms
        self._began = context.now_ms
        self._leader = leader
        self._handler = handler
        self._entry = b""
        log.info("leadership is to go to server %d", target)

    def advance(self) -> None:
        leader = self._leader
        if self._handler not in leader.handlers:
            self._give_up(f"server {self.target} has left")
        elif self.target not in leader.context.quorum.voters:
            self._give_up(f"server {self.target} votes no more")
        elif leader.context.now_ms >= self.next_due:
            waited = leader.context.now_ms - self._began
            self._give_up(f"server {self.target} {self.step.value} after {waited} ms")
        else:
            self._go_on()

    def _go_on(self) -> None:
        leader, acked = self._leader, self._handler.acked
        replica, history = leader.context.replica, leader.context.history
        if self.step is Step.CATCHING_UP and acked >= self._awaited:
            self.step = Step.HOLDING
            self.next_due = min(self.next_due, leader.context.now_ms + HOLD_MS)
            replica.hold()
        if self.step is Step.HOLDING and acked >= history.last_zxid == history.committed:
            self.step = Step.OFFERED
            self._entry = replica.empty_transaction(leader.broadcast.next_zxid())
            self.offered = leader.broadcast.offer(self._handler, self._entry)
        if self.step is Step.OFFERED and acked >= self.offered:
            self._leave()

    def _leave(self) -> None:
        leader = self._leader
        committed = leader.context.history.committed
        told = with_data(PacketType.HANDOVER, committed, _TARGET.pack(self.target))
        for handler in [*leader.handlers]:
            if handler.is_ours and handler.phase is HandlerPhase.BROADCAST:
                handler.send(told)
        leader.context.replica.keep_clients()
        leader.context.look_for(self.target, f"leadership is handed over to server {self.target}")

    def _give_up(self, reason: str) -> None:
        log.warning("the transfer is given up, this server goes on leading: %s", reason)
        leader, handler = self._leader, self._handler
        leader.transfer = None
        if self.offered:
            leader.context.replica.adopt(self.offered, self._entry)
            leader.broadcast.complete(self._entry, handler)
            if handler in leader.handlers:
                leader.acknowledged(handler, handler.acked)
        leader.context.replica.release(reason)
