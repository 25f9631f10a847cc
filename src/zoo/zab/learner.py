"""A learner: what followers and observers have in common.

Theory of operation. A learner wants a link to its leader (CONNECTING; it dials again and again for
a while, since whoever was elected may not know it yet). Over it it promises to follow no older
epoch (DISCOVERY), takes over the leader's history (SYNCHRONIZATION, zoo.zab.learner_sync) and
serves clients from UPTODATE on (BROADCAST). What is said depends on the disk three times: ACKEPOCH
waits for the accepted epoch, the ACK of NEWLEADER for all that came before it and then for the
current epoch, an ACK of a proposal for the proposal.

Whatever ends the link ends the role: the peer looks for a leader again, with all that came until
then. Only when the disk cannot do what the leader asks for, or the leader was not ready yet, the
same leader is dialled again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import Enum
from struct import Struct
from typing import Protocol

from zoo.errors import ProtocolViolation
from zoo.jute.quorum_records import LearnerInfo
from zoo.jute.records import Id
from zoo.jute.schema import encode
from zoo.zab.configurations import (
    Configuration,
    carries_configuration,
    changes_part,
    configuration_in,
    parse_configuration,
)
from zoo.zab.learner_log import LearnerLog
from zoo.zab.learner_sync import StartOver, SyncContext, Synchronisation
from zoo.zab.link import PeerLink
from zoo.zab.packets import (
    EXACT_CUT,
    LEARNER_PROTOCOL,
    Packet,
    PacketType,
    bare,
    encode_packet,
    parse_packet,
    with_data,
)
from zoo.zab.request_runs import request_run
from zoo.zab.sync_plan import NO_HISTORY
from zoo.zxid import counter_of, epoch_of

log = logging.getLogger(__name__)

CONNECT_MS = 1000
"""For so long a learner dials a leader that does not take it."""
RETRY_MS = (0, 2, 5, 10, 20, 50)
"""Before the first, second, ... further attempt; the last one for all that follow."""

_INT = Struct(">i")
_TOUCH = Struct(">qi")
_VALID = Struct(">q?")
_REQUEST = Struct(">qii")
_ACTIVATE = Struct(">q")
_NO_ZXID = -1


class Phase(Enum):
    CONNECTING = "connecting"
    DISCOVERY = "discovery"
    SYNCHRONIZATION = "synchronization"
    BROADCAST = "broadcast"
    STOPPED = "stopped"


class LearnerContext(SyncContext, Protocol):
    """What a learner needs of the peer besides."""

    wanted_leader: int | None
    """Whose quorum port to dial, once; the peer is told what became of it (`leader_link`)."""
    wants_observer_master: bool
    """It is that server's observer master port that is to be dialled."""

    def established(self, epoch: int) -> None:
        """The role has begun to serve in this epoch."""


