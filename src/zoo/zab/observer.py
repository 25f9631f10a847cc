"""An observer: a learner that does not vote. It is told of transactions once they are committed.

It logs them like a follower, so that it needs only what it missed after a restart, but nobody
waits for its disk. Where followers feed observers (zoo.zab.observer_master) it goes to one of them,
and to the leader only if none takes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from struct import Struct

from zoo.errors import ProtocolViolation
from zoo.zab.learner import CONNECT_MS, Learner, LearnerContext
from zoo.zab.learner_runs import leading_entries
from zoo.zab.packets import Packet, PacketType

_LEADER = Struct(">q")
"""What stands before the transaction in INFORMANDACTIVATE: the leader that is wanted."""

PATIENCE_MS = CONNECT_MS // 2
"""For so long it asks the followers before it turns to the leader."""


class Observer(Learner):
    """INFORM is a proposal and its commit in one."""

    introduction = PacketType.OBSERVERINFO
    mode = "observer"

    def __init__(
        self,
        context: LearnerContext,
        leader_sid: int,
        masters: Sequence[int] = (),
        pause_ms: int = 0,
    ) -> None:
        """`masters`: followers that may be asked before the leader, in this order; the first is
        dialled after a pause.
        """
        self._masters = deque(masters)
        self._pause_ms = pause_ms
        self.fed_by = leader_sid
        """The server that we synchronise with: the leader, or a follower."""
        super().__init__(context, leader_sid)
        self._handlers[PacketType.INFORM] = self._inform
        self._handlers[PacketType.INFORMANDACTIVATE] = self._inform_and_activate

    def _dial(self) -> None:
        pause, self._pause_ms = self._pause_ms, 0
        if pause:
            self._began += pause
            self.next_due = self._began
        else:
            super()._dial()

    def _next_master(self) -> int:
        """One follower after the other, round and round: after an election they are in step a
        little later than the leader, which would else be left with all observers.
        """
        context, masters = self._context, self._masters
        is_early = context.now_ms - self._began <= PATIENCE_MS
        self.fed_by = masters[0] if masters and is_early else self.leader_sid
        masters.rotate(-1)
        context.wants_observer_master = self.fed_by != self.leader_sid
        return self.fed_by

    def _take_runs(self, data: bytes, pos: int) -> int:
        limit = self._context.settings.max_data
        first, entries, end = leading_entries(data, pos, PacketType.INFORM, limit)
        if not entries or first != self._context.log.appended + 1:
            return pos
        self._received.append_run(first, entries)
        self._received.commit_run(first, first + len(entries) - 1)
        return end

    def _inform(self, packet: Packet) -> None:
        self._take(packet, packet.data)

    def _inform_and_activate(self, packet: Packet) -> None:
        """A new configuration, applied as a transaction."""
        if packet.data is None or len(packet.data) <= _LEADER.size:
            raise ProtocolViolation("INFORMANDACTIVATE without a transaction")
        (leader,) = _LEADER.unpack_from(packet.data)
        entry = packet.data[_LEADER.size :]
        self._expect_in_sync(packet)
        goes = packet.zxid > self._received.committed and self._activate(packet.zxid, entry, leader)
        self._take(packet, entry)
        if goes:
            self._context.go_to(leader, "so says the new configuration")

    def _take(self, packet: Packet, entry: bytes | None) -> None:
        self._expect_in_sync(packet)
        if not entry:
            raise ProtocolViolation(f"INFORM 0x{packet.zxid:x} without a transaction")
        # An old leader proposes to observers too while it synchronises them, what it has
        # under way among it.
        if packet.zxid > self._context.log.appended:
            self._received.append(packet.zxid, entry)
        self._received.commit(packet.zxid)
