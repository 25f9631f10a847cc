"""From a write request to a transaction.

Theory of operation. Preparation checks a request against the newest state, prepared changes
included, and turns it into a `Proposal`: the serialized transaction for the log, the edits to
commit, the reply. It happens in the order of arrival, one request at a time, and every request that
can be decoded takes a zxid, refused ones too: their transaction is an ErrorTxn. (ZooKeeper does so,
and clients see the zxid of the refusal.)

A transaction on disk and on the wire: header (session, cxid, zxid, wall-clock time, type), the
type's body, and, unless the request was refused, the digest that the tree has afterwards.

writes.py holds what the operations check and do; this module feeds it from the wire, a lone
request's bytes or the parts of a multi.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from struct import Struct
from typing import Any, Protocol

from zoo.errors import Code, KeeperError
from zoo.jute.client_records import (
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    ReconfigRequest,
    SetACLRequest,
    SetDataRequest,
)
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import Txn
from zoo.pipeline.multi import ERROR_BODY, MULTI_END, MULTI_HEADER, parse_multi
from zoo.pipeline.proposal import CloseSession, OpenSession, Proposal
from zoo.pipeline.reconfig import Policy, Reconfigurable, next_configuration
from zoo.pipeline.replies import reply_frame
from zoo.pipeline.writes import Done, Requester, Writes
from zoo.tree.acl import OPEN_ACL_BYTES
from zoo.tree.record import DIGEST_VERSION, LENGTH, NULL_BLOB

log = logging.getLogger(__name__)

TXN_HEADER = Struct(">qiqqi")  # session, cxid, zxid, time in ms, type
TXN_DIGEST = Struct(">iq")  # version, value

pack_txn_header = TXN_HEADER.pack
_CREATE = int(Op.create)


class Order(Protocol):
    """Who numbers transactions and brings them to the disks: a role of zab."""

    def next_zxid(self) -> int: ...

    def propose(self, zxid: int, entry: bytes) -> None: ...

    @property
    def proposed(self) -> int: ...

    def propose_run(self, first: int, entries: list[bytes]) -> None: ...


def blob(data: bytes | None) -> bytes:
    """Data with its length in front."""
    return NULL_BLOB if data is None else LENGTH.pack(len(data)) + data


class Prep:
    """Turns write requests into proposals. `wall_ms` is the time that Stats
    show.
    """

    def __init__(self, writes: Writes, order: Order) -> None:
        self.writes = writes
        self.order = order
        self.view = writes.view
        self.tree = writes.view.tree
        self.wall_ms = 0
        self.policy = Policy()
        self.leader: Reconfigurable | None = None
        """Who orders changes of the configuration, too; only where there is an ensemble."""

    def prepare(self, origin: Requester, cxid: int, op: int, payload: bytes) -> Proposal:
        """Prepare a client's write. Raises JuteError where a lone request cannot be decoded: no
        zxid is spent.
        """
        operation = _DECODE.get(op)
        if operation is None:
            return _WHOLE[op](self, origin, cxid, payload)
        zxid = self.order.next_zxid()
        if payload.startswith(NULL_BLOB):
            # The path, first in all of them, is null: decodable, but no path. This takes a zxid.
            return self._refuse(origin, cxid, zxid, Code.MARSHALLINGERROR)
        try:
            done = operation(self, origin, zxid, payload)
        except KeeperError as refusal:
            return self._refuse(origin, cxid, zxid, refusal.code)
        return self._propose(origin, cxid, zxid, done)

    # --- lone requests

    def _set_data(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        request = decode(SetDataRequest, payload)
        return self.writes.set_data(
            origin, zxid, self.wall_ms, request.path, blob(request.data), request.version
        )

    def _create(self, origin: Requester, zxid: int, payload: bytes, op: int = _CREATE) -> Done:
        size = len(payload)
        if size >= 16:
            at = 4 + LENGTH.unpack_from(payload)[0]
            if 4 <= at <= size - 12:
                length = LENGTH.unpack_from(payload, at)[0]
                acl_at = at + 4 + length
                if length >= 0 and payload[acl_at:-4] == OPEN_ACL_BYTES:
                    flags = LENGTH.unpack_from(payload, size - 4)[0]
                    path, data = payload[4:at], payload[at:acl_at]
                    return self.writes.create(
                        origin, zxid, self.wall_ms, op, path, data, None, flags, -1
                    )
        request = decode(CreateRequest, payload)
        return self.writes.create(
            origin,
            zxid,
            self.wall_ms,
            op,
            request.path,
            blob(request.data),
            request.acl,
            request.flags,
            -1,
        )

    def _create2(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        return self._create(origin, zxid, payload, Op.create2)

    def _create_container(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        return self._create(origin, zxid, payload, Op.createContainer)

    def _create_ttl(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        r = decode(CreateTTLRequest, payload)
        return self.writes.create(
            origin, zxid, self.wall_ms, Op.createTTL, r.path, blob(r.data), r.acl, r.flags, r.ttl
        )

    def _delete(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        request = decode(DeleteRequest, payload)
        return self.writes.delete(origin, zxid, request.path, request.version)

    def _set_acl(self, origin: Requester, zxid: int, payload: bytes) -> Done:
        request = decode(SetACLRequest, payload)
        return self.writes.set_acl(origin, zxid, request.path, request.acl, request.version)

    def _reconfig(self, origin: Requester, cxid: int, payload: bytes) -> Proposal:
        request = decode(ReconfigRequest, payload)  # whoever sends rubbish is told that first
        zxid = self.order.next_zxid()
        leader, policy, writes = self.leader, self.policy, self.writes
        try:
            if not policy.is_enabled:
                raise KeeperError(Code.RECONFIGDISABLED)
            writes.check_session(origin)
            if leader is None:
                raise KeeperError(Code.UNIMPLEMENTED)
            new = next_configuration(leader, policy, request, zxid)
            done = writes.reconfigure(origin, zxid, self.wall_ms, new.text)
        except KeeperError as refusal:
            return self._refuse(origin, cxid, zxid, refusal.code)
        log.info("reconfig by session 0x%x: %s", origin.session_id, new.text.decode().split())
        entry, digest = self._entry(origin.session_id, cxid, zxid, done.type, done.body)
        leader.propose_configuration(zxid, entry, new)
        reply = reply_frame(cxid, zxid, 0, done.reply)
        return Proposal(zxid, done.edits, reply, origin, digest)

    # --- multi

    def _multi(self, origin: Requester, cxid: int, payload: bytes) -> Proposal:
        zxid = self.order.next_zxid()
        try:
            parts = parse_multi(payload)
        except JuteError:
            return self._refuse(origin, cxid, zxid, Code.MARSHALLINGERROR)
        view = self.view
        view.begin()
        dones: list[Done] = []
        for op, request in parts:
            try:
                dones.append(self._part(origin, zxid, op, request))
            except KeeperError as refusal:
                view.rollback()
                return self._failed_multi(origin, cxid, zxid, len(parts), dones, refusal.code)
        view.keep()
        edits = tuple(edit for done in dones for edit in done.edits)
        results = [
            part
            for (op, _), done in zip(parts, dones, strict=True)
            for part in (
                MULTI_HEADER.pack(_RESULT_TYPE.get(done.type, done.type), False, 0),
                done.reply,
            )
        ]
        body = b"".join((*results, MULTI_END))
        txn = _multi_txn([(done.type, done.body) for done in dones])
        whole = Done(Op.multi, txn, edits, body)
        return self._propose(origin, cxid, zxid, whole)

    def _part(self, origin: Requester, zxid: int, op: int, request: Any) -> Done:
        writes, wall = self.writes, self.wall_ms
        if op == Op.setData:
            return writes.set_data(
                origin, zxid, wall, request.path, blob(request.data), request.version
            )
        if op == Op.delete:
            return writes.delete(origin, zxid, request.path, request.version)
        if op == Op.check:
            return writes.check(origin, request.path, request.version)
        ttl = request.ttl if isinstance(request, CreateTTLRequest) else -1
        return writes.create(
            origin,
            zxid,
            wall,
            op,
            request.path,
            blob(request.data),
            request.acl,
            request.flags,
            ttl,
        )

    def _failed_multi(
        self, origin: Requester, cxid: int, zxid: int, count: int, dones: list[Done], code: int
    ) -> Proposal:
        """Nothing is done: those before the refused one report 0, those after it a runtime
        inconsistency.
        """
        errors = [0] * len(dones) + [code]
        errors += [Code.RUNTIMEINCONSISTENCY] * (count - len(errors))
        txns = [(done.type, done.body) for done in dones]
        txns += [(-1, ERROR_BODY.pack(error)) for error in errors[len(dones) :]]
        results = [MULTI_HEADER.pack(-1, False, e) + ERROR_BODY.pack(e) for e in errors]
        body = b"".join((*results, MULTI_END))
        done = Done(Op.multi, _multi_txn(txns), (), body)
        return self._propose(origin, cxid, zxid, done)

    # --- sessions and reaping: requests of the server's own

    def open_session(self, origin: Any, session_id: int, timeout: int) -> Proposal:
        zxid = self.order.next_zxid()
        digest = self._log(session_id, 0, zxid, Op.createSession, LENGTH.pack(timeout))
        proposal = OpenSession(zxid, (), b"", origin, digest)
        proposal.opens = session_id
        return proposal

    def close_session(self, origin: Any, session_id: int, cxid: int) -> Proposal:
        zxid = self.order.next_zxid()
        done = self.writes.close_session(session_id, zxid)
        digest = self._log(session_id, cxid, zxid, done.type, done.body)
        reply = reply_frame(cxid, zxid, 0, b"")
        proposal = CloseSession(zxid, done.edits, reply, origin, digest)
        proposal.closes = session_id
        return proposal

    def delete_container(self, path: bytes) -> Proposal:
        zxid = self.order.next_zxid()
        try:
            done = self.writes.delete_container(zxid, path)
        except KeeperError as refusal:
            return self._refuse(None, 0, zxid, refusal.code)
        digest = self._log(0, 0, zxid, done.type, done.body)
        return Proposal(zxid, done.edits, b"", None, digest)

    def refuse(self, origin: Requester, cxid: int, code: int) -> Proposal:
        """An error transaction for what cannot even be prepared, yet somebody waits for a zxid."""
        return self._refuse(origin, cxid, self.order.next_zxid(), code)

    def empty_transaction(self, zxid: int) -> bytes:
        """One that changes nothing, and is refused to nobody: it is not proposed here."""
        header = pack_txn_header(0, 0, zxid, self.wall_ms, Op.error)
        return header + ERROR_BODY.pack(Code.RECONFIGINPROGRESS)

    # --- making the transaction

    def _propose(self, origin: Requester, cxid: int, zxid: int, done: Done) -> Proposal:
        kind, body, edits, reply = done
        digest = self._log(origin.session_id, cxid, zxid, kind, body)
        return Proposal(zxid, edits, reply_frame(cxid, zxid, 0, reply), origin, digest)

    def _log(self, session_id: int, cxid: int, zxid: int, kind: int, body: bytes) -> int:
        """Send the transaction on its way; returns the digest that the tree has after it."""
        entry, digest = self._entry(session_id, cxid, zxid, kind, body)
        self.order.propose(zxid, entry)
        return digest

    def _entry(
        self, session_id: int, cxid: int, zxid: int, kind: int, body: bytes
    ) -> tuple[bytes, int]:
        """The transaction, and the digest that the tree has after it."""
        entry = pack_txn_header(session_id, cxid, zxid, self.wall_ms, kind) + body
        digest = self.view.digest
        if self.view.digest_enabled:
            entry += TXN_DIGEST.pack(DIGEST_VERSION, digest)
        return entry, digest

    def _refuse(self, origin: Requester | None, cxid: int, zxid: int, code: int) -> Proposal:
        session_id = 0 if origin is None else origin.session_id
        header = pack_txn_header(session_id, cxid, zxid, self.wall_ms, Op.error)
        self.order.propose(zxid, header + ERROR_BODY.pack(code))
        reply = reply_frame(cxid, zxid, code, b"")
        return Proposal(zxid, (), reply, origin, self.view.digest)


def _multi_txn(parts: list[tuple[int, bytes]]) -> bytes:
    return LENGTH.pack(len(parts)) + b"".join(encode(Txn(kind, body)) for kind, body in parts)


# A create that reports its Stat reports itself as create2, whatever it was (OpResult.CreateResult).
_RESULT_TYPE = {int(Op.createContainer): int(Op.create2), int(Op.createTTL): int(Op.create2)}

_DECODE: dict[int, Callable[[Prep, Requester, int, bytes], Done]] = {
    Op.setData: Prep._set_data,
    Op.create: Prep._create,
    Op.create2: Prep._create2,
    Op.createContainer: Prep._create_container,
    Op.createTTL: Prep._create_ttl,
    Op.delete: Prep._delete,
    Op.setACL: Prep._set_acl,
}

# Those that are refused or answered in a way of their own.
_WHOLE: dict[int, Callable[[Prep, Requester, int, bytes], Proposal]] = {
    Op.multi: Prep._multi,
    Op.reconfig: Prep._reconfig,
}