class Learner:
    """Follower and Observer say how they introduce themselves and what broadcast brings."""

    introduction: PacketType
    mode: str
    """What operators are told that this server is."""

    def __init__(self, context: LearnerContext, leader_sid: int) -> None:
        self._context = context
        self.leader_sid = leader_sid
        self.phase = Phase.CONNECTING
        self.epoch = -1
        self.new_config: Configuration | None = None
        """The one that NEWLEADER announced, where configurations may change."""
        self.next_due: int | None = None
        self._began = self._heard = context.now_ms
        self._attempts = 0
        self._link: PeerLink | None = None
        self._awaits_accepted = self._awaits_current = self._awaits_disk = False
        self._is_in_epoch = self._needs_snapshot = False
        self._received = LearnerLog(context)
        self._sync = Synchronisation(context, self._received)
        self._handlers: dict[int, Callable[[Packet], None]] = {
            PacketType.LEADERINFO: self._leader_info,
            PacketType.DIFF: self._diff,
            PacketType.TRUNC: self._trunc,
            PacketType.SNAP: self._snap,
            PacketType.NEWLEADER: self._new_leader,
            PacketType.UPTODATE: self._up_to_date,
            PacketType.PROPOSAL: self._proposal,
            PacketType.COMMIT: self._commit,
            PacketType.COMMITANDACTIVATE: self._commit_and_activate,
            PacketType.PING: self._ping,
            PacketType.SYNC: self._synced,
            PacketType.REVALIDATE: self._revalidated,
            PacketType.HANDOVER: self._handed_over,
            PacketType.MOVED: self._moved,
        }
        self._dial()

    # --- the way to the leader

    def leader_link(self, link: PeerLink | None) -> None:
        """What became of the dial."""
        if self.phase is not Phase.CONNECTING:
            if link is not None:
                link.close()
            return
        if link is None:
            self._retry("it cannot be reached")
            return
        self.phase = Phase.DISCOVERY
        self._heard = self._context.now_ms
        self._link = link
        link.owner = self
        info = LearnerInfo(self._context.my_id, LEARNER_PROTOCOL, self._context.config_version)
        zxid = self._context.epochs.accepted << 32
        self._send(with_data(self.introduction, zxid, encode(info) + EXACT_CUT))

    def _dial(self) -> None:
        self.next_due = None
        self._attempts += 1
        self._context.wanted_leader = self._next_master()

    def _next_master(self) -> int:
        """The server to dial next."""
        return self.leader_sid

    def _retry(self, reason: str) -> None:
        """The leader is not there, or not yet leading."""
        self.phase = Phase.CONNECTING
        now = self._context.now_ms
        if now - self._began > CONNECT_MS:
            self._context.look(f"server {self.leader_sid} does not take learners: {reason}")
            return
        self.next_due = now + RETRY_MS[min(self._attempts, len(RETRY_MS)) - 1]

    def _start_over(self, reason: str) -> None:
        """Synchronise anew, with the same leader."""
        log.warning("synchronising anew with server %d: %s", self.leader_sid, reason)
        self._drop_link()
        self.phase = Phase.CONNECTING
        self.epoch = -1
        self._began = self._context.now_ms
        self._attempts = 0
        self._awaits_disk = True
        self._start_over_when_idle()

    def _start_over_when_idle(self) -> None:
        """Nothing may be on its way to the disk when the log's end is presented."""
        context = self._context
        if self._awaits_disk and context.log.is_idle:
            self._awaits_disk = False
            self._received = LearnerLog(context)
            self._sync = Synchronisation(context, self._received)
            self._dial()

    def link_broken(self) -> None:
        """The link is gone, whoever ended it."""
        if self._link is None:
            return
        self._link = None
        if self.phase is Phase.DISCOVERY and self.epoch < 0:
            self._retry("it closed the link before it said anything")
        elif self.phase is not Phase.STOPPED:
            self._context.look(f"the link to the leader, server {self.leader_sid}, is broken")

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    # --- the role

    def tick(self) -> None:
        context = self._context
        if self.phase is Phase.CONNECTING:
            if self.next_due is not None and context.now_ms >= self.next_due:
                self._dial()
            elif context.now_ms - self._began > self._patience_ms():
                context.look(f"no connection to server {self.leader_sid}")
        elif context.now_ms - self._heard > self._patience_ms():
            context.look(f"nothing heard of the leader, server {self.leader_sid}, for too long")

    def _patience_ms(self) -> int:
        settings = self._context.settings
        is_serving = self.phase is Phase.BROADCAST
        return settings.tick_ms * (settings.sync_limit if is_serving else settings.init_limit)

    def persisted(self) -> None:
        context = self._context
        if self._awaits_accepted and context.log.epochs_are_durable:
            self._awaits_accepted = False
            # It has forgotten what it promised and acknowledged before: nobody may count on it.
            self._ack_epoch(-1 if context.lacks_history else context.epochs.current)
        if self._awaits_current and context.log.epochs_are_durable:
            self._awaits_current = False
            self._is_in_epoch = True
            self._send(bare(PacketType.ACK, self.epoch << 32))
        if self._is_in_epoch:
            self._acknowledge()
        self._start_over_when_idle()

    def stop(self) -> None:
        was_serving = self.phase is Phase.BROADCAST
        self.phase = Phase.STOPPED
        self._context.wanted_leader = None
        self._awaits_disk = False
        self.next_due = None
        self._drop_link()
        if was_serving:
            self._context.replica.stop_serving()

    # --- packets

    def link_received(self, data: bytes) -> bytes:
        """Handle the packets in `data`; returns the rest."""
        self._heard = self._context.now_ms
        try:
            return self._consume(data)
        except StartOver as again:
            self._needs_snapshot = again.needs_snapshot
            self._start_over(str(again))
        except ProtocolViolation as violation:
            self._context.look(f"server {self.leader_sid} broke the protocol: {violation}")
        return b""

    def _consume(self, data: bytes) -> bytes:
        link = self._link
        limit = self._context.settings.max_data
        handlers = self._handlers
        pos = 0
        while self._link is link:  # a packet may end the role
            if self._sync.is_raw:
                data, pos = self._sync.feed(data[pos:]), 0
                if self._sync.is_raw:
                    return data
            if self.phase is Phase.BROADCAST:
                pos = self._take_runs(data, pos)
            parsed = parse_packet(data, pos, limit)
            if parsed is None:
                return data[pos:]
            packet, pos = parsed
            handler = handlers.get(packet.type)
            if handler is None:
                raise ProtocolViolation(f"a packet of type {packet.type}")
            handler(packet)
        return b""

    def _send(self, data: bytes) -> None:
        if self._link is not None:
            self._link.send(data)

    def _expect(self, packet: Packet, phase: Phase) -> None:
        if self.phase is not phase:
            name = PacketType(packet.type).name
            raise ProtocolViolation(f"{name} in phase {self.phase.value}")

    # --- discovery

    def _leader_info(self, packet: Packet) -> None:
        self._expect(packet, Phase.DISCOVERY)
        if self._awaits_accepted or packet.data is None or len(packet.data) < _INT.size:
            raise ProtocolViolation("LEADERINFO without a version, or twice")
        context = self._context
        epoch = packet.zxid >> 32
        accepted = context.epochs.accepted
        if epoch < accepted:
            raise ProtocolViolation(f"epoch {epoch} of the leader is older than {accepted}")
        self.epoch = epoch
        if epoch == accepted:
            # Only where it is no promise: who hides its history from a leader that needs the
            # promise could help one to power that lacks what is committed.
            if self._needs_snapshot:
                self._sync.presented = NO_HISTORY
            self._ack_epoch(-1)  # promised before: it may not count as a promise again
        else:
            context.log.accept_epoch(epoch)
            self._awaits_accepted = True

    def _ack_epoch(self, current: int) -> None:
        self.phase = Phase.SYNCHRONIZATION
        self._send(with_data(PacketType.ACKEPOCH, self._sync.presented, _INT.pack(current)))

    # --- synchronisation

    def _diff(self, packet: Packet) -> None:
        self._expect(packet, Phase.SYNCHRONIZATION)
        self._sync.diff(packet.zxid)

    def _trunc(self, packet: Packet) -> None:
        self._expect(packet, Phase.SYNCHRONIZATION)
        self._sync.trunc(packet.zxid)

    def _snap(self, packet: Packet) -> None:
        self._expect(packet, Phase.SYNCHRONIZATION)
        self._sync.snap(packet.zxid)

    def _new_leader(self, packet: Packet) -> None:
        self._expect_in_sync(packet)
        if packet.zxid != self.epoch << 32 or self._awaits_current or self._is_in_epoch:
            raise ProtocolViolation(f"NEWLEADER with 0x{packet.zxid:x} in epoch {self.epoch}")
        known = self._context.configurations
        if known.is_enabled and packet.data:
            self.new_config = parse_configuration(packet.data)
            known.see(self.new_config)
        self._context.log.set_current_epoch(self.epoch)
        self._awaits_current = True
        self._received.begin_acks()

    def _up_to_date(self, packet: Packet) -> None:
        self._expect(packet, Phase.SYNCHRONIZATION)
        if not self._is_in_epoch:
            raise ProtocolViolation("UPTODATE before NEWLEADER is acknowledged")
        goes = self._begin_configuration()
        self.phase = Phase.BROADCAST
        self._received.serve()
        self._send(bare(PacketType.ACK, self.epoch << 32))
        self._context.established(self.epoch)
        self._context.replica.start_learning(self)
        if goes:
            self._context.look("the leader's configuration gives this server or it another part")

    def _expect_in_sync(self, packet: Packet) -> None:
        """A way of synchronisation is chosen, or it is over."""
        if self._sync.mode is None:
            raise ProtocolViolation(f"{PacketType(packet.type).name} before DIFF, TRUNC or SNAP")

    # --- broadcast, and synchronisation likewise

    def _proposal(self, packet: Packet) -> None:
        self._expect_in_sync(packet)
        if packet.data is None:
            raise ProtocolViolation(f"PROPOSAL 0x{packet.zxid:x} without a transaction")
        self._received.append(packet.zxid, packet.data)

    def _commit(self, packet: Packet) -> None:
        self._expect_in_sync(packet)
        self._received.commit(packet.zxid)

    def _commit_and_activate(self, packet: Packet) -> None:
        """A new configuration, applied as a transaction; the data names the leader it wants."""
        if packet.data is None or len(packet.data) < _ACTIVATE.size:
            raise ProtocolViolation("COMMITANDACTIVATE without a leader")
        self._expect_in_sync(packet)
        (leader,) = _ACTIVATE.unpack_from(packet.data)
        entry = self._received.next_commit(packet.zxid)
        goes = self._activate(packet.zxid, entry, leader)
        self._received.commit(packet.zxid)
        if goes:
            self._context.go_to(leader, "so says the new configuration")

    def _handed_over(self, packet: Packet) -> None:
        """The leader leaves in favour of another, and nothing that it has not committed is on its
        way: what it has not taken of our clients' requests it never will.
        """
        self._expect(packet, Phase.BROADCAST)
        if packet.data is None or len(packet.data) < _ACTIVATE.size:
            raise ProtocolViolation("HANDOVER without a leader")
        if packet.zxid != self._received.committed:
            raise ProtocolViolation(f"HANDOVER behind 0x{packet.zxid:x}, which is not the last")
        (leader,) = _ACTIVATE.unpack_from(packet.data)
        self._context.replica.keep_clients()
        self._context.look_for(leader, f"the leader hands over to server {leader}")

    def _moved(self, packet: Packet) -> None:
        self._context.replica.session_moved(packet.zxid)

    def _begin_configuration(self) -> bool:
        """UPTODATE makes the configuration that NEWLEADER announced hold; whether we must leave.

        A Java leader announces one, too, that it has proposed and not committed; that is to wait.
        One of an earlier epoch holds since the leader is established, though its transaction may
        be lost: it was noted ahead of it.
        """
        announced = self.new_config
        if announced is None:
            return False
        epoch, counter = epoch_of(announced.version), counter_of(announced.version)
        if epoch == self.epoch and counter and announced.version > self._received.committed:
            return False
        return self._make_hold(announced, None)

    def _activate(self, zxid: int, entry: bytes | None, leader: int) -> bool:
        """Go by the configuration that a committed transaction carries; whether we must leave."""
        if not self._context.configurations.is_enabled or entry is None:
            return False
        if not carries_configuration(entry):
            raise ProtocolViolation("COMMITANDACTIVATE of something else than a configuration")
        return self._make_hold(configuration_in(entry), leader)

    def _make_hold(self, new: Configuration, leader: int | None) -> bool:
        known, my_id = self._context.configurations, self._context.my_id
        old = known.committed
        if not known.activate(new):
            return leader is not None and leader != self.leader_sid
        log.info("the configuration of version 0x%x holds now", new.version)
        if my_id not in new.ensemble.servers:
            log.warning("this server is no member any more: it follows without a vote; stop it")
        return changes_part(old, new, my_id, self.leader_sid, leader)

    def _take_runs(self, data: bytes, pos: int) -> int:
        """Handle what can be handled many at a time; returns the position behind it."""
        return pos

    def _acknowledge(self) -> None:
        """Something has become durable."""

    def _ping(self, packet: Packet) -> None:
        # Before the ACK of NEWLEADER nothing else may be said; what is touched can wait.
        if self._is_in_epoch:
            touched = self._touched() if self.phase is Phase.BROADCAST else []
            data = b"".join(_TOUCH.pack(*each) for each in touched)
            self._send(encode_packet(Packet(PacketType.PING, packet.zxid, data, packet.auth)))

    def _touched(self) -> list[tuple[int, int]]:
        """(session id, timeout) of what the leader is to know is alive."""
        return self._context.replica.touched()

    def _synced(self, packet: Packet) -> None:
        self._expect(packet, Phase.BROADCAST)
        self._context.replica.synced()

    def _revalidated(self, packet: Packet) -> None:
        self._context.replica.revalidated(*self._validity(packet))

    def _validity(self, packet: Packet) -> tuple[int, bool]:
        """Of which session REVALIDATE speaks, and whether it lives."""
        self._expect(packet, Phase.BROADCAST)
        if packet.data is None or len(packet.data) < _VALID.size:
            raise ProtocolViolation("REVALIDATE without a session")
        session_id, is_valid = _VALID.unpack_from(packet.data)
        return session_id, is_valid

    # --- Learning, for the service

    def forward(
        self, session_id: int, cxid: int, op: int, payload: bytes, identities: Sequence[Id]
    ) -> None:
        """Send a client's write, createSession, closeSession or sync to the leader (REQUEST)."""
        assert self.phase is Phase.BROADCAST, f"a request in phase {self.phase.value}"
        data = _REQUEST.pack(session_id, cxid, op) + payload
        self._send(encode_packet(Packet(PacketType.REQUEST, _NO_ZXID, data, list(identities))))

    def forward_run(
        self, session_id: int, requests: Sequence[bytes], identities: Sequence[Id]
    ) -> None:
        """`forward` of several writes of one client, each as xid, operation and body."""
        assert self.phase is Phase.BROADCAST, f"requests in phase {self.phase.value}"
        self._send(request_run(session_id, requests, identities))

    def revalidate(self, session_id: int, timeout: int) -> None:
        """Ask the leader whether a session lives; `Replica.revalidated` brings the answer."""
        assert self.phase is Phase.BROADCAST, f"a session in phase {self.phase.value}"
        data = _TOUCH.pack(session_id, timeout)
        self._send(with_data(PacketType.REVALIDATE, _NO_ZXID, data))
