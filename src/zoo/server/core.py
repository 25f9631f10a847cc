"""The whole server, without input and output.

Theory of operation. Inputs are method calls: a connection receives bytes, `tick` tells the time,
`persisted` tells how far the log is durable. Outputs are what the driver fetches after each turn:
`ready()` (see zoo.zab.ready for the contract), `dirty` connections with something to send or to
close, and the snapshot to write. Nothing here reads a clock, draws a random number of its own or
touches a file, so one seed replays a server.

A write goes straight down: connection -> prep -> role (numbers it) -> ready() -> disk ->
persisted() -> commit -> reply. A read never leaves the connection's loop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from zoo.auth.registry import AuthRegistry
from zoo.config import Config
from zoo.persistence.snapshot import SnapshotEncoder, ZxidDigest
from zoo.pipeline.plain_creates import CREATE, CREATE2, PlainCreates
from zoo.pipeline.plain_sets import SET_DATA, PlainSets
from zoo.pipeline.plain_writes import SET_SIZE, PlainWrite, Take
from zoo.pipeline.prep import Order, Prep
from zoo.pipeline.proposal import OpenSession, Proposal
from zoo.pipeline.reads import Reads
from zoo.pipeline.reconfig import policy_of
from zoo.pipeline.replies import REPLY
from zoo.pipeline.writes import Writes
from zoo.server.access import Access
from zoo.server.connection import ClientConnection
from zoo.server.local_sessions import LocalSessions
from zoo.server.metrics import ServerMetrics
from zoo.server.reaper import Reaper
from zoo.server.snapshot_pace import SnapshotPace
from zoo.server.stats import ServerStats
from zoo.server.view import EnsembleFacts, ServerView
from zoo.server.writing import Deciding, NotServing, Writing
from zoo.session.ids import SessionIds
from zoo.session.tracker import Session, SessionTracker
from zoo.tree.acl import Acl, Identity
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.record import DIGEST_VERSION
from zoo.zab.ready import Ready
from zoo.zab.standalone import Standalone

if TYPE_CHECKING:
    from random import Random

log = logging.getLogger(__name__)

_SERVER_ID = 1  # what ZooKeeper puts into the session ids of a server without myid
DEFAULT_MAX_UNSENT = 1 << 20


class TooManyConnections(Exception):
    """A connection is refused; the text says which limit, its value and its key."""


class Log(Protocol):
    """The queue of work for the disk."""

    @property
    def waiting(self) -> int:
        """How many transactions the next Ready would have."""
        ...

    def roll_log(self) -> None:
        """Begin a new log file with the next Ready."""
        ...


class ServerCore:
    """One server, standalone as it is made. `now_ms` is monotonic, `wall_ms` Unix time."""

    view: ServerView

    def __init__(
        self,
        config: Config,
        tree: DataTree,
        sessions: SessionTracker,
        rng: Random,
        now_ms: int,
        wall_ms: int,
    ) -> None:
        self.config = config
        self.sessions = sessions
        self.rng = rng
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.session_clock = sessions.clock
        self.max_frame = config.jute_max_buffer
        self.max_unsent = DEFAULT_MAX_UNSENT
        self.outstanding_limit = config.global_outstanding_limit
        registry = AuthRegistry(
            super_digest=config.super_digest,
            digest_algorithm=config.digest_algorithm,
            digest_enabled=config.digest_auth_enabled,
        )
        self.registry = registry
        self.access = Access(registry, skip_acl=config.skip_acl)
        self.role = Standalone(tree.last_zxid)
        self.log: Log = self.role
        self.is_serving = True
        self.mode = "standalone"
        self.ensemble: Callable[[int], EnsembleFacts] | None = None
        self.writing: Writing = Deciding(self)
        self.local_sessions = LocalSessions(self)
        self.opens_local = False
        self._stand_on(tree, self.role)
        self.ids = SessionIds(_SERVER_ID, wall_ms)
        self.stats = ServerStats(now_ms, ServerMetrics())
        self._read_latency = self.stats.metrics.readlatency.small
        self.connections: dict[ClientConnection, None] = {}
        self.per_ip: dict[str, int] = {}
        self.attached: dict[int, ClientConnection] = {}
        self.dirty: list[ClientConnection] = []
        self.proposals: deque[Proposal | PlainWrite] = deque()
        self.outstanding = 0
        self.digest_log: deque[tuple[int, int]] = deque(maxlen=1024)
        self._throttled: dict[ClientConnection, None] = {}
        self._resuming: list[ClientConnection] = []
        self._settling: list[tuple[int, ClientConnection]] = []
        self._batch_began_ms = now_ms
        self._pace = SnapshotPace(config.snap_count, config.snap_size_limit_bytes, rng)

    def _stand_on(self, tree: DataTree, order: Order) -> None:
        """Make all that works on a tree for this one."""
        config = self.config
        self.tree = tree
        self.reads = Reads(tree, self.access)
        self.outstanding_view = Outstanding(tree)
        writes = Writes(
            self.outstanding_view,
            self.access,
            enforce_quota=config.enforce_quota,
            on_quota=lambda text: log.warning("quota exceeded: %s", text),
        )
        writes.close_session_txn = config.close_session_txn_enabled
        self.prep = Prep(writes, order)
        self.prep.wall_ms = self.wall_ms
        self.prep.policy = policy_of(config)
        sets = PlainSets(self.prep, self.max_frame)
        creates = PlainCreates(self.prep, self.max_frame)
        self.plain_preparation: dict[int, Take] = dict.fromkeys((CREATE, CREATE2), creates.take)
        self.plain_preparation[SET_DATA] = sets.take
        self.plain_writes: Mapping[int, Take] = self.plain_preparation
        self.reaper = Reaper(config, tree, self.outstanding_view.get)

    # --- a member of an ensemble serves while it has a role

    def serve(self, writing: Writing, order: Order | None) -> None:
        """Admit clients from now on; `order` numbers transactions where writing decides."""
        self.writing = writing
        self.is_serving = True
        self.plain_writes = writing.plain_writes
        # A learner proposes nothing: what its plain writes put here is only in the client's queue.
        self.proposals = deque() if writing.decides else deque(maxlen=0)
        if order is not None:
            self.prep.order = order
        self.sessions.restart_clocks(self.now_ms)
        self.session_clock = self.sessions.clock
        self.local_sessions.restart_clocks()

    def stop_serving(self) -> None:
        """Drop the clients, and forget what is prepared and not committed."""
        for proposal in self.proposals:
            if isinstance(proposal, OpenSession):
                self.sessions.remove(proposal.opens)
        for connection in self.connections:
            connection.waiting.clear()
            connection.close()
        self.proposals.clear()
        self.attached.clear()
        self.local_sessions.stay_local()
        self._throttled.clear()
        self._settling.clear()
        self.outstanding = 0
        self.outstanding_view.discard()
        self.writing = NotServing()
        self.plain_writes = {}
        self.is_serving = False

    def replace_state(self, tree: DataTree, sessions: Mapping[int, int]) -> None:
        """Go on with another tree and other sessions (id -> timeout). Nobody may be connected."""
        assert not self.is_serving
        self._stand_on(tree, self.role)
        self.plain_writes = {}
        self.sessions.load(sessions.items())
        self.digest_log.clear()

    # --- time

    def turn(self, now_ms: int, wall_ms: int) -> None:
        """A turn of the driver begins; to be called before it feeds any input."""
        self.now_ms = now_ms
        self.wall_ms = self.prep.wall_ms = wall_ms
        self.session_clock = self.sessions.advance(now_ms)
        if self.opens_local:
            self.local_sessions.advance(now_ms)

    def tick(self) -> None:
        """Now and then: expire sessions, reap containers, drop connections that never said who they
        are.
        """
        for connection in self._throttled:
            connection.session.seen = self.session_clock  # we do not listen: no fault of the client
        if self.opens_local and self.is_serving:
            self.local_sessions.expire()
        if self.writing.decides:
            self._expire()
            for path in self.reaper.due(self.now_ms, self.wall_ms):
                self.proposals.append(self.prep.delete_container(path))
        patience = self.config.sessionless_cnxn_timeout_ms
        for connection in list(self.connections):
            if (
                connection.handshake is not None
                and not connection.waiting
                and self.now_ms - connection.stats.established_ms > patience
                and not connection.closing
            ):
                log.info("closing %s: no session after %d ms", connection.peer, patience)
                self.stats.metrics.sessionless_connections_expired.value += 1
                connection.abort()

    def _expire(self) -> None:
        for session in self.sessions.expired(self.now_ms):
            log.info(
                "session 0x%x expired after %d ms of silence",
                session.id & (1 << 64) - 1,
                session.timeout,
            )
            self.stats.metrics.stale_sessions_expired.value += 1
            self.close_session(None, session.id, 0)

    # --- connections

    def connect(self, peer: str, ip: str) -> ClientConnection:
        """Admit a connection. Raises TooManyConnections."""
        config = self.config
        if config.max_cnxns and len(self.connections) >= config.max_cnxns:
            raise TooManyConnections(
                f"{len(self.connections)} connections are open: maxCnxns={config.max_cnxns}"
            )
        count = self.per_ip.get(ip, 0)
        if config.max_client_cnxns and count >= config.max_client_cnxns:
            raise TooManyConnections(
                f"{count} connections from {ip} are open: maxClientCnxns={config.max_client_cnxns}"
            )
        connection = ClientConnection(self, peer, ip)
        self.connections[connection] = None
        self.per_ip[ip] = count + 1
        return connection

    def forget(self, connection: ClientConnection) -> None:
        """The connection's socket is gone."""
        if self.connections.pop(connection, _GONE) is _GONE:
            return
        left = self.per_ip[connection.ip] - 1
        if left:
            self.per_ip[connection.ip] = left
        else:
            del self.per_ip[connection.ip]
        self._throttled.pop(connection, None)
        self.tree.watches.remove_watcher(connection)
        self.writing.forgotten(connection)
        if self.attached.get(connection.session_id) is connection:
            del self.attached[connection.session_id]

    def notify(self, watcher: Any, event: int, path: bytes, zxid: int, acl: Acl) -> None:
        """The tree tells of a change that `watcher` (a connection) watches."""
        watcher.notify(event, path, zxid, acl)

    def authenticate(
        self, scheme: str, token: bytes | None, connection: ClientConnection
    ) -> Iterable[Identity]:
        return self.registry.authenticate(scheme, token, connection.ip)

    # --- sessions

    def attach(self, connection: ClientConnection, session: Session) -> None:
        session.owner = connection
        connection.session = session
        connection.session_id = session.id
        self.attached[session.id] = connection

    def take_over(self, connection: ClientConnection, session: Session) -> None:
        """Serve a session that was taken up again on this connection and on no other."""
        previous = self.attached.get(session.id)
        if previous is not None:
            text = "session 0x%x moves from %s to %s"
            log.info(text, session.id & (1 << 64) - 1, previous.peer, connection.peer)
            previous.abort()
        self.attach(connection, session)

    def once_settled(self, connection: ClientConnection) -> None:
        """Establish a session that was taken up again, but not ahead of writes that it may have
        sent over its old connection: what it reads from now on must show them.
        """
        if self.proposals:
            self._settling.append((self.prep.order.proposed, connection))
        elif connection.handshake is not None:
            connection.handshake.established()

    def _establish_settled(self, committed: int) -> None:
        settled = [each for zxid, each in self._settling if zxid <= committed]
        self._settling = [each for each in self._settling if each[0] > committed]
        for connection in settled:
            if connection.handshake is not None and not connection.closing:
                connection.handshake.established()

    def close_session(self, origin: Any, session_id: int, cxid: int) -> Proposal:
        """Prepare the end of a session; its requests are refused from here on."""
        proposal = self.prep.close_session(origin, session_id, cxid)
        self.sessions.mark_closing(session_id)
        self.proposals.append(proposal)
        return proposal

    # --- writes

    @property
    def is_full(self) -> bool:
        return self.outstanding >= self.outstanding_limit

    def add_outstanding(self, connection: ClientConnection, proposal: Proposal) -> None:
        """One write more is under way; past the limit its sender is not read from any more."""
        connection.waiting.append(proposal)
        self.outstanding += 1
        if self.outstanding >= self.outstanding_limit:
            self.throttle(connection)

    def throttle(self, connection: ClientConnection) -> None:
        connection.pause()
        self._throttled[connection] = None
        self.stats.metrics.request_throttle_wait_count.value += 1

    def resume_later(self, connection: ClientConnection) -> None:
        """Let the connection go on with what it has received, once the present call is over."""
        self._resuming.append(connection)

    @property
    def undurable(self) -> int:
        """How many transactions wait for the next Ready."""
        return self.log.waiting

    def ready(self) -> Ready | None:
        """What to make durable next; see zoo.zab.ready for what the driver owes."""
        ready = self.role.ready()
        if ready is not None:
            self.note_logged(list(map(len, ready.entries)))
        return ready

    def note_logged(self, sizes: list[int]) -> None:
        """Transactions are on their way to the disk: they count towards the next snapshot."""
        self._batch_began_ms = self.now_ms
        self._pace.note_logged(len(sizes), sum(sizes))

    def persisted(self, zxid: int) -> None:
        """Everything up to `zxid` is durable: commit what that decides, and answer."""
        self.commit_to(self.role.on_persisted(zxid))

    def commit_to(self, committed: int) -> None:
        """Commit everything up to the zxid `committed` and answer it."""
        proposals, tree = self.proposals, self.tree
        commit_set, commit_create = tree.commit_set, tree.commit_create
        records = self.outstanding_view.records
        before, plain = len(proposals), 0
        while proposals and tree.last_zxid != committed:
            proposal = proposals.popleft()
            if type(proposal) is tuple:
                plain += 1
                if len(proposal) == SET_SIZE:
                    zxid, path, record, reply, origin, digest = proposal
                    commit_set(zxid, path, record)
                else:
                    zxid, path, record, reply, origin, digest, parent, parent_record = proposal
                    commit_create(zxid, path, record, parent, parent_record)
                    if records.get(parent) is parent_record:
                        del records[parent]
                if records.get(path) is record:
                    del records[path]
                tree.digest = digest
                origin.finish_plain(proposal, reply)
            else:
                zxid = self._commit(cast(Proposal, proposal))
            if not zxid & 127:
                self.digest_log.append((zxid, tree.digest))
        assert tree.last_zxid == committed, f"no proposal for 0x{committed:x}"
        self.stats.packets_sent += plain
        self.stats.record_updates(self.now_ms - self._batch_began_ms, before - len(proposals))
        if self._settling:
            self._establish_settled(committed)

    def _commit(self, proposal: Proposal) -> int:
        self.tree.commit(proposal.zxid, proposal.edits)
        self.outstanding_view.committed(proposal.edits)
        self.tree.digest = proposal.digest
        if proposal.closes:
            self.end_session(proposal.closes)
            connection = self.attached.get(proposal.closes)
            if connection is not None and connection is not proposal.origin:
                connection.close()
        if proposal.origin is not None:
            proposal.origin.finish(proposal)
        return proposal.zxid

    def go_on(self) -> None:
        """After inputs: resume the connections that may go on. To be called before `ready`."""
        if self._throttled and not self.is_full:  # whoever made room: a commit here, or a leader's
            throttled, self._throttled = self._throttled, {}
            self._resuming.extend(throttled)
        while self._resuming:
            connections, self._resuming = self._resuming, []
            for connection in connections:
                connection.try_resume()

    def end_session(self, session_id: int) -> None:
        """Its end has committed. It and its owner know each other: that cycle ends here."""
        session = self.sessions.remove(session_id)
        if session is not None:
            session.owner = None
        self.local_sessions.note_ended(session_id)

    def count_requests(
        self,
        connection: ClientConnection,
        count: int,
        answered: int,
        op: int,
        xid: int,
        body_size: int,
    ) -> None:
        """`count` requests of a connection arrived together, the last one (op, xid); `answered` of
        them have been already, as reads are, the last with a body of `body_size` bytes.
        """
        totals, stats = self.stats, connection.stats
        totals.packets_received += count
        stats.packets_received += count
        stats.last_opcode = op
        stats.last_cxid = xid
        stats.last_zxid = self.tree.last_zxid
        stats.last_response_ms = self.now_ms
        if answered:
            stats.packets_sent += answered
            totals.packets_sent += answered
            self._read_latency[0] += answered  # ms: within the turn
            size = REPLY.size + body_size
            if size != totals.last_response_size:  # a sample: the last of them
                totals.record_response_size(size)

    def note_read(self, size: int) -> None:
        """A read or ping was answered with a body of `size` bytes, the general way."""
        self._read_latency[0] += 1
        self.stats.record_response_size(REPLY.size + size)

    # --- snapshots

    def note_replayed(self, count: int) -> None:
        """Recovery replayed so many transactions: they count towards the next snapshot."""
        self._pace.note_logged(count, 0)

    def snapshot_due(self, rested: bool = True) -> bool:
        return self._pace.due(rested)

    def begin_snapshot(self) -> SnapshotEncoder:
        """A snapshot of the tree as it is now; drain its chunks while serving goes on. The log is
        rolled: later transactions have a file of their own. To be called between turns."""
        self._pace.begun()
        self.log.roll_log()
        return self.snapshot_encoder()

    def snapshot_encoder(self) -> SnapshotEncoder:
        """The tree and the sessions as they are now."""
        tree = self.tree
        digest = (
            ZxidDigest(tree.last_zxid, DIGEST_VERSION, tree.digest) if tree.digest_enabled else None
        )
        return SnapshotEncoder(
            dict(self.committed_sessions()),
            dict(tree.acl_table.items()),
            tree.begin_snapshot(),
            tree.last_zxid,
            digest,
        )

    def committed_sessions(self) -> Iterable[tuple[int, int]]:
        """Sessions as of the last committed transaction: not those whose creation is still
        outstanding.
        """
        opening = {p.opens for p in self.proposals if isinstance(p, OpenSession)}
        return ((sid, timeout) for sid, timeout in self.sessions.items() if sid not in opening)


_GONE: Any = object()
