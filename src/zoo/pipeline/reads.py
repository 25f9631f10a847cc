"""What each read answers.

A read is one function from a request's bytes to a reply's body, over committed state alone; watches
are left on the way. It raises KeeperError (answered with the code) or JuteError (answered as
MARSHALLINGERROR). getData and exists of unguarded znodes seldom come so far: the connection answers
them in its own loop, or with `Reads.plain` if they had to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from zoo.errors import Code, KeeperError
from zoo.jute.client_records import (
    AddWatchRequest,
    CheckWatchesRequest,
    ExistsRequest,
    GetACLRequest,
    GetAllChildrenNumberRequest,
    GetChildrenRequest,
    GetDataRequest,
    GetEphemeralsRequest,
    RemoveWatchesRequest,
    SetWatches,
    SetWatches2,
    SyncRequest,
    WhoAmIResponse,
)
from zoo.jute.constants import Perms
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.pipeline.multi import ERROR_BODY, MULTI_END, MULTI_HEADER, parse_multi_read
from zoo.pipeline.writes import AccessControl, Requester, encode_acl, ustring
from zoo.tree.acl import OPEN_ACL
from zoo.tree.data_tree import DataTree
from zoo.tree.record import LENGTH, NULL_BLOB, STAT_SIZE, stat_of

_NO_ZXID = -1
_GET_DATA = int(Op.getData)

_unpack_length = LENGTH.unpack_from


class Reader(Requester, Protocol):
    """A connection that can be told of watch events."""

    def notify(self, event: int, path: bytes, zxid: int, acl: Any) -> None: ...


class Reads:
    """All reads over one tree."""

    def __init__(self, tree: DataTree, access: AccessControl) -> None:
        self.tree = tree
        self.access = access

    def _record(self, requester: Reader, path: bytes, perm: int = Perms.READ) -> bytes:
        """The record of a node that the requester may read."""
        if not path:
            path = b"/"  # Java keeps the root under both names
        record = self.tree.nodes.get(path)
        if record is None:
            raise KeeperError(Code.NONODE)
        if path in self.tree.acls and not self.access.permits(
            requester, self.tree.acl_of(path), perm, path
        ):
            raise KeeperError(Code.NOAUTH)
        return record

    # --- single znodes

    def plain(self, op: int, payload: bytes) -> bytes | None:
        """The body of a getData or exists without a watch of an unguarded znode, else None."""
        path = payload[4:-1]
        tree = self.tree
        record = tree.nodes.get(path)
        if (
            record is None
            or path in tree.veiled
            or payload[-1]
            or _unpack_length(payload)[0] != len(path)
        ):
            return None
        return record if op == _GET_DATA else record[-STAT_SIZE:]

    def get_data(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(GetDataRequest, payload)
        path = request.path
        record = self._record(requester, path)
        if request.watch:
            self.tree.watches.data.add(path, requester)
        return self._shown(path, record)

    def _shown(self, path: bytes, record: bytes) -> bytes:
        if path in self.tree.veiled:
            return record[:-STAT_SIZE] + self.tree.shown_stat(record)
        return record

    def exists(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(ExistsRequest, payload)
        path = request.path
        if b"\0" in path:
            raise KeeperError(Code.BADARGUMENTS)
        # A watch stays behind even where there is no node: that is how one waits for its creation.
        if path and path not in self.tree.nodes:
            if request.watch:
                self.tree.watches.data.add(path, requester)
            raise KeeperError(Code.NONODE)
        record = self._record(requester, path)
        if request.watch:
            self.tree.watches.data.add(path, requester)
        return self.tree.shown_stat(record)

    def get_acl(self, requester: Reader, payload: bytes) -> bytes:
        path = decode(GetACLRequest, payload).path
        record = self._record(requester, path, Perms.READ | Perms.ADMIN)
        acl = self.tree.acl_of(path or b"/")
        if acl is not OPEN_ACL and not self.access.permits(requester, acl, Perms.ADMIN, path):
            acl = self.access.mask(acl)
        return encode_acl(acl) + self.tree.shown_stat(record)

    # --- children

    def _names(self, path: bytes) -> bytes:
        """A vector of the children's names."""
        if not path:
            path = b"/"
        kids = self.tree.children.get(path)
        if not kids:
            return LENGTH.pack(0)
        cut = len(path) + 1 if path != b"/" else 1
        pack = LENGTH.pack
        parts = [pack(len(kids))]
        for kid in kids:
            parts.append(pack(len(kid) - cut))
            parts.append(kid[cut:])
        return b"".join(parts)

    def get_children(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(GetChildrenRequest, payload)
        self._record(requester, request.path)
        if request.watch:
            self.tree.watches.children.add(request.path, requester)
        return self._names(request.path)

    def get_children2(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(GetChildrenRequest, payload)
        path = request.path
        record = self._record(requester, path)
        if request.watch:
            self.tree.watches.children.add(path, requester)
        return self._names(path) + self.tree.shown_stat(record)

    def get_all_children_number(self, requester: Reader, payload: bytes) -> bytes:
        path = decode(GetAllChildrenNumberRequest, payload).path
        self._record(requester, path)
        return LENGTH.pack(self.tree.count_below(path or b"/"))

    def get_ephemerals(self, requester: Reader, payload: bytes) -> bytes:
        """The session's own ephemerals; the prefix is one of text, not of path components."""
        prefix = decode(GetEphemeralsRequest, payload).prefix_path or b""
        paths: Sequence[bytes] = list(self.tree.ephemerals.get(requester.session_id, ()))
        if prefix.strip() not in (b"", b"/"):
            paths = [path for path in paths if path.startswith(prefix)]
        return LENGTH.pack(len(paths)) + b"".join(map(ustring, paths))

    # --- watches

    def add_watch(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(AddWatchRequest, payload)
        self.tree.watches.add_watch(request.path, requester, request.mode)
        return ERROR_BODY.pack(0)

    def check_watches(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(CheckWatchesRequest, payload)
        if not self.tree.watches.contains(request.path, requester, request.type):
            raise KeeperError(Code.NOWATCHER)
        return b""

    def remove_watches(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(RemoveWatchesRequest, payload)
        if not self.tree.watches.remove(request.path, requester, request.type):
            raise KeeperError(Code.NOWATCHER)
        return b""

    def set_watches(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(SetWatches, payload)
        return self._arm(requester, request, [], [])

    def set_watches2(self, requester: Reader, payload: bytes) -> bytes:
        request = decode(SetWatches2, payload)
        return self._arm(
            requester, request, request.persistent_watches, request.persistent_recursive_watches
        )

    def _arm(
        self,
        requester: Reader,
        request: SetWatches | SetWatches2,
        persistent: list[bytes],
        recursive: list[bytes],
    ) -> bytes:
        missed = self.tree.watches.set_watches(
            requester,
            request.relative_zxid,
            self._mzxid_pzxid,
            request.data_watches,
            request.exist_watches,
            request.child_watches,
            persistent,
            recursive,
        )
        for event, path in missed:
            requester.notify(event, path, _NO_ZXID, OPEN_ACL)
        return b""

    def _mzxid_pzxid(self, path: bytes) -> tuple[int, int] | None:
        record = self.tree.nodes.get(path or b"/")
        if record is None:
            return None
        stat = stat_of(record)
        return stat.mzxid, stat.pzxid

    # --- the rest

    def sync(self, requester: Reader, payload: bytes) -> bytes:
        """On a server that is its own quorum, being answered in order is being in sync."""
        path = decode(SyncRequest, payload).path
        return NULL_BLOB if path is None else ustring(path)

    def who_am_i(self, requester: Reader, payload: bytes) -> bytes:
        return encode(WhoAmIResponse(self.access.client_infos(requester)))

    def multi_read(self, requester: Reader, payload: bytes) -> bytes:
        parts: list[bytes] = []
        for op, request in parse_multi_read(payload):
            try:
                record = self._record(requester, request.path)
            except KeeperError as refusal:
                parts.append(MULTI_HEADER.pack(Op.error, False, refusal.code))
                parts.append(ERROR_BODY.pack(refusal.code))
                continue
            parts.append(MULTI_HEADER.pack(op, False, 0))
            if op == Op.getData:
                parts.append(self._shown(request.path, record))
            else:
                parts.append(self._names(request.path))
        parts.append(MULTI_END)
        return b"".join(parts)


READS: dict[int, Callable[[Reads, Any, bytes], bytes]] = {
    Op.getData: Reads.get_data,
    Op.exists: Reads.exists,
    Op.getACL: Reads.get_acl,
    Op.getChildren: Reads.get_children,
    Op.getChildren2: Reads.get_children2,
    Op.getAllChildrenNumber: Reads.get_all_children_number,
    Op.getEphemerals: Reads.get_ephemerals,
    Op.addWatch: Reads.add_watch,
    Op.checkWatches: Reads.check_watches,
    Op.removeWatches: Reads.remove_watches,
    Op.setWatches: Reads.set_watches,
    Op.setWatches2: Reads.set_watches2,
    Op.sync: Reads.sync,
    Op.whoAmI: Reads.who_am_i,
    Op.multiRead: Reads.multi_read,
}
