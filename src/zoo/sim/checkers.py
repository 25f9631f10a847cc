"""The promises of the service, one small checker each. See checking.py for what they are told."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from zoo.errors import Code
from zoo.jute.client_records import (
    GetACLResponse,
    GetAllChildrenNumberResponse,
    GetChildren2Response,
    GetChildrenResponse,
    GetDataResponse,
    GetEphemeralsResponse,
)
from zoo.jute.codec import Reader
from zoo.jute.multi import decode_reply
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import Stat
from zoo.jute.schema import decode
from zoo.jute.txns import LoggedTxn
from zoo.server.core import ServerCore
from zoo.sim.checking import Checker, Stalls
from zoo.sim.client import Request, SimClient, State
from zoo.sim.history import History, NodeState, is_session
from zoo.sim.schedule import Schedule
from zoo.tree.record import data_of, stat_of
from zoo.zab.ready import Ready

_SILENT = (Op.auth, Op.sasl)  # their replies carry no zxid
_NO_TXN = (Code.MARSHALLINGERROR, Code.EPHEMERALONLOCALSESSION, Code.NOTREADONLY)


class Durability(Checker):
    """What a client was told is on the disk, and is there after every recovery."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self._seen = 0
        self._by = "nobody"

    def _tell(self, client: SimClient, zxid: int, what: str) -> None:
        if zxid > self.history.last_zxid:
            self.violated(
                f"{client} was told of 0x{zxid:x} ({what}), "
                f"the disk has 0x{self.history.last_zxid:x}"
            )
        if zxid > self._seen:
            self._seen, self._by = zxid, f"{client} by {what}"

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        self._tell(client, zxid, request.op.name)
        ends_own = request.op == Op.closeSession and client.session_id not in self.history.sessions
        if OPERATIONS[request.op].is_write and zxid > 0 and err not in _NO_TXN and not ends_own:
            header = self.history.txns[zxid].header
            if (header.client_id, header.cxid) != (client.session_id, request.xid):
                self.violated(f"{client} #{request.xid} was acknowledged as 0x{zxid:x}: {header}")

    def ponged(self, client: SimClient, zxid: int) -> None:
        self._tell(client, zxid, "ping")

    def notified(self, client: SimClient, zxid: int, event: Any) -> None:
        self._tell(client, zxid, "event")

    def recovered(self, core: ServerCore) -> None:
        last = core.tree.last_zxid
        if last > self.history.last_zxid:
            self.violated(
                f"recovered 0x{last:x}, only 0x{self.history.last_zxid:x} was ever logged"
            )
        if last < self._seen:
            self.violated(f"recovered 0x{last:x}, but {self._by} was told of 0x{self._seen:x}")


class Contiguity(Checker):
    """Each zxid is one more than the last; a Ready says truly what it holds."""

    _last = 0

    def handed(self, ready: Ready) -> None:
        if ready.first_zxid != self._last + 1:
            self.violated(f"0x{ready.first_zxid:x} is handed over after 0x{self._last:x}")
        if ready.last_zxid - ready.first_zxid + 1 != len(ready.entries):
            self.violated(f"{len(ready.entries)} entries from 0x{ready.first_zxid:x} on")
        self._last = ready.last_zxid

    def recovered(self, core: ServerCore) -> None:
        self._last = core.tree.last_zxid


