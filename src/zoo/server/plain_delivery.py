"""Committed transactions with nothing special about them, onto a learner's tree in few steps.

Theory of operation. What zoo.pipeline.plain_writes is to the server that prepares, this is to those
that follow: nine transactions out of ten are setData or create on znodes that anyone may write, and
each of them is applied on every server. So these two are taken apart and carried out here by hand.
A learner has nothing outstanding, hence no overlay between the transaction and the tree, only the
running digest and the cache of znodes' digests that go with it.

The result is what `zoo.tree.replay` makes of the same bytes (the tests hold the two side by side);
whatever is out of the ordinary is left to it, and nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from zoo.jute.operations import Op
from zoo.paths import parent as parent_of
from zoo.tree.acl import OPEN_ACL_BYTES
from zoo.tree.record import (
    DIGEST_VERSION,
    LENGTH,
    OWNER_AT_END,
    STAT_SIZE,
    new_record_and_digest,
    node_digest,
    pack_digest_stat,
    pack_stat,
    unpack_stat,
    with_new_child_and_digest,
)

if TYPE_CHECKING:
    from zoo.server.core import ServerCore

SET_DATA, CREATE, CREATE2 = int(Op.setData), int(Op.create), int(Op.create2)
_SYSTEM = b"/zookeeper"  # and whatever begins like it: a little too much does no harm
_PATH = 36  # where the path begins: behind the header and its own length
_ACL_SIZE = len(OPEN_ACL_BYTES)

_unpack_start = Struct(">qiqqii").unpack_from  # the header, and the length of the path
_unpack_int = LENGTH.unpack_from
_unpack_set_end = Struct(">iiq").unpack_from  # version, TxnDigest
_SET_END = 16
_unpack_create_end = Struct(">?iiq").unpack_from  # ephemeral, creates of the parent, TxnDigest
_CREATE_END = 17


Delivered = tuple[int, int, int, int, bytes, bytes, bool]
"""Session, xid, zxid, operation, path, Stat of the znode, and whether the tree's digest is what the
transaction says."""


def _set(core: ServerCore, entry: bytes) -> Delivered | None:
    """Apply a setData; None if it is to go the long way."""
    size = len(entry)
    if size < _PATH + 5 + _SET_END:
        return None
    session_id, cxid, zxid, now, op, path_size = _unpack_start(entry)
    at, end = _PATH + path_size, size - _SET_END
    if op != SET_DATA or not _PATH < at <= end - 4 or at + 4 + _unpack_int(entry, at)[0] != end:
        return None
    version, digest_version, expected = _unpack_set_end(entry, end)
    path = entry[_PATH:at]
    tree, view = core.tree, core.outstanding_view
    old = tree.nodes.get(path)
    if (
        old is None
        or old[-OWNER_AT_END] & 0x80  # perhaps an owner that is not shown
        or digest_version != DIGEST_VERSION
        or path_size == 1
        or path.startswith(_SYSTEM)
        or not view.digest_enabled
        or view.records
    ):
        return None
    # with_data_and_digest, spelled out.
    cz, _, ct, _, _, cv, av, owner, _, n, pz = unpack_stat(old, len(old) - STAT_SIZE)
    data = entry[at + 4 : end]
    stat = pack_stat(cz, zxid, ct, now, version, cv, av, owner, len(data), n, pz)
    record = entry[at:end] + stat
    creates = ((cv + n) & 0xFFFFFFFF) >> 1
    seen = pack_digest_stat(cz, zxid, pz, ct, now, version, creates, av, owner)
    digest = crc32(seen, crc32(data, crc32(path)))
    digests = view.digests
    known = digests.get(path)
    if known is not None and known[0] is old:
        total = view.digest + digest - known[1]
    else:
        total = view.digest + digest - node_digest(path, old)
        view.trim_digests()
    digests[path] = (record, digest)
    tree.digest = view.digest = total
    tree.commit_set(zxid, path, record)
    if not zxid & 127:
        core.digest_log.append((zxid, total))
    return session_id, cxid, zxid, SET_DATA, path, stat, total == expected


def _create(core: ServerCore, entry: bytes) -> Delivered | None:
    """Apply a create of a persistent znode that is open to all; None for the long way."""
    size = len(entry)
    if size < _PATH + 6 + _ACL_SIZE + _CREATE_END:
        return None
    session_id, cxid, zxid, now, op, path_size = _unpack_start(entry)
    at, end = _PATH + path_size, size - _CREATE_END
    acl_at = end - _ACL_SIZE
    if op not in (CREATE, CREATE2) or not _PATH + 1 < at <= acl_at - 4:
        return None
    if at + 4 + _unpack_int(entry, at)[0] != acl_at or entry[acl_at:end] != OPEN_ACL_BYTES:
        return None
    is_ephemeral, creates, digest_version, expected = _unpack_create_end(entry, end)
    path = entry[_PATH:at]
    tree, view = core.tree, core.outstanding_view
    parent = parent_of(path)
    old = tree.nodes.get(parent)
    if (
        old is None
        or path in tree.nodes
        or is_ephemeral
        or creates < 0
        or digest_version != DIGEST_VERSION
        or path.startswith(_SYSTEM)
        or not view.digest_enabled
        or view.records
    ):
        return None
    digests = view.digests
    known = digests.get(parent)
    before = known[1] if known is not None and known[0] is old else node_digest(parent, old)
    parent_record, parent_digest = with_new_child_and_digest(parent, old, creates, zxid)
    record, digest = new_record_and_digest(path, entry[at:acl_at], zxid, now, 0)
    view.trim_digests()
    digests[parent] = (parent_record, parent_digest)
    tree.digest = view.digest = total = view.digest + parent_digest - before + digest
    tree.commit_create(zxid, path, record, parent, parent_record)
    if not zxid & 127:
        core.digest_log.append((zxid, total))
    return session_id, cxid, zxid, op, path, record[-STAT_SIZE:], total == expected


_BY_TYPE: dict[bytes, Callable[[ServerCore, bytes], Delivered | None]] = {
    LENGTH.pack(SET_DATA): _set,
    LENGTH.pack(CREATE): _create,
    LENGTH.pack(CREATE2): _create,
}


def deliver_plain(core: ServerCore, entry: bytes) -> Delivered | None:
    """Apply a transaction if it is plain; None, and nothing has changed, if it is not."""
    deliver = _BY_TYPE.get(entry[28:32])
    return None if deliver is None else deliver(core, entry)
