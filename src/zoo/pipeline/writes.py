"""What each write checks, in ZooKeeper's order, and what it becomes.

The order of checks decides which of several errors a client sees, so it is ZooKeeper's to the
letter (PrepRequestProcessor): session, path, existence of the node or its parent, permission,
version, emptiness, quota. Every function returns a `Done` or raises KeeperError and has then
changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple, Protocol

from zoo.errors import Code, KeeperError
from zoo.jute import ephemeral
from zoo.jute.constants import CreateMode, Perms
from zoo.jute.ephemeral import EphemeralKind
from zoo.jute.operations import Op
from zoo.jute.records import ACL, ClientInfo
from zoo.jute.schema import encode
from zoo.paths import invalid_reason
from zoo.session.tracker import Session
from zoo.tree import changes, quota
from zoo.tree.acl import OPEN_ACL, OPEN_ACL_BYTES, Acl, Identity
from zoo.tree.data_tree import CONFIG_NODE, SPECIAL_PATHS
from zoo.tree.outstanding import Edit, Outstanding
from zoo.tree.record import (
    LENGTH,
    MAX_INT32,
    STAT_SIZE,
    VERSION_AT_END,
    children_count,
    creates_under,
    data_of,
    owner_of,
    stat_of,
)

_CREATE_TAIL = Struct(">?i")  # CreateTxn after the ACL: ephemeral, parentCVersion

# A member of an enum costs 0.1 us to look up, a constant of the module next to nothing.
_CREATE, _CREATE_TTL = int(Op.create), int(Op.createTTL)
_CREATE_CONTAINER = int(Op.createContainer)
_CREATES = (_CREATE, int(Op.create2))

unpack_int = LENGTH.unpack_from
pack_int = LENGTH.pack


class _Mode(NamedTuple):
    """A CreateMode's properties, looked up once."""

    sequential: bool
    ephemeral: bool
    needs_ttl: bool


_MODES = {
    int(mode): _Mode(mode.is_sequential, mode.is_ephemeral, mode.is_ttl) for mode in CreateMode
}


class Requester(Protocol):
    """A connection with a session."""

    session: Session
    session_id: int

    @property
    def identities(self) -> Sequence[Identity]: ...


class Done(NamedTuple):
    """A write that passed: the transaction's type and body, its edits, the reply's body."""

    type: int
    body: bytes
    edits: tuple[Edit, ...]
    reply: bytes


class AccessControl(Protocol):
    """The authentication schemes' part in ACLs."""

    def permits(self, requester: Requester, acl: Acl, perm: int, path: bytes) -> bool: ...

    def fixup(self, requester: Requester, acl: Sequence[ACL]) -> Acl: ...

    def mask(self, acl: Acl) -> Acl: ...

    def client_infos(self, requester: Requester) -> list[ClientInfo]: ...


def ustring(value: bytes) -> bytes:
    return pack_int(len(value)) + value


def encode_acl(acl: Acl) -> bytes:
    if acl is OPEN_ACL:
        return OPEN_ACL_BYTES
    return pack_int(len(acl)) + b"".join(map(encode, acl))