class Origin(Checker):
    """Every logged write was sent by its session, as it is logged, and is logged once."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.sent_requests: dict[tuple[int, int], Request] = {}
        self._logged: dict[tuple[int, int], int] = {}

    def sent(self, client: SimClient, request: Request) -> None:
        self.sent_requests[client.session_id, request.xid] = request

    def logged(self, txn: LoggedTxn) -> None:
        header = txn.header
        if header.cxid == 0 or header.client_id == 0:
            if header.type not in (Op.createSession, Op.closeSession, Op.deleteContainer, Op.error):
                self.violated(f"nobody asked for {header}")
            return
        key = (header.client_id, header.cxid)
        request = self.sent_requests.get(key)
        if request is None:
            self.violated(f"nobody sent {header}")
        if key in self._logged:
            self.violated(f"{header} is logged twice, first as 0x{self._logged[key]:x}")
        self._logged[key] = header.zxid
        if header.type not in (request.op, Op.error):
            self.violated(f"{request} became {header}")
        path = getattr(request.record, "path", None)
        if header.type != Op.error and path is not None:
            made: bytes = txn.record.path
            if not made.startswith(path) or (made != path and not request.record.flags & 2):
                self.violated(f"{request} became a change of {made!r}")

    def lost(self, zxids: Sequence[int]) -> None:
        self._logged = {key: z for key, z in self._logged.items() if z not in set(zxids)}


class TreeEquality(Checker):
    """The server's tree, sessions and digest are what the log's transactions make."""

    def recovered(self, core: ServerCore) -> None:
        self.inspect(core)
        mismatches = core.stats.metrics.digest_mismatches_count.value
        if mismatches:
            self.violated(f"recovery found {mismatches} digests that do not fit")

    def finished(self, core: ServerCore) -> None:
        self.inspect(core)

    def logged(self, txn: LoggedTxn) -> None:
        zxid = txn.header.zxid
        if txn.digest is not None and txn.digest.tree_digest != self.history.digests[zxid]:
            self.violated(f"the digest logged with 0x{zxid:x} is not the tree's")

    def inspect(self, core: ServerCore) -> None:
        tree, history = core.tree, self.history
        if tree.last_zxid != history.last_zxid:
            self.violated(f"0x{tree.last_zxid:x} is applied, 0x{history.last_zxid:x} is logged")
        expected = history.tree()
        if tree.nodes.keys() != expected.keys():
            self.violated(f"nodes differ: {sorted(tree.nodes.keys() ^ expected.keys())[:5]}")
        for path, state in expected.items():
            self._compare(tree, path, state)
        if tree.digest != history.digests[history.last_zxid]:
            self.violated(f"the tree's digest is {tree.digest:x} at 0x{tree.last_zxid:x}")
        sessions = dict(core.committed_sessions())
        if sessions != history.live_sessions():
            self.violated(f"sessions {sessions} differ from {history.live_sessions()}")
        owned = {(o, p) for o, paths in tree.ephemerals.items() for p in paths}
        wanted = {(s.owner, p) for p, s in expected.items() if s.owner and is_session(s.owner)}
        if owned != wanted:
            self.violated(f"the index of ephemerals differs: {owned ^ wanted}")

    def _compare(self, tree: Any, path: bytes, state: NodeState) -> None:
        record = tree.nodes[path]
        stat = Stat(*stat_of(record))
        shown = state.stat._replace(ephemeral_owner=state.owner)
        if stat != shown or data_of(record) != state.data:
            self.violated(f"{path!r} is {stat} {data_of(record)!r}, not {shown} {state.data!r}")
        if tree.acl_of(path) != state.acl:
            self.violated(f"the ACL of {path!r} is {tree.acl_of(path)}, not {state.acl}")
        names = {kid[kid.rfind(b"/") + 1 :] for kid in tree.children.get(path, ())}
        if names != state.children:
            self.violated(f"children of {path!r}: {names ^ state.children}")


class Order(Checker):
    """A session's time never runs backwards: whatever it is told has a zxid not below the last."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self._last: dict[int, int] = {}

    def _step(self, client: SimClient, zxid: int) -> None:
        if zxid < self._last.get(client.session_id, 0):
            self.violated(f"{client} hears of 0x{zxid:x} after 0x{self._last[client.session_id]:x}")
        self._last[client.session_id] = zxid

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        if request.op not in _SILENT:
            self._step(client, zxid)

    def ponged(self, client: SimClient, zxid: int) -> None:
        self._step(client, zxid)

    def notified(self, client: SimClient, zxid: int, event: Any) -> None:
        if zxid != -1:
            self._step(client, zxid)


