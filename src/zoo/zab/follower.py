"""A follower: a learner that votes. Each proposal that its disk has is acknowledged, and counts.

It may have observers of its own (zoo.zab.observer_master). What they ask of the leader it asks for
them, and the answers, which come in the order of the questions, are for whoever asked. The leader
takes them all for one server: it cannot see that a session has moved among them. So what its old
server still sends is turned down here: the leader is asked for nothing but the refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from zoo.jute.operations import Op
from zoo.jute.records import Id
from zoo.zab.learner import Learner, LearnerContext, Phase
from zoo.zab.learner_handler import HandlerPhase, LearnerHandler
from zoo.zab.learner_runs import leading_commits, leading_entries
from zoo.zab.link import PeerLink
from zoo.zab.observer_master import ObserverMaster
from zoo.zab.packets import Packet, PacketType, bare, encode_packet

_SYNC, _REFUSAL = int(Op.sync), int(Op.error)
_NOT_OF_THE_SESSION = {_SYNC, int(Op.createSession), int(Op.closeSession)}
MAX_HOMES = 100_000
"""Sessions that have moved; the one that did so first is forgotten for one more."""


class Follower(Learner):
    """Acknowledges with one packet for each zxid, as a Java leader wants it, many in one send."""

    introduction = PacketType.FOLLOWERINFO
    mode = "follower"

    def __init__(self, context: LearnerContext, leader_sid: int) -> None:
        self._observers: ObserverMaster | None = None
        # Who has asked the leader for a sync, or (session id) after a session; None: this server.
        self._sync_askers: deque[LearnerHandler | None] = deque()
        self._session_askers: deque[tuple[int, int, LearnerHandler | None]] = deque()
        self._homes: dict[int, int] = {}  # sid of who took a session up last; 0: this server
        super().__init__(context, leader_sid)

    # --- broadcast

    def link_received(self, data: bytes) -> bytes:
        rest = super().link_received(data)
        if self._observers is not None:
            self._observers.committed()
        return rest

    def _take_runs(self, data: bytes, pos: int) -> int:
        limit = self._context.settings.max_data
        first, entries, pos = leading_entries(data, pos, PacketType.PROPOSAL, limit)
        if entries:
            self._received.append_run(first, entries)
        first, last, pos = leading_commits(data, pos)
        if first <= last:
            self._received.commit_run(first, last)
        return pos

    def _activate(self, zxid: int, entry: bytes | None, leader: int) -> bool:
        if self._observers is not None and entry is not None and self.phase is Phase.BROADCAST:
            self._observers.activates(zxid, entry, leader)
        return super()._activate(zxid, entry, leader)

    def _acknowledge(self) -> None:
        acks = self._received.take_acks()
        if acks:
            self._send(b"".join([bare(PacketType.ACK, zxid) for zxid in acks]))

    # --- observers

    @property
    def fed_observers(self) -> int:
        return 0 if self._observers is None else self._observers.in_step_count

    def observer_link(self, link: PeerLink) -> None:
        """An observer has connected. Before we are in step ourselves we have nothing for it."""
        if self.phase is not Phase.BROADCAST:
            link.close()
            return
        if self._observers is None:
            self._observers = ObserverMaster(self._context, self, self.epoch)
        self._observers.observer_link(link)

    def tick(self) -> None:
        if self._observers is not None:
            self._observers.tick()
        super().tick()

    def stop(self) -> None:
        if self._observers is not None:
            self._observers.stop()
        super().stop()

    def _touched(self) -> list[tuple[int, int]]:
        touched = super()._touched()
        return touched if self._observers is None else touched + self._observers.touched()

    # --- questions and answers

    def forward(
        self, session_id: int, cxid: int, op: int, payload: bytes, identities: Sequence[Id]
    ) -> None:
        if op == _SYNC:
            self._sync_askers.append(None)
        super().forward(session_id, cxid, op, payload, identities)

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
        if op == _SYNC:
            self._sync_askers.append(asker)
        if op not in _NOT_OF_THE_SESSION and self._homes.get(session_id, asker.sid) != asker.sid:
            op, payload = _REFUSAL, b""
        super().forward(session_id, cxid, op, payload, identities)

    def _moves(self, session_id: int, home: int) -> None:
        self._homes.pop(session_id, None)
        self._homes[session_id] = home
        if len(self._homes) > MAX_HOMES:
            del self._homes[next(iter(self._homes))]

    def revalidate(self, session_id: int, timeout: int) -> None:
        if self._observers is not None:
            self._moves(session_id, 0)
        self._session_askers.append((session_id, timeout, None))
        super().revalidate(session_id, timeout)

    def relay_revalidation(self, asker: LearnerHandler, session_id: int, timeout: int) -> None:
        """Ask the leader whether a session of an observer lives."""
        self._moves(session_id, asker.sid)
        self._session_askers.append((session_id, timeout, asker))
        super().revalidate(session_id, timeout)

    def _synced(self, packet: Packet) -> None:
        self._expect(packet, Phase.BROADCAST)
        asker = self._sync_askers.popleft() if self._sync_askers else None
        if asker is None:
            super()._synced(packet)
        else:
            self._answer(asker, packet)

    def _revalidated(self, packet: Packet) -> None:
        asked = self._session_askers
        session_id, is_valid = self._validity(packet)
        asker = None
        timeout = 0
        if asked and asked[0][0] == session_id:
            _, timeout, asker = asked.popleft()
        if asker is None:
            super()._revalidated(packet)
            return
        if is_valid:  # if its client was with us before, it has left
            self._context.replica.revalidate(asker, session_id, timeout)
        self._answer(asker, packet)

    def _answer(self, asker: LearnerHandler, packet: Packet) -> None:
        """What is committed by now goes ahead of the answer."""
        assert self._observers is not None
        self._observers.committed()
        if asker.phase is HandlerPhase.BROADCAST:
            asker.send(encode_packet(packet))
