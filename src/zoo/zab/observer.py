"""An observer: a learner that does not vote. It is told of transactions once they are committed.

It logs them like a follower, so that it needs only what it missed after a restart, but nobody
waits for its disk.
"""

from __future__ import annotations

from zoo.errors import ProtocolViolation
from zoo.zab.learner import Learner, LearnerContext
from zoo.zab.learner_runs import leading_entries
from zoo.zab.packets import Packet, PacketType

_LEADER_SIZE = 8
"""Bytes before the transaction in INFORMANDACTIVATE: the leader that is suggested."""


class Observer(Learner):
    """INFORM is a proposal and its commit in one."""

    introduction = PacketType.OBSERVERINFO
    mode = "observer"

    def __init__(self, context: LearnerContext, leader_sid: int) -> None:
        super().__init__(context, leader_sid)
        self._handlers[PacketType.INFORM] = self._inform
        self._handlers[PacketType.INFORMANDACTIVATE] = self._inform_and_activate

    def _take_runs(self, data: bytes, pos: int) -> int:
        limit = self._context.settings.max_data
        first, entries, end = leading_entries(data, pos, PacketType.INFORM, limit)
        if not entries or first != self._context.log.appended + 1:
            return pos
        self._received.append_run(first, entries)
        self._received.commit_run(first, first + len(entries) - 1)
        return end

    def _inform(self, packet: Packet) -> None:
        self._take(packet, 0)

    def _inform_and_activate(self, packet: Packet) -> None:
        """A new configuration, applied as a transaction."""
        self._take(packet, _LEADER_SIZE)

    def _take(self, packet: Packet, start: int) -> None:
        self._expect_in_sync(packet)
        if packet.data is None or len(packet.data) <= start:
            raise ProtocolViolation(f"INFORM 0x{packet.zxid:x} without a transaction")
        # An old leader proposes to observers too while it synchronises them, what it has
        # under way among it.
        if packet.zxid > self._context.log.appended:
            self._received.append(packet.zxid, packet.data[start:])
        self._received.commit(packet.zxid)
