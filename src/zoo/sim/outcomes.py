"""The checker of write outcomes: each result or refusal is right for the state it was decided on.

Every write has a zxid, so the state before it is known exactly: all transactions below that zxid.
"""

from __future__ import annotations

from typing import Any

from zoo.errors import Code
from zoo.jute.client_records import Create2Response, CreateResponse, SetDataResponse
from zoo.jute.codec import Reader
from zoo.jute.multi import decode_reply
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.schema import decode
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient
from zoo.sim.history import CREATES, NodeState, is_session, parent_of

_ANYTIME = (
    *(Code.SESSIONEXPIRED, Code.SESSIONMOVED, Code.MARSHALLINGERROR, Code.INVALIDACL),
    *(Code.EPHEMERALONLOCALSESSION, Code.NOTREADONLY),
)


class Outcomes(Checker):
    """Success only where the rules allow it, each error only where its reason holds."""

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        if not OPERATIONS[request.op].is_write or request.op in (Op.closeSession, Op.reconfig):
            return
        if err in _ANYTIME:
            return
        if request.op == Op.multi:
            self._multi(client, request, zxid, body)
            return
        reason = self._reason(request, zxid)
        if err not in reason:
            self.violated(
                f"{client}: {request} at 0x{zxid:x} was answered with {err}, possible are {reason}"
            )
        if not err:
            self._reply(client, request, zxid, body)

    def _reason(self, request: Request, zxid: int) -> list[int]:
        """The codes that the state right before `zxid` admits."""
        record = request.record
        before = self.history.at(record.path, zxid - 1)
        parent = self.history.at(parent_of(record.path), zxid - 1)
        if request.op in CREATES:
            return self._create_reason(record, before, parent)
        codes: list[int] = []
        guard = parent if request.op == Op.delete else before
        if guard is not None and not guard.is_open:
            codes.append(Code.NOAUTH)
        if before is None:
            return [*codes, Code.NONODE]
        version = before.aversion if request.op == Op.setACL else before.version
        if record.version not in (-1, version):
            return [*codes, Code.BADVERSION]
        if request.op == Op.delete and before.children:
            return [*codes, Code.NOTEMPTY]
        return [*codes, 0]

    def _create_reason(
        self, record: Any, before: NodeState | None, parent: NodeState | None
    ) -> list[int]:
        if parent is None:
            return [Code.NONODE]
        codes: list[int] = [] if parent.is_open else [Code.NOAUTH]
        if before is not None and record.flags not in (2, 3, 6):
            return [*codes, Code.NODEEXISTS]
        if parent.owner and is_session(parent.owner):
            return [*codes, Code.NOCHILDRENFOREPHEMERALS]
        return [*codes, 0]

    def _reply(self, client: SimClient, request: Request, zxid: int, body: bytes) -> None:
        where = f"{client}: {request} at 0x{zxid:x}"
        path: bytes = request.record.path
        if request.op in CREATES:
            plain = request.op == Op.create
            reply: Any = decode(CreateResponse, body) if plain else decode(Create2Response, body)
            if request.record.flags in (2, 3, 6):
                parent = self.history.at(parent_of(path), zxid - 1)
                assert parent is not None
                path += b"%010d" % parent.creates
            if reply.path != path:
                self.violated(f"{where} made {reply.path!r}, not {path!r}")
        elif request.op in (Op.setData, Op.setACL):
            reply = decode(SetDataResponse, body)
        state = self.history.at(path, zxid)
        if request.op == Op.delete:
            if state is not None:
                self.violated(f"{where} left the znode where it was")
        elif state is None:
            self.violated(f"{where}: there is no znode")
        elif request.op != Op.create and reply.stat != state.stat:
            self.violated(f"{where} answers {reply.stat}, not {state.stat}")

    def _multi(self, client: SimClient, request: Request, zxid: int, body: bytes) -> None:
        results = decode_reply(Reader(body))
        where = f"{client}: multi #{request.xid} at 0x{zxid:x}"
        if len(results) != len(request.record):
            self.violated(f"{where}: {len(results)} results of {len(request.record)} operations")
        codes = [result.err for kind, result in results if kind is Op.error]
        parts = self.history.txns[zxid].record.txns
        failed = any(part.type == Op.error for part in parts)
        if failed != bool(codes):
            self.violated(f"{where}: answered {codes}, logged {parts}")
        if not codes:
            return
        bad = [code for code in codes if code not in (0, Code.RUNTIMEINCONSISTENCY)]
        rest = codes[codes.index(bad[0]) + 1 :] if bad else []
        if (
            len(codes) != len(results)
            or len(bad) != 1
            or any(code != Code.RUNTIMEINCONSISTENCY for code in rest)
        ):
            self.violated(f"{where}: one operation fails, the others are not done: {codes}")
