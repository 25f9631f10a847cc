"""One learner of ours, from its first packet on until the link breaks.

Theory of operation. A handler is the owner of a link and goes through the phases below, one step
per packet that it receives or per thing that it waits for. What concerns the whole ensemble (is the
epoch decided, has a quorum acknowledged) it asks and tells its `LearnerMaster`, the leader. What is
proposed from the moment on at which the learner's way of synchronisation was chosen goes to the
handler, too, and queues behind it (zoo.zab.learner_stream), so nothing is sent twice or left out.

Order on the link, as Java has it: LEADERINFO; DIFF, TRUNC or SNAP with its bytes; committed history
as PROPOSAL and COMMIT each; NEWLEADER; what is proposed but not committed; and UPTODATE once the
learner has acknowledged NEWLEADER and the leader is established.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from struct import Struct, iter_unpack
from typing import Any, Protocol

from zoo.errors import ProtocolViolation
from zoo.jute.records import Id
from zoo.zab.context import Context
from zoo.zab.learner_stream import LearnerStream
from zoo.zab.link import PeerLink
from zoo.zab.packet_runs import committed_proposals, leading_acks, proposals
from zoo.zab.packets import (
    EXACT_CUT,
    LEARNER_PROTOCOL,
    SNAPSHOT_END,
    Packet,
    PacketType,
    bare,
    parse_packet,
    with_data,
)
from zoo.zab.replica import SnapshotStream
from zoo.zab.request_runs import run_from
from zoo.zab.sync_plan import SyncPlan, plan_sync

log = logging.getLogger(__name__)

_INT = Struct(">i")
_LEARNER = Struct(">qi")  # server id, protocol version
_CONFIG_VERSION = Struct(">q")
_TOUCH = ">qi"
_SESSION = Struct(_TOUCH)
_REQUEST = Struct(">qii")
_NO_EPOCH = -1


class HandlerPhase(IntEnum):
    HELLO = 0
    """Nothing received yet."""
    EPOCH = 1
    """Has said who it is; waits for the new epoch."""
    PROMISE = 2
    """LEADERINFO is sent; ACKEPOCH is due."""
    READY = 3
    """Has promised; waits until a quorum has, or for its turn to be sent a snapshot."""
    SYNC = 4
    """Is being synchronised; the ACK of NEWLEADER is due."""
    IN_STEP = 5
    """Has acknowledged NEWLEADER; waits for the leader to be established."""
    BROADCAST = 6
    """UPTODATE is sent."""
    LEAVING = 7
    """Is to leave for another leader; what it still says does not matter."""
    CLOSED = 8


_PATIENT = (HandlerPhase.EPOCH, HandlerPhase.READY, HandlerPhase.IN_STEP, HandlerPhase.LEAVING)
"""Who waits for us may be silent."""


class Service(Protocol):
    """Who gets what a learner's clients ask for; see zoo.zab.replica."""

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None: ...

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None: ...

    def touch(self, session_id: int, timeout: int) -> None: ...


class LearnerMaster(Protocol):
    """What a handler wants of the leader, or of a follower that feeds observers."""

    context: Context
    epoch: int

    @property
    def service(self) -> Service: ...

    @property
    def history_end(self) -> int:
        """Up to where the history is what a learner must have before NEWLEADER."""
        ...

    @property
    def announced(self) -> bytes:
        """The configuration that NEWLEADER carries."""
        ...

    @property
    def proposed(self) -> int: ...

    @property
    def round(self) -> int:
        """To which a PING belongs that is sent now (zoo.zab.ping_rounds)."""
        ...

    def introduced(self, handler: LearnerHandler, accepted: int) -> None: ...

    def promised(self, handler: LearnerHandler, current: int) -> None: ...

    def is_too_much(self, plan: SyncPlan) -> bool:
        """Whether a snapshot is sent instead of all the history that the learner lacks."""
        ...

    def wants_snapshot(self, handler: LearnerHandler) -> None: ...

    def snapshot_ended(self) -> None: ...

    def forward(self, handler: LearnerHandler) -> None: ...

    def in_step(self, handler: LearnerHandler) -> None: ...

    def acknowledged(self, handler: LearnerHandler, zxid: int) -> None: ...

    def ping_answered(self, handler: LearnerHandler) -> None: ...

    def revalidate(self, handler: LearnerHandler, session_id: int, timeout: int) -> None: ...

    def gone(self, handler: LearnerHandler) -> None: ...


