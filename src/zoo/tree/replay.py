"""Logged transactions onto the tree: what recovery does, and what a learner does.

Each transaction is built by the same builders as on the server that prepared it, over an overlay
that is otherwise empty, and committed at once. An edit that cannot be built (the node is there
already, or gone) is not an error here: a snapshot of Java's is taken while transactions go on and
may contain their effect. What such a transaction still owes the parent and the ACLs is made up for.
Where Java's replay does not come back to the tree that was (nodes below a deleted one, the parent
of a create2 that is there already), ours does.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

from zoo.errors import Code, KeeperError
from zoo.jute import ephemeral
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.txns import LoggedTxn, decode_body, decode_txn
from zoo.tree import changes
from zoo.tree.acl import OPEN_ACL, OPEN_ACL_BYTES, Acl
from zoo.tree.outstanding import SET, Edit, Outstanding
from zoo.tree.record import (
    DIGEST_VERSION,
    EMPTY_BLOB,
    LENGTH,
    NULL_BLOB,
    node_digest,
    with_data_and_digest,
)

_CREATES = (Op.create, Op.create2, Op.createContainer, Op.createTTL)
_SET_DATA = int(Op.setData)
_SYSTEM = b"/zookeeper"  # and whatever begins like it: a little too much does no harm
_PLAIN = frozenset((_SET_DATA, int(Op.create), int(Op.create2)))
_unpack_header = Struct(">qiqqi").unpack_from
_unpack_int = LENGTH.unpack_from
_unpack_create_tail = Struct(">?i").unpack_from
_unpack_digest = Struct(">iq").unpack_from
_HEADER_SIZE = 32
_DIGEST_SIZE = 12
_SMALLEST = _HEADER_SIZE + 12 + _DIGEST_SIZE
_DELETES = (Op.delete, Op.deleteContainer)


class Replayed(NamedTuple):
    """What a transaction did. `digest_ok` is None where it could not be compared; `txn` is None for
    a plain one, which was not decoded and has exactly one edit.
    """

    zxid: int
    opens: tuple[int, int] | None
    closes: int
    digest_ok: bool | None
    edits: tuple[Edit, ...]
    txn: LoggedTxn | None


def replay(view: Outstanding, entry: bytes) -> Replayed:
    """Apply one log entry and commit it. Raises JuteError for an entry that is no transaction."""
    return _replay_plain(view, entry) or _replay_any(view, entry)


def _replay_plain(view: Outstanding, entry: bytes) -> Replayed | None:
    """The two commonest transactions without the detour over records; None for all others.

    That is setData, create and create2 with a digest behind them and, for the creates, the open
    ACL. A restart replays up to snapCount transactions, and nearly all of them are these.
    """
    if len(entry) < _SMALLEST:
        return None
    session, _, zxid, time, kind = _unpack_header(entry)
    if kind not in _PLAIN:
        return None
    end = len(entry) - _DIGEST_SIZE
    at = _HEADER_SIZE + 4 + _unpack_int(entry, _HEADER_SIZE)[0]
    if at + 8 > end:
        return None
    rest = at + 4 + max(_unpack_int(entry, at)[0], 0)
    path, blob = entry[_HEADER_SIZE + 4 : at], entry[at:rest]
    tree = view.tree
    try:
        if kind == _SET_DATA:
            if rest + 4 != end:
                return None
            version = _unpack_int(entry, rest)[0]
            edit = _set(view, path, blob, version, zxid, time)
        else:
            if rest + len(OPEN_ACL_BYTES) + 5 != end:
                return None
            if not entry.startswith(OPEN_ACL_BYTES, rest):
                return None
            is_ephemeral, creates = _unpack_create_tail(entry, end - 5)
            owner = session if is_ephemeral else 0
            edit = changes.create(view, path, blob, OPEN_ACL, owner, creates, zxid, time)
            tree.commit(zxid, (edit,))
            view.committed((edit,))
    except KeeperError:
        return None  # and nothing is changed: the long way knows what is owed then
    tree.digest = view.digest
    version, digest = _unpack_digest(entry, end)
    known = tree.digest_enabled and version == DIGEST_VERSION
    return Replayed(zxid, None, 0, digest == tree.digest if known else None, (edit,), None)


def _set(view: Outstanding, path: bytes, blob: bytes, version: int, zxid: int, time: int) -> Edit:
    """`changes.set_data`, committed. Most of what a learner does is this, and nothing else is
    outstanding, so the overlay need not know the record in between.
    """
    tree = view.tree
    old = tree.nodes.get(path)
    if old is None or not view.digest_enabled or path.startswith(_SYSTEM) or len(path) == 1:
        edit = changes.set_data(view, path, blob, version, zxid, time)
        tree.commit(zxid, (edit,))
        view.committed((edit,))
        return edit
    record, digest = with_data_and_digest(path, old, blob, version, zxid, time)
    digests = view.digests
    known = digests.get(path)
    if known is None:
        view.trim_digests()
        view.digest += digest - node_digest(path, old)
    else:
        view.digest += digest - (known[1] if known[0] is old else node_digest(path, old))
    digests[path] = (record, digest)
    tree.commit_set(zxid, path, record)
    return SET, path, record


def _replay_any(view: Outstanding, entry: bytes) -> Replayed:
    txn = decode_txn(entry)
    header = txn.header
    edits = tuple(_edits(view, txn))
    tree = view.tree
    tree.commit(header.zxid, edits)
    view.committed(edits)
    tree.digest = view.digest
    opens = (header.client_id, txn.record.timeout) if header.type == Op.createSession else None
    closes = header.client_id if header.type == Op.closeSession else 0
    digest_ok = None
    if tree.digest_enabled and txn.digest is not None and txn.digest.version == DIGEST_VERSION:
        digest_ok = txn.digest.tree_digest == tree.digest
    return Replayed(header.zxid, opens, closes, digest_ok, edits, txn)


def _edits(view: Outstanding, txn: LoggedTxn) -> list[Edit]:
    header, record = txn.header, txn.record
    if header.type == Op.multi:
        parts = [] if any(part.type == Op.error for part in record.txns) else record.txns
        edits: list[Edit] = []
        for part in parts:
            edits += _part(view, header, part.type, decode_body(part.type, part.data))
        return edits
    if header.type == Op.closeSession:
        return _close(view, header, record)
    return _part(view, header, header.type, record)


def _part(view: Outstanding, header: Any, kind: int, txn: Any) -> list[Edit]:
    zxid, time = header.zxid, header.time
    try:
        if kind in (Op.setData, Op.reconfig):
            blob = _blob(txn.data)
            return [changes.set_data(view, txn.path, blob, txn.version, zxid, time)]
        if kind in _CREATES:
            return [_create(view, header, kind, txn)]
        if kind in _DELETES:
            return _delete(view, txn.path, zxid)
        if kind == Op.setACL:
            return [changes.set_acl(view, txn.path, _acl(txn.acl), txn.version)]
    except KeeperError as refusal:
        if kind in _DELETES:
            return list(changes.touch_parent(view, txn.path, -1, zxid))
        if kind in _CREATES and refusal.code == Code.NODEEXISTS:
            adopted = changes.adopt_acl(view, txn.path, _acl(txn.acl))
            return [adopted, *changes.touch_parent(view, txn.path, txn.parent_cversion, zxid)]
    return []


def _delete(view: Outstanding, path: bytes, zxid: int) -> list[Edit]:
    """The node, and first what a fuzzy snapshot holds below it: it was empty then, so all that is
    of a later node of this name, and the log creates it again. (Java loses sight of such nodes.)

    Raises KeeperError NONODE.
    """
    doomed = [path]
    for at in doomed:  # which grows meanwhile: level by level
        doomed += [kid for kid in view.tree.children.get(at, ()) if view.get(kid) is not None]
    return [changes.delete(view, each, zxid) for each in reversed(doomed)]


def _create(view: Outstanding, header: Any, kind: int, txn: Any) -> Edit:
    owner = 0
    if kind == Op.createContainer:
        owner = ephemeral.CONTAINER_OWNER
    elif kind == Op.createTTL:
        owner = ephemeral.ttl_owner(txn.ttl)
    elif txn.ephemeral:
        owner = header.client_id
    return changes.create(
        view,
        txn.path,
        _blob(txn.data),
        _acl(txn.acl),
        owner,
        txn.parent_cversion,
        header.zxid,
        header.time,
    )


def _close(view: Outstanding, header: Any, record: Any) -> list[Edit]:
    """The session's ephemerals as the transaction lists them, then any that it does not."""
    listed = [] if record is None else record.paths_to_delete
    edits: list[Edit] = []
    for path in listed:
        try:
            edits += _delete(view, path, header.zxid)
        except KeeperError:
            edits += changes.touch_parent(view, path, -1, header.zxid)
    for path in view.ephemerals_of(header.client_id):
        edits += _delete(view, path, header.zxid)
    return edits


def _acl(entries: Sequence[ACL]) -> Acl:
    acl = tuple(entries)
    # A null list reads as empty, and is open in ZooKeeper; an empty one permits as much.
    return OPEN_ACL if not acl or acl == OPEN_ACL else acl


def _blob(data: bytes | None) -> bytes:
    if data is None:
        return NULL_BLOB
    return LENGTH.pack(len(data)) + data if data else EMPTY_BLOB