class Writes:
    """The checks of all writes over one overlay."""

    def __init__(
        self,
        view: Outstanding,
        access: AccessControl,
        *,
        enforce_quota: bool = False,
        on_quota: Callable[[str], None] | None = None,
    ) -> None:
        self.view = view
        self.tree = view.tree
        self.access = access
        self.enforce_quota = enforce_quota
        self.on_quota = on_quota
        self.close_session_txn = True

    # --- the operations

    def set_data(
        self,
        requester: Requester,
        zxid: int,
        time: int,
        path: bytes,
        blob: bytes,
        expected: int,
    ) -> Done:
        if requester.session.closing or requester.session.owner is not requester:
            self.check_session(requester)
        view = self.view
        record = view.get(path)
        # A path that exists is valid but for the empty one, which no table has; so validation can
        # wait.
        if record is None:
            self._check_path(path)
            raise KeeperError(Code.NONODE)
        if path in self.tree.acls or path in view.acls:
            self._check_acl(requester, view.acl(path), Perms.WRITE, path)
        if self.enforce_quota and self.tree.quotas:
            self._check_quota(path, len(blob) - max(len(record) - STAT_SIZE, 4), 0)
        version: int = unpack_int(record, len(record) - VERSION_AT_END)[0]
        if expected != -1 and expected != version:
            raise KeeperError(Code.BADVERSION)
        version = version + 1 if version != MAX_INT32 else -MAX_INT32 - 1
        edit = changes.set_data(view, path, blob, version, zxid, time)
        body = pack_int(len(path)) + path + blob + pack_int(version)
        return Done(Op.setData, body, (edit,), self.tree.shown_stat(edit[2]))

    def check_administrator(self, requester: Requester) -> None:
        """The znode of the configuration is read-only for all but the administrator."""
        self.check_session(requester)
        self._check_acl(requester, self.view.acl(CONFIG_NODE), Perms.WRITE, CONFIG_NODE)

    def reconfigure(self, requester: Requester, zxid: int, time: int, text: bytes) -> Done:
        """Show another configuration."""
        view = self.view
        self.check_administrator(requester)
        blob = pack_int(len(text)) + text
        edit = changes.set_data(view, CONFIG_NODE, blob, -1, zxid, time)
        body = pack_int(len(CONFIG_NODE)) + CONFIG_NODE + blob + pack_int(-1)
        return Done(Op.reconfig, body, (edit,), blob + self.tree.shown_stat(edit[2]))

    def create(
        self,
        requester: Requester,
        zxid: int,
        time: int,
        op: int,
        path: bytes,
        blob: bytes,
        acl: Sequence[ACL] | None,
        flags: int,
        ttl: int,
    ) -> Done:
        """`acl` None is short for world:anyone:cdrwa."""
        mode = _MODES.get(flags)
        if mode is None or mode.needs_ttl or op == _CREATE_TTL:
            self._check_mode(op, flags, ttl)
        if requester.session.closing or requester.session.owner is not requester:
            self.check_session(requester)
        assert mode is not None
        slash = path.rfind(b"/")
        if slash < 0 or b"\0" in path:
            raise KeeperError(Code.BADARGUMENTS)
        fixed = OPEN_ACL if acl is None else self.access.fixup(requester, acl)
        view, tree = self.view, self.tree
        parent = path[:slash] or b"/"
        parent_record = view.get(parent)
        if parent_record is None:
            raise KeeperError(Code.NONODE)
        if parent in tree.veiled or parent in view.acls:
            self._check_acl(requester, view.acl(parent), Perms.CREATE, path)
        creates = creates_under(parent_record)
        if mode.sequential:
            path += b"%010d" % creates
        reason = invalid_reason(path)
        if reason is not None:
            raise KeeperError(Code.BADARGUMENTS, reason)
        if view.get(path) is not None:
            raise KeeperError(Code.NODEEXISTS)
        parent_owner = owner_of(parent_record)
        if parent_owner and self._is_session(parent_owner):
            raise KeeperError(Code.NOCHILDRENFOREPHEMERALS)
        if creates >= MAX_INT32:
            raise KeeperError(Code.SYSTEMERROR, "2147483647 children were created here already")
        if self.enforce_quota and tree.quotas:
            self._check_quota(path, len(blob) - 4, 1)
        owner = 0
        if mode.ephemeral and op in _CREATES:
            if requester.session.is_local:  # it ends without a transaction
                raise KeeperError(Code.SESSIONEXPIRED)
            owner = requester.session_id
        elif op == _CREATE_CONTAINER:
            owner = ephemeral.CONTAINER_OWNER
        elif op == _CREATE_TTL:
            owner = ephemeral.ttl_owner(ttl)
        creates += 1
        edit = changes.create_under(
            view, path, blob, fixed, owner, creates, zxid, time, parent, parent_record
        )
        name = pack_int(len(path)) + path
        body = name + blob + encode_acl(fixed)
        if op == _CREATE_TTL:
            body += _TTL_TAIL.pack(creates, ttl)
        elif op == _CREATE_CONTAINER:
            body += pack_int(creates)
        else:
            body += _CREATE_TAIL.pack(mode.ephemeral, creates)
        reply = name if op == _CREATE else name + tree.shown_stat(edit[2])
        return Done(op, body, (edit,), reply)

    def delete(self, requester: Requester, zxid: int, path: bytes, expected: int) -> Done:
        self.check_session(requester)
        parent = self._parent(path)
        view = self.view
        if view.get(parent) is None:
            raise KeeperError(Code.NONODE)
        self._check_acl(requester, view.acl(parent), Perms.DELETE, path)
        record = view.get(path)
        if record is None:
            raise KeeperError(Code.NONODE)
        if expected != -1 and expected != stat_of(record).version:
            raise KeeperError(Code.BADVERSION)
        if children_count(record):
            raise KeeperError(Code.NOTEMPTY)
        edit = changes.delete(view, path, zxid)
        return Done(Op.delete, ustring(path), (edit,), b"")

    def delete_container(self, zxid: int, path: bytes) -> Done:
        """Reap an empty container or a node past its TTL; the server's own request, so no
        permission.
        """
        self._parent(path)
        record = self.view.get(path)
        if record is None:
            raise KeeperError(Code.NONODE)
        if children_count(record):
            raise KeeperError(Code.NOTEMPTY)
        if self._is_session(owner_of(record)):
            raise KeeperError(Code.BADVERSION)
        edit = changes.delete(self.view, path, zxid)
        return Done(Op.deleteContainer, ustring(path), (edit,), b"")

    def set_acl(
        self, requester: Requester, zxid: int, path: bytes, acl: Sequence[ACL], expected: int
    ) -> Done:
        self.check_session(requester)
        self._check_path(path)
        fixed = self.access.fixup(requester, acl)
        record = self.view.get(path)
        if record is None:
            raise KeeperError(Code.NONODE)
        self._check_acl(requester, self.view.acl(path), Perms.ADMIN, path)
        aversion = stat_of(record).aversion
        if expected != -1 and expected != aversion:
            raise KeeperError(Code.BADVERSION)
        edit = changes.set_acl(self.view, path, fixed, aversion + 1)
        body = ustring(path) + encode_acl(fixed) + pack_int(aversion + 1)
        return Done(Op.setACL, body, (edit,), self.tree.shown_stat(edit[2]))

    def check(self, requester: Requester, path: bytes, expected: int) -> Done:
        self.check_session(requester)
        self._check_path(path)
        record = self.view.get(path)
        if record is None:
            raise KeeperError(Code.NONODE)
        self._check_acl(requester, self.view.acl(path), Perms.READ, path)
        version = stat_of(record).version
        if expected != -1 and expected != version:
            raise KeeperError(Code.BADVERSION)
        return Done(Op.check, ustring(path) + pack_int(version + 1), (), b"")

    def close_session(self, session_id: int, zxid: int) -> Done:
        paths = self.view.ephemerals_of(session_id)
        edits = tuple(changes.delete(self.view, path, zxid) for path in paths)
        body = b""
        if self.close_session_txn:
            body = pack_int(len(paths)) + b"".join(map(ustring, paths))
        return Done(Op.closeSession, body, edits, b"")

    # --- the checks

    def check_session(self, requester: Requester) -> None:
        session = requester.session
        if session.closing:
            raise KeeperError(Code.SESSIONEXPIRED)
        if session.owner is not requester:
            raise KeeperError(Code.SESSIONMOVED)

    def _check_path(self, path: bytes) -> None:
        reason = invalid_reason(path)
        if reason is not None:
            raise KeeperError(Code.BADARGUMENTS, reason)

    def _check_acl(self, requester: Requester, acl: Acl, perm: int, path: bytes) -> None:
        if acl is not OPEN_ACL and not self.access.permits(requester, acl, perm, path):
            raise KeeperError(Code.NOAUTH)

    def _check_mode(self, op: int, flags: int, ttl: int) -> None:
        mode = _MODES.get(flags)
        if mode is None:
            raise KeeperError(Code.BADARGUMENTS, f"no create mode has flag {flags}")
        if mode.needs_ttl and not self.tree.extended_types:
            raise KeeperError(Code.UNIMPLEMENTED, "TTL nodes need extendedTypesEnabled=true")
        # A createTTL whose flag is no TTL's would stop a Java server: it checks neither.
        if not mode.needs_ttl or not ephemeral.valid_ttl(ttl):
            raise KeeperError(Code.BADARGUMENTS, f"ttl {ttl} with create flag {flags}")

    def _is_session(self, owner: int) -> bool:
        return ephemeral.kind(owner, self.tree.extended_types) is EphemeralKind.NORMAL

    def _check_quota(self, path: bytes, size: int, count: int) -> None:
        """Against what is committed, as ZooKeeper does; outstanding creates do not count yet."""
        prefix = self.tree.quotas.longest_prefix(path)
        if prefix is None:
            return
        limits = self.tree.nodes.get(quota.limit_path(prefix))
        used = self.tree.nodes.get(quota.stat_path(prefix))
        if limits is None or used is None:
            return
        try:
            limit, usage = quota.parse(data_of(limits)), quota.parse(data_of(used))
        except ValueError as error:  # anybody may write there; ZooKeeper refuses in the same way
            raise KeeperError(Code.MARSHALLINGERROR, str(error)) from None
        for breach in quota.breaches(prefix, limit, usage, count, size):
            if self.on_quota is not None:
                self.on_quota(breach.text)
            if breach.hard:
                raise KeeperError(Code.QUOTAEXCEEDED, breach.text)

    def _parent(self, path: bytes) -> bytes:
        slash = path.rfind(b"/")
        if slash < 0 or b"\0" in path or path in SPECIAL_PATHS:
            raise KeeperError(Code.BADARGUMENTS)
        return path[:slash] or b"/"


_TTL_TAIL = Struct(">iq")
