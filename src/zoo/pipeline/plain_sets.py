"""setData with nothing special about it: the hottest write, in as few steps as Python allows.

Theory of operation. Three writes out of four are setData on a znode that anyone may write, with
bytes that parse. What such a one goes through in `Prep.prepare`, `Writes`, `changes` and
`DataTree`, about twenty calls, is here one function to prepare it and one to commit it, on a plain
tuple. The result is the same to the byte, and the tests hold the two side by side; whatever is out
of the ordinary (an error, an ACL, a quota to enforce, null data) goes the long way instead:
`prepare` says None and has changed nothing.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from zoo.jute.operations import Op
from zoo.pipeline.prep import Prep, pack_txn_header
from zoo.pipeline.replies import REPLY_SIZE, pack_reply
from zoo.tree.record import (
    DIGEST_VERSION,
    LENGTH,
    MAX_INT32,
    OWNER_AT_END,
    STAT_SIZE,
    SYSTEM_SUBTREE,
    VERSION_AT_END,
    node_digest,
    with_data_and_digest,
)

PlainSet = tuple[int, bytes, bytes, bytes, Any, int]
"""zxid, path, record, reply, origin, digest of the tree: what a Proposal is to other writes."""

SET_DATA = int(Op.setData)
_SET_TAIL = Struct(">iiq")  # the new version, then a TxnDigest

_unpack_int = LENGTH.unpack_from
_pack_tail = _SET_TAIL.pack


class PlainSets:
    """Prepares plain sets beside `prep`, over the same overlay and in the same order."""

    __slots__ = ("_enforce_quota", "_order", "_prep", "_tree", "_view")

    def __init__(self, prep: Prep) -> None:
        self._prep = prep
        self._order = prep.order
        self._view = prep.view
        self._tree = prep.tree
        self._enforce_quota = prep.writes.enforce_quota

    def prepare(self, origin: Any, cxid: int, buf: bytes, pos: int, stop: int) -> PlainSet | None:
        """`buf[pos:stop]` is a SetDataRequest of a live session; None sends it the long way."""
        last = stop - 4  # of the body: the expected version
        start = pos + 4
        if start > last - 4:
            return None
        at = start + _unpack_int(buf, pos)[0]
        if not start + 2 <= at <= last - 4 or at + 4 + _unpack_int(buf, at)[0] != last:
            return None
        path = buf[start:at]
        view = self._view
        records = view.records
        old = records[path] if path in records else self._tree.nodes.get(path)
        if (
            old is None
            or path in self._tree.veiled
            or path in view.acls
            or old[-OWNER_AT_END] & 0x80  # an owner that must not be shown, perhaps
            or (self._enforce_quota and self._tree.quotas)
            or not view.digest_enabled
            or path.startswith(SYSTEM_SUBTREE)
        ):
            return None
        version: int = _unpack_int(old, len(old) - VERSION_AT_END)[0]
        expected: int = _unpack_int(buf, last)[0]
        if (expected != version and expected != -1) or version == MAX_INT32:
            return None
        version += 1
        order, now = self._order, self._prep.wall_ms
        zxid = order.next_zxid()
        record, digest = with_data_and_digest(path, old, buf[at:last], version, zxid, now)
        digests = view.digests
        cached = digests.get(path)
        if cached is not None and cached[0] is old:
            view.digest += digest - cached[1]
        else:
            view.digest += digest - node_digest(path, old)
            view.trim_digests()
        records[path] = record
        digests[path] = (record, digest)
        digest = view.digest
        order.propose(
            zxid,
            pack_txn_header(origin.session_id, cxid, zxid, now, SET_DATA)
            + buf[pos:last]
            + _pack_tail(version, DIGEST_VERSION, digest),
        )
        reply = pack_reply(REPLY_SIZE + STAT_SIZE, cxid, zxid, 0) + record[-STAT_SIZE:]
        return (zxid, path, record, reply, origin, digest)
