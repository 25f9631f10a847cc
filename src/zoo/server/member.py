"""One server of an ensemble: the service above consensus.

Theory of operation. `Member` joins the core, which knows clients, tree and sessions, with the peer
(zoo.zab.peer), which elects, follows and leads: to the peer it is the `Replica`, to whoever drives
it the two are one server. The core serves while the peer has an established role, and admits no
client otherwise (four-letter words are answered always). The role decides what is done with writes
(zoo.server.writing): a leader prepares them here and proposes them through its `Leader`, a follower
or observer forwards them.

The tree is the committed prefix of the history. What was prepared and is not committed when a role
ends is forgotten here; it lives on in the history's tail, and the next leader decides about it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from struct import Struct
from typing import Any, Protocol

from zoo.errors import ProtocolViolation
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.records import Id
from zoo.persistence.snapshot_stream import StreamDecoder
from zoo.pipeline.proposal import Proposal
from zoo.server import remote
from zoo.server.connection import ClientConnection
from zoo.server.core import ServerCore
from zoo.server.four_letter_words import READ_ONLY_MODE
from zoo.server.handover import Handover
from zoo.server.holding import Holding
from zoo.server.learning import Forwarding, apply
from zoo.server.plain_delivery import deliver_plain
from zoo.server.view import EnsembleFacts, LeaderFacts
from zoo.server.writing import NotServing, ReadOnly, Writing
from zoo.session.ids import SessionIds
from zoo.tree.data_tree import DataTree
from zoo.zab.configurations import Configurations
from zoo.zab.context import Epochs
from zoo.zab.log_queue import LogQueue
from zoo.zab.quorum import QuorumVerifier
from zoo.zab.ready import Ready
from zoo.zab.replica import InstallTarget, Leading, Learning, SnapshotStream
from zoo.zab.vote import ServerState

log = logging.getLogger(__name__)

_SYNC = int(Op.sync)
READ_ONLY_AFTER_MS = 2000
_NO_SIZES = -1, -1, -1
_LAST_LONG = Struct(">q")  # of a transaction: the digest of the tree behind it
_ALL = (1 << 64) - 1
_DIGESTS_PER_LINE = 1000
_PARTED = (
    "this server's data have parted from the leader's: after zxid 0x%x the digest of its tree is "
    "0x%x, the leader's is 0x%x (%d times before). Reads here may be wrong. If the other members "
    "say nothing like this, stop this one, move version-2 of dataDir and dataLogDir away and start "
    "it: it fetches the leader's state"
)


class PeerOfMember(Protocol):
    """What a member needs of its peer."""

    log: LogQueue
    quorum: QuorumVerifier
    configurations: Configurations
    now_ms: int
    epochs: Epochs

    @property
    def state(self) -> ServerState: ...

    @property
    def zab_state(self) -> str: ...

    @property
    def learners(self) -> int: ...

    @property
    def fed_observers(self) -> int | None: ...

    @property
    def observer_master_id(self) -> int | None: ...

    @property
    def leader_id(self) -> int | None: ...

    def tick(self, now_ms: int) -> None: ...

    def ready(self) -> Ready | None: ...

    def persisted(self, ready: Ready) -> None: ...


class Member:
    """A server with number `my_id`. `configuration` is the ensemble's text, of that `version`.

    Whoever makes it makes its peer, with the member as replica, and calls `join` with it.
    """

    def __init__(
        self, core: ServerCore, my_id: int, configuration: bytes = b"", version: int = 0
    ) -> None:
        self.core = core
        self.my_id = my_id
        self._configuration = configuration, version
        self._leader: Leading | None = None
        self._led_since_ms = 0
        self._sizes = _NO_SIZES
        self._forwarding: Forwarding | None = None
        self.expects_digests = True
        """False after a snapshot that may be of Java's, until trees agree."""
        self._reads_only = False
        self._looking_since: int | None = None
        self._has_served = False
        self.handover = Handover(
            core, lambda: self.peer.epochs.current, lambda: self.peer.leader_id
        )
        core.ensemble = self.facts
        core.opens_local = core.config.local_sessions_enabled
        core.ids = SessionIds(my_id, core.wall_ms)
        core.stop_serving()
        self._show_configuration()

    def join(self, peer: PeerOfMember) -> None:
        self.peer = peer
        self.core.log = peer.log

    # --- for the driver: the core and the peer as one

    def turn(self, now_ms: int, wall_ms: int) -> None:
        """A turn begins; to be called before any input is fed."""
        self.core.turn(now_ms, wall_ms)
        self.peer.now_ms = now_ms

    def tick(self) -> None:
        self.core.tick()
        self.handover.tick()
        self.peer.tick(self.core.now_ms)
        if self.core.config.read_only_mode_enabled:
            self._consider_read_only()

    def _consider_read_only(self) -> None:
        """Who has looked for a leader in vain for a while serves reads meanwhile, once it has had
        one: of what a restarted server finds in its log the end may never have been agreed on.
        """
        core = self.core
        if self.peer.state is not ServerState.LOOKING or not self._has_served:
            self._looking_since = None
            self._end_read_only()
        elif self._looking_since is None:
            self._looking_since = core.now_ms
        elif not core.is_serving:
            patience = max(READ_ONLY_AFTER_MS, core.config.tick_time_ms)
            if core.now_ms - self._looking_since >= patience:
                log.info("no leader for %d ms: serving reads alone", patience)
                self._begin_read_only()

    def _begin_read_only(self) -> None:
        core = self.core
        core.opens_local = self._reads_only = True
        core.mode = READ_ONLY_MODE
        core.serve(ReadOnly(core), None)

    def _end_read_only(self) -> None:
        if self._reads_only:
            self._reads_only = False
            core = self.core
            refused = core.writing.refused if isinstance(core.writing, ReadOnly) else 0
            log.info("reads alone are served no more; %d clients wanted other things", refused)
            core.stop_serving()
            core.local_sessions.clear()
            core.opens_local = core.config.local_sessions_enabled

    def connect(self, peer: str, ip: str) -> ClientConnection:
        """Admit a client connection. Raises TooManyConnections."""
        return self.core.connect(peer, ip)

    def go_on(self) -> None:
        self.core.go_on()

    @property
    def dirty(self) -> list[ClientConnection]:
        """Client connections with something to send or to close; the peer has its own list."""
        return self.core.dirty

    @dirty.setter
    def dirty(self, connections: list[ClientConnection]) -> None:
        self.core.dirty = connections

    @property
    def undurable(self) -> int:
        return self.core.undurable

    def ready(self) -> Ready | None:
        """What to make durable next; see zoo.zab.ready for what the driver owes."""
        ready = self.peer.ready()
        if ready is not None:
            sizes = list(map(len, ready.entries))
            self.core.note_logged(sizes)
            if self._leader is not None and sizes:
                _, smallest, largest = self._sizes
                smallest = min(smallest, *sizes) if smallest >= 0 else min(sizes)
                self._sizes = sizes[-1], smallest, max(largest, *sizes)
        return ready

    def persisted(self, ready: Ready) -> None:
        self.peer.persisted(ready)

    def snapshot_due(self, rested: bool = True) -> bool:
        """Only committed state, and nothing that a leader may take back, goes into a snapshot."""
        core = self.core
        has_role = core.is_serving and not self._reads_only and not self.handover.is_parked
        return has_role and not core.tree.is_being_read and core.snapshot_due(rested)

    def replace_state(self, tree: DataTree, sessions: dict[int, int]) -> None:
        """Another state takes the place of this one: a leader's, or what the disk holds after the
        log was cut. `tree` tells of changes through `core.notify`.
        """
        self._end_read_only()
        self._drop_kept()
        assert not self.core.is_serving
        self.core.replace_state(tree, sessions)
        self._show_configuration()

    def configured(self, text: bytes, version: int) -> None:
        self._configuration = text, version
        self._show_configuration()

    def _show_configuration(self) -> None:
        """Put the configuration where getConfig reads it, as ZooKeeper does: outside of any
        transaction, so its Stat says version -1.
        """
        text, version = self._configuration
        if text:
            self.core.tree.configure(text, version, self.core.wall_ms)

    def facts(self, now_ms: int) -> EnsembleFacts:
        """What four-letter words and metrics tell of the ensemble."""
        peer, config, leader = self.peer, self.core.config, self._leader
        me = peer.configurations.committed.ensemble.servers.get(self.my_id)
        addresses = () if me is None else me.addresses
        conf = (
            ("initLimit", config.init_limit),
            ("syncLimit", config.sync_limit),
            ("electionAlg", 3),
            ("electionPort", "|".join(str(each.election_port) for each in addresses)),
            ("quorumPort", "|".join(str(each.quorum_port) for each in addresses)),
            ("peerType", int(self.my_id not in peer.quorum.voters)),
        )
        leads = None
        if leader is not None:
            leads = LeaderFacts(
                peer.learners,
                len(leader.followers),
                len(leader.observers),
                leader.pending_answers,
                now_ms - self._led_since_ms,
                *self._sizes,
            )
        state = f"{peer.state.name.lower()} - {peer.zab_state}"
        voters = len(peer.quorum.voters)
        text = self._configuration[0].decode()
        fed, feeder = peer.fed_observers, peer.observer_master_id
        port = None if me is None or me.client is None else me.client[1]
        return EnsembleFacts(self.my_id, state, voters, leads, conf, text, fed, feeder, port)

    # --- Replica: transactions

    @property
    def last_zxid(self) -> int:
        return self.core.tree.last_zxid

    def deliver(self, zxid: int, entry: bytes) -> None:
        if self._reads_only:
            self._end_read_only()
        plain = deliver_plain(self.core, entry)
        if plain is not None:
            assert plain[2] == zxid, f"0x{plain[2]:x} was delivered as 0x{zxid:x}"
            if not (plain[6] and self.expects_digests):
                self._check_digest(zxid, entry, plain[6])
            if self._forwarding is not None and plain[0] in self.core.attached:
                self._forwarding.applied_plain(plain)
            return
        try:
            done = apply(self.core, entry)
        except JuteError as error:
            raise AssertionError(f"transaction 0x{zxid:x} cannot be decoded: {error}") from error
        assert done.zxid == zxid, f"transaction 0x{done.zxid:x} was delivered as 0x{zxid:x}"
        if done.digest_ok is not None:
            self._check_digest(zxid, entry, done.digest_ok)
        if self._forwarding is not None:
            self._forwarding.applied(entry, done)

    def _check_digest(self, zxid: int, entry: bytes, agrees: bool) -> None:
        """Java's servers go on while they send a snapshot: then trees agree a little later.

        Like Java's we go on serving: the leader may be the one that is wrong, and a quorum that
        stops would help nobody. Hence the log says it loudly, and what to do.
        """
        if agrees:
            self.expects_digests = True
        elif self.expects_digests:
            count = self.core.stats.metrics.digest_mismatches_count
            if not count.value % _DIGESTS_PER_LINE:
                (leaders,) = _LAST_LONG.unpack_from(entry, len(entry) - _LAST_LONG.size)
                log.error(_PARTED, zxid, self.core.tree.digest & _ALL, leaders & _ALL, count.value)
            count.value += 1

    def commit_to(self, zxid: int) -> None:
        self.core.commit_to(zxid)

    # --- Replica: a role begins and ends

    def start_leading(self, leader: Leading) -> None:
        self._end_read_only()
        core = self.core
        self._leader = leader
        self._led_since_ms = core.now_ms
        self._sizes = _NO_SIZES
        kept = self._admit(self.handover.lead(leader), leader)
        core.prep.leader = leader
        core.mode = "leader"
        self.handover.resumed(kept)

    def start_learning(self, learner: Learning) -> None:
        self._end_read_only()
        core = self.core
        kept = self._admit(Forwarding(core, learner, lambda: self.peer.log.appended), None)
        core.mode = learner.mode
        self.handover.resumed(kept)

    def _admit(self, writing: Writing, leader: Leading | None) -> Holding | None:
        """Clients may come again. What those have asked for that were kept waits in the result."""
        core = self.core
        kept = self.handover.resume()
        self._forwarding = writing if isinstance(writing, Forwarding) else None
        sessions, refused = len(core.sessions), 0
        if isinstance(core.writing, NotServing):
            refused = core.writing.refused
        core.serve(writing, leader)
        self._has_served = True
        log.info(
            "serving from zxid 0x%x on, with %d sessions; %d connections were refused meanwhile",
            self.last_zxid,
            sessions,
            refused,
        )
        return kept

    def stop_serving(self) -> None:
        self._leader = self.core.prep.leader = None
        if not self.handover.park(self._forwarding):
            self._forwarding = None
            self.core.stop_serving()

    def _drop_kept(self) -> None:
        """What they have asked for could not be recognized any more."""
        self.handover.drop()
        self._forwarding = None

    # --- Replica: leadership is handed over

    def hold(self) -> None:
        self.handover.hold()

    def release(self, reason: str) -> None:
        self.handover.release(reason)

    def keep_clients(self) -> None:
        self.handover.keep()

    def empty_transaction(self, zxid: int) -> bytes:
        return self.core.prep.empty_transaction(zxid)

    def adopt(self, zxid: int, entry: bytes) -> None:
        core = self.core
        core.proposals.append(Proposal(zxid, (), b"", None, core.outstanding_view.digest))

    def session_moved(self, session_id: int) -> None:
        connection = self.core.attached.get(session_id)
        if connection is not None and connection.handshake is None:
            log.info("%s: its session is served by another server now", connection.peer)
            connection.close()

    # --- Replica: state as a whole

    def snapshot(self) -> SnapshotStream | None:
        core = self.core
        if core.tree.is_being_read:
            return None
        return SnapshotStream(core.tree.last_zxid, core.snapshot_encoder().stream())

    def begin_install(self, zxid: int) -> InstallTarget:
        return _Install(self, zxid)

    # --- Replica: what learners send to a leader

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        if self.handover.puts_aside(
            lambda: self.request(learner, session_id, cxid, op, payload, identities)
        ):
            return
        if op == _SYNC:
            assert self._leader is not None
            self._leader.sync(learner)
        else:
            remote.request(self.core, learner, session_id, cxid, op, payload, identities)

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        if self.handover.puts_aside(
            lambda: self.request_run(learner, session_id, frames, identities)
        ):
            return
        pos, end = 0, len(frames)
        while pos < end:
            stop = remote.take_run(self.core, learner, session_id, frames, pos, identities)
            if stop == pos:
                cxid, op, payload, stop = remote.request_at(frames, pos)
                self.request(learner, session_id, cxid, op, payload, identities)
            pos = stop

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        valid = remote.revalidate(self.core, learner, session_id, timeout)
        if valid and self._leader is not None:
            self._leader.tell_moved(session_id, learner)
        return valid

    def touch(self, session_id: int, timeout: int) -> None:
        remote.touch(self.core, session_id, timeout)

    def learner_gone(self, learner: Any) -> None:
        """Its sessions stay its own until their clients have turned up elsewhere."""

    # --- Replica: what a leader sends to learners

    def touched(self) -> list[tuple[int, int]]:
        return [] if self._forwarding is None else self._forwarding.touched()

    def revalidated(self, session_id: int, valid: bool) -> None:
        assert self._forwarding is not None
        self._forwarding.revalidated(session_id, valid)

    def synced(self) -> None:
        assert self._forwarding is not None
        self._forwarding.synced()


class _Install:
    """A state on its way from a leader (an InstallTarget)."""

    def __init__(self, member: Member, zxid: int) -> None:
        config = member.core.config
        self._member = member
        self._decoder = StreamDecoder(zxid)
        self._tree = DataTree(
            member.core.notify,
            digest=config.digest_enabled,
            extended_types=config.extended_types_enabled,
        )
        self._has_begun = False

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        decoder = self._decoder
        piece, rest = decoder.feed(data)
        if decoder.nodes:
            if not self._has_begun:
                self._has_begun = True
                self._tree.begin_restoring(decoder.acls.items())
            try:
                self._tree.restore_nodes(decoder.nodes)
            except ValueError as error:
                raise ProtocolViolation(f"what follows SNAP is no tree: {error}") from error
        return piece, rest

    def finish(self) -> None:
        try:
            self._tree.end_restoring(self._decoder.zxid)
        except ValueError as error:
            raise ProtocolViolation(f"what follows SNAP is no tree: {error}") from error
        self._member.replace_state(self._tree, self._decoder.sessions)
        self._member.expects_digests = False
