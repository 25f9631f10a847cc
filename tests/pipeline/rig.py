"""The pipeline without a server around it: requests in, replies and log entries out."""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from zoo.auth.registry import AuthRegistry
from zoo.errors import KeeperError
from zoo.jute.codec import Reader
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.multi import decode_reply, encode_request
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import ACL, Id
from zoo.jute.schema import decode, encode
from zoo.jute.txns import LoggedTxn, decode_txn
from zoo.pipeline.prep import Prep
from zoo.pipeline.proposal import Proposal
from zoo.pipeline.reads import READS, Reads
from zoo.pipeline.writes import Writes
from zoo.server.access import Access
from zoo.session.tracker import Session
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.zab.standalone import Standalone

HEADER = Struct(">iiqi")
OPEN = list(OPEN_ACL_UNSAFE)
ADMIN_ONLY = [ACL(16, "world", "anyone")]
WALL = 1_700_000_000_000


class Requester:
    """A connection's part in the pipeline: its session, its identities, the events it is told."""

    def __init__(self, session_id: int = 0x51) -> None:
        self.session = Session(session_id, 10_000, 0)
        self.session.owner = self
        self.session_id = session_id
        self.identities: list[Id] = [Id("ip", "127.0.0.1")]
        self.events: list[tuple[int, bytes]] = []

    def notify(self, event: int, path: bytes, zxid: int, acl: Any) -> None:
        self.events.append((event, path))


class Answer(NamedTuple):
    """A reply taken apart, and the transaction behind it."""

    err: int
    zxid: int
    body: bytes
    txn: LoggedTxn

    def record(self, op: Op) -> Any:
        cls = OPERATIONS[op].reply
        assert cls is not None
        return decode(cls, self.body)

    def results(self) -> list[tuple[Op, Any]]:
        return decode_reply(Reader(self.body))


class Rig:
    """A tree with prep, reads and the standalone role over it."""

    def __init__(self, *, enforce_quota: bool = False, extended: bool = True) -> None:
        self.registry = AuthRegistry()
        self.access = Access(self.registry)
        self.tree = DataTree(self._notify, extended_types=extended)
        self.view = Outstanding(self.tree)
        self.warnings: list[str] = []
        self.writes = Writes(
            self.view,
            self.access,
            enforce_quota=enforce_quota,
            on_quota=self.warnings.append,
        )
        self.role = Standalone(self.tree.last_zxid)
        self.prep = Prep(self.writes, self.role)
        self.prep.wall_ms = WALL
        self.reads = Reads(self.tree, self.access)
        self.me = Requester()
        self.cxid = 0

    def _notify(self, watcher: Any, event: int, path: bytes, zxid: int, acl: Any) -> None:
        watcher.notify(event, path, zxid, acl)

    # --- writes

    def prepare(self, op: Op, record: Any, who: Requester | None = None) -> Proposal:
        self.cxid += 1
        payload = encode_request(record) if op == Op.multi else encode(record)
        return self.prep.prepare(who or self.me, self.cxid, op, payload)

    def commit(self, proposal: Proposal) -> Answer:
        """Make everything proposed so far durable, then commit this one, the next in order."""
        ready = self.role.ready()
        if ready is not None:
            self.entries = dict(
                zip(range(ready.first_zxid, ready.last_zxid + 1), ready.entries, strict=True)
            )
            self.role.on_persisted(ready.last_zxid)
        self.tree.commit(proposal.zxid, proposal.edits)
        self.view.committed(proposal.edits)
        self.tree.digest = proposal.digest
        entry = self.entries[proposal.zxid]
        txn = decode_txn(entry)
        if not proposal.reply:
            return Answer(0, proposal.zxid, b"", txn)
        length, _, zxid, err = HEADER.unpack_from(proposal.reply)
        assert length == len(proposal.reply) - 4
        return Answer(err, zxid, proposal.reply[HEADER.size :], txn)

    def do(self, op: Op, record: Any, who: Requester | None = None) -> Answer:
        return self.commit(self.prepare(op, record, who))

    # --- reads

    def read(self, op: Op, record: Any, who: Requester | None = None) -> Any:
        """The reply's record, or the error code as a plain int."""
        if op == Op.multiRead:
            payload = encode_request(record)
        else:
            payload = b"" if record is None else encode(record)
        try:
            body = READS[op](self.reads, who or self.me, payload)
        except KeeperError as refusal:
            return int(refusal.code)
        if op == Op.multiRead:
            return decode_reply(Reader(body))
        cls = OPERATIONS[op].reply
        return decode(cls, body) if cls is not None else body