class Progress(Checker):
    """A connected client is answered, before long, whatever limits there are."""

    PATIENCE = 10_000_000

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self._asked: dict[SimClient, deque[int]] = {}
        self._stalls = Stalls()

    def stalled(self, duration_us: int) -> None:
        self._stalls.add(self.schedule.now, duration_us)

    def recovered(self, core: ServerCore) -> None:
        self._stalls.cut(self.schedule.now)

    def connected(self, client: SimClient, response: Any) -> None:
        self._asked[client] = deque()

    def disconnected(self, client: SimClient) -> None:
        self._asked.pop(client, None)

    def sent(self, client: SimClient, request: Request) -> None:
        self._asked[client].append(self.schedule.now)

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        self._asked[client].popleft()

    def inspect(self, core: ServerCore) -> None:
        now = self.schedule.now
        for client, asked in self._asked.items():
            if asked and now - asked[0] > self.PATIENCE and client.state is State.CONNECTED:
                waited = now - asked[0] - self._stalls.within(asked[0], now)[1]
                if waited > self.PATIENCE:
                    self.violated(f"{client} waits for an answer since {waited // 1000} ms")


class Reads(Checker):
    """A read answers with the state at the zxid in its header, exactly.

    With Order this is read-your-writes.
    """

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        if OPERATIONS[request.op].is_write or err == Code.SESSIONEXPIRED:
            return
        if request.op == Op.multiRead and not err:
            for (op, record), (kind, result) in zip(
                request.record, decode_reply(Reader(body)), strict=True
            ):
                code = result.err if kind is Op.error else 0
                self._check(client, op, record, zxid, code, result)
        elif request.op == Op.getEphemerals and not err:
            found = set(decode(GetEphemeralsResponse, body).ephemerals)
            paths = self.history.paths_at(zxid)
            wanted = {p for p, s in paths.items() if s.owner == client.session_id}
            if found != wanted:
                self.violated(f"{client}: getEphemerals at 0x{zxid:x}: {found ^ wanted}")
        elif request.op in _REPLIES:
            reply = None if err else decode(_REPLIES[request.op], body)
            self._check(client, request.op, request.record, zxid, err, reply)

    def _check(
        self, client: SimClient, op: Op, record: Any, zxid: int, err: int, reply: Any
    ) -> None:
        state = self.history.at(record.path, zxid)
        where = f"{client}: {op.name} {record.path!r} at 0x{zxid:x}"
        if err == Code.NONODE and state is None:
            return
        if err == Code.NOAUTH and state is not None and not state.is_open:
            return
        if err or state is None:
            self.violated(f"{where}: error {err}, the znode is {state}")
        if op in (Op.getData, Op.exists, Op.getChildren2, Op.getACL) and reply.stat != state.stat:
            self.violated(f"{where}: {reply.stat}, not {state.stat}")
        if op == Op.getData and reply.data != state.data:
            self.violated(f"{where}: {reply.data!r}, not {state.data!r}")
        if op in (Op.getChildren, Op.getChildren2) and set(reply.children) != state.children:
            self.violated(f"{where}: {reply.children}, not {state.children}")
        if op == Op.getACL and state.is_open and tuple(reply.acl) != state.acl:
            self.violated(f"{where}: {reply.acl}, not {state.acl}")
        if op == Op.getAllChildrenNumber:
            below = (record.path if record.path != b"/" else b"") + b"/"
            count = sum(p.startswith(below) for p in self.history.paths_at(zxid))
            if reply.total_number != count - (below == b"/"):
                self.violated(f"{where}: {reply.total_number}, not {count}")


_REPLIES: dict[Op, Any] = {
    Op.getData: GetDataResponse,
    Op.exists: OPERATIONS[Op.exists].reply,
    Op.getChildren: GetChildrenResponse,
    Op.getChildren2: GetChildren2Response,
    Op.getACL: GetACLResponse,
    Op.getAllChildrenNumber: GetAllChildrenNumberResponse,
}