class LearnerHandler:
    """`sid` is the learner's server id, -1 before it has said it. `last_zxid` is that of its log
    when it came, `acked` the last one that it acknowledged.
    """

    def __init__(self, master: LearnerMaster, link: PeerLink) -> None:
        self.master = master
        self.link = link
        self.phase = HandlerPhase.HELLO
        self.sid = -1
        self.is_observer = False
        self.accepted_epoch = -1
        self.last_zxid = -1
        self.acked = 0
        self.heard_ms = master.context.now_ms
        self.answered_round = 0
        self._pings: deque[int] = deque()  # the rounds of those that are not answered
        self._has_begun = False  # it has acknowledged UPTODATE, and answers PINGs from then on
        self.is_ours = False
        """A Zoo, not an Apache ZooKeeper."""
        self.has_snapshot = False
        """A snapshot is being sent to it."""
        self._stream = LearnerStream(link)
        self._sync_end = 0  # the end of the history that NEWLEADER stands behind
        self._slow_zxid = 0  # a proposal that must be acknowledged within the sync limit
        self._slow_since = 0
        self._promised_ms = 0
        self._context = master.context
        self._max_unsent = master.context.settings.max_unsent
        self._max_data = master.context.settings.max_data
        self._expected: dict[HandlerPhase, dict[int, Callable[[Packet], None]]] = {
            HandlerPhase.HELLO: {
                PacketType.FOLLOWERINFO: self._introduction,
                PacketType.OBSERVERINFO: self._introduction,
            },
            HandlerPhase.PROMISE: {PacketType.ACKEPOCH: self._ack_epoch},
            HandlerPhase.SYNC: {PacketType.ACK: self._ack_in_sync, PacketType.PING: self._ping},
            HandlerPhase.IN_STEP: {PacketType.ACK: self._ack_in_sync, PacketType.PING: self._ping},
            HandlerPhase.BROADCAST: {
                PacketType.ACK: self._ack,
                PacketType.PING: self._ping,
                PacketType.REVALIDATE: self._revalidate,
            },
        }
        link.owner = self

    def __repr__(self) -> str:
        return f"LearnerHandler({self.sid}, {self.phase.name}, {self.link.peer})"

    @property
    def name(self) -> str:
        kind = "observer" if self.is_observer else "follower"
        return f"{kind} {self.sid}" if self.phase else self.link.peer

    # --- the link

    def link_received(self, data: bytes) -> bytes:
        """Handle the packets in `data`; returns the rest. Nonsense closes the link."""
        self.heard_ms = self._context.now_ms
        pos = 0
        try:
            if self._has_begun and self.phase is HandlerPhase.BROADCAST:
                pos, zxid = leading_acks(data)
                if pos:
                    self._acknowledged(zxid)
                    if pos == len(data):
                        return b""
            while self.phase < HandlerPhase.LEAVING:
                parsed = parse_packet(data, pos, self._max_data)
                if parsed is None:
                    return data[pos:]
                packet, end = parsed
                if packet.type == PacketType.REQUEST and self.phase is HandlerPhase.BROADCAST:
                    pos = self._requests(packet, data, pos, end)
                    continue
                pos = end
                handle = self._expected.get(self.phase, {}).get(packet.type)
                if handle is None:
                    raise ProtocolViolation(f"type {packet.type} in phase {self.phase.name}")
                handle(packet)
        except ProtocolViolation as violation:
            self.close(f"it broke the protocol: {violation}")
        return b""

    def link_broken(self) -> None:
        self._leave()

    def close(self, reason: str = "") -> None:
        """Send no more, not even what is queued."""
        if self.phase is not HandlerPhase.CLOSED:
            name = self.name
            self._leave()
            self.link.abort(f"{name}: {reason}" if reason else "")

    def finish(self) -> None:
        """The leader's role ends: what is on the link may still go out."""
        if self._stream.is_streaming:
            self.close()
        else:
            self._leave()
            self.link.close()

    def retire(self) -> None:
        """The leader retires: the learner has been told, and will go by itself."""
        if self.phase is HandlerPhase.BROADCAST:
            self.phase = HandlerPhase.LEAVING
        else:
            self.close("another server is to lead")

    def _leave(self) -> None:
        if self.phase is HandlerPhase.CLOSED:
            return
        was_sending, self.has_snapshot = self.has_snapshot, False
        self._stream.close()
        self.master.gone(self)
        self.phase = HandlerPhase.CLOSED
        if was_sending:
            self.master.snapshot_ended()

    def send(self, data: bytes) -> None:
        """Send behind all that was sent before. Who does not read is cut off."""
        stream, link = self._stream, self.link
        if stream.is_streaming:
            stream.send(data)
        else:
            link.send(data)
        if link.out_size + stream.queued > self._max_unsent:
            self.close(f"{stream.unsent} bytes wait for it, {self._max_unsent} are allowed")

    # --- discovery

    def _introduction(self, packet: Packet) -> None:
        data = packet.data or b""
        if len(data) < _LEARNER.size:
            raise ProtocolViolation("a learner that says neither its id nor its version")
        self.sid, version = _LEARNER.unpack_from(data)
        if version < LEARNER_PROTOCOL:
            raise ProtocolViolation(f"protocol version 0x{version:x} is that of ZooKeeper 3.3")
        if len(data) >= _LEARNER.size + _CONFIG_VERSION.size:
            (configuration,) = _CONFIG_VERSION.unpack_from(data, _LEARNER.size)
            if configuration > self._context.config_version:
                raise ProtocolViolation(f"it has a later configuration, 0x{configuration:x}")
        self.is_ours = data[_LEARNER.size + _CONFIG_VERSION.size :] == EXACT_CUT
        self.is_observer = packet.type == PacketType.OBSERVERINFO
        self.accepted_epoch = packet.zxid >> 32
        self.phase = HandlerPhase.EPOCH
        self.master.introduced(self, self.accepted_epoch)

    def offer_epoch(self) -> None:
        """The new epoch is decided and we have promised it ourselves."""
        self.phase = HandlerPhase.PROMISE
        version = _INT.pack(LEARNER_PROTOCOL)
        self.send(with_data(PacketType.LEADERINFO, self.master.epoch << 32, version))

    def _ack_epoch(self, packet: Packet) -> None:
        if packet.data is None or len(packet.data) < _INT.size:
            raise ProtocolViolation("ACKEPOCH without an epoch")
        (current,) = _INT.unpack_from(packet.data)
        self.last_zxid = packet.zxid
        self._promised_ms = self._context.now_ms
        self.phase = HandlerPhase.READY
        self.master.promised(self, current)

    # --- synchronisation

    def synchronise(self) -> None:
        """A quorum has promised: send what the learner lacks."""
        history, end = self._context.history, self.master.history_end
        plan = plan_sync(history, end, self.last_zxid, self.is_ours)
        if plan.kind is PacketType.SNAP or self.master.is_too_much(plan):
            self.master.wants_snapshot(self)
            return
        self._log_plan(plan)
        self._begin(plan, iter((bare(plan.kind, plan.zxid),)))

    def send_snapshot(self, snapshot: SnapshotStream) -> None:
        """It is the learner's turn."""
        self.has_snapshot = True
        plan = SyncPlan(PacketType.SNAP, snapshot.zxid, snapshot.zxid)
        self._log_plan(plan)
        self._begin(plan, _snapshot_packets(snapshot))

    def _log_plan(self, plan: SyncPlan) -> None:
        theirs, end = self.last_zxid, self.master.history_end
        kind = PacketType(plan.kind).name
        text = "%s for %s, whose last zxid is 0x%x: from 0x%x to 0x%x"
        log.info(text, kind, self.name, theirs, plan.after, end)

    def _begin(self, plan: SyncPlan, head: Iterator[bytes]) -> None:
        context, end = self._context, self.master.history_end
        announced = self.master.announced
        new_leader = with_data(PacketType.NEWLEADER, self.master.epoch << 32, announced)
        pieces = _sync_packets(head, context.history.runs(plan.after, end), new_leader)
        self.phase = HandlerPhase.SYNC
        self._sync_end = end
        self._stream.begin(pieces, self._made_progress, self._streamed)
        self.master.forward(self)
        if not self.is_observer:
            for first, entries in context.history.runs(end):
                self.send(proposals(first, entries))

    def _made_progress(self) -> None:
        self.heard_ms = self._context.now_ms

    def _streamed(self) -> None:
        self.heard_ms = self._context.now_ms
        if self.has_snapshot:
            self.has_snapshot = False
            self.master.snapshot_ended()

    def _ack_in_sync(self, packet: Packet) -> None:
        """The ACK of NEWLEADER. One of a proposal may come before UPTODATE, too."""
        zxid = packet.zxid
        if self._stream.is_streaming:
            raise ProtocolViolation(f"an ACK of 0x{zxid:x} before NEWLEADER was sent")
        if self.phase is HandlerPhase.SYNC and zxid == self.master.epoch << 32:
            self.phase = HandlerPhase.IN_STEP
            self.acked = max(self.acked, self._sync_end)
            self.master.in_step(self)
        else:
            self._acknowledged(zxid)

    def up_to_date(self) -> None:
        """The leader is established and the learner in step: it may serve."""
        self.phase = HandlerPhase.BROADCAST
        self.heard_ms = now = self._context.now_ms
        text = "%s is in step, %d bytes and %d ms after it promised to follow"
        log.info(text, self.name, self._stream.streamed, now - self._promised_ms)
        self.send(bare(PacketType.UPTODATE, -1))

    # --- broadcast

    def _ack(self, packet: Packet) -> None:
        if packet.zxid == self.master.epoch << 32:
            self._has_begun = True
        self._acknowledged(packet.zxid)

    def _acknowledged(self, zxid: int) -> None:
        if zxid > self.master.proposed:
            raise ProtocolViolation(f"an ACK of 0x{zxid:x}, which nobody has proposed")
        if zxid > max(self.acked, self.master.epoch << 32):  # counter 0: NEWLEADER or UPTODATE
            self.acked = zxid
            if self.phase >= HandlerPhase.IN_STEP:
                self.master.acknowledged(self, zxid)

    def _ping(self, packet: Packet) -> None:
        data = packet.data or b""
        if len(data) % _SESSION.size:
            raise ProtocolViolation(f"a PING with {len(data)} bytes of sessions")
        if self.phase is HandlerPhase.BROADCAST:
            touch = self.master.service.touch
            for session_id, timeout in iter_unpack(_TOUCH, data):
                touch(session_id, timeout)
        if self._has_begun and self._pings:
            self.answered_round = self._pings.popleft()
            self.master.ping_answered(self)

    def _revalidate(self, packet: Packet) -> None:
        if packet.data is None or len(packet.data) < _SESSION.size:
            raise ProtocolViolation("REVALIDATE without a session")
        self.master.revalidate(self, *_SESSION.unpack_from(packet.data))

    def _requests(self, packet: Packet, buf: bytes, begin: int, end: int) -> int:
        """A REQUEST, and those of the same client right behind it; returns where they end."""
        data = packet.data
        if data is None or len(data) < _REQUEST.size:
            raise ProtocolViolation("REQUEST without a header")
        session_id, cxid, op = _REQUEST.unpack_from(data)
        service, identities = self.master.service, packet.auth or ()
        frames, stop = run_from(buf, begin, len(data), end, self._max_data)
        if stop == end:
            service.request(self, session_id, cxid, op, data[_REQUEST.size :], identities)
        else:
            service.request_run(self, session_id, frames, identities)
        return stop

    # --- time

    @property
    def owes_answer(self) -> bool:
        return bool(self._pings)

    def ping(self) -> None:
        """Half a tick has passed, or it is to say that it follows."""
        if HandlerPhase.SYNC <= self.phase <= HandlerPhase.BROADCAST:
            if self.phase is HandlerPhase.BROADCAST:
                self._pings.append(self.master.round)
            self.send(bare(PacketType.PING, self.master.proposed))

    def complaint(self) -> str | None:
        """Why this learner must go: it has been silent, or a proposal unacknowledged, for so long.

        A learner in synchronisation has the initial limit for each step, one that serves the sync
        limit. While it waits for us it may be silent.
        """
        settings, now = self._context.settings, self._context.now_ms
        if self.phase in _PATIENT:
            return None
        serving = self.phase is HandlerPhase.BROADCAST
        limit = settings.tick_ms * (settings.sync_limit if serving else settings.init_limit)
        if now - self.heard_ms > limit:
            return f"nothing heard for {now - self.heard_ms} ms"
        if not serving or self.is_observer:
            return None
        if self.acked >= self._slow_zxid:
            self._slow_zxid, self._slow_since = self._context.history.last_zxid, now
        elif now - self._slow_since > limit:
            return f"0x{self._slow_zxid:x} not acknowledged for {now - self._slow_since} ms"
        return None

    def excuse(self, late_ms: int) -> None:
        """We ourselves stood still for so long."""
        self.heard_ms += late_ms
        self._slow_since += late_ms


def _snapshot_packets(snapshot: SnapshotStream) -> Iterator[bytes]:
    pieces = snapshot.pieces
    try:
        yield bare(PacketType.SNAP, snapshot.zxid)
        yield from pieces
        yield SNAPSHOT_END
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _sync_packets(
    head: Iterator[bytes], history: Iterator[tuple[int, list[bytes]]], new_leader: bytes
) -> Iterator[bytes]:
    try:
        yield from head
        for first, entries in history:
            yield committed_proposals(first, entries)
        yield new_leader
    finally:
        close = getattr(head, "close", None)
        if close is not None:
            close()
