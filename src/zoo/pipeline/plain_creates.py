"""create of an ordinary znode: persistent, perhaps sequential, open to all, under a parent like it.

See plain_writes.py. What makes a create dear is its parent, whose count, cversion and pzxid change
each time and whose digest with them. In a run it is nearly always the same parent, so the constant
parts of its record and of its digest are cut out once; what a create adds is two small structs.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

from zoo.jute.operations import Op
from zoo.paths import invalid_reason
from zoo.pipeline.plain_writes import PlainWrite, PlainWrites, Run, unpack_int, unpack_start
from zoo.pipeline.prep import pack_txn_header
from zoo.pipeline.replies import REPLY_SIZE, pack_reply
from zoo.tree.acl import OPEN_ACL_BYTES
from zoo.tree.record import (
    DIGEST_VERSION,
    LENGTH,
    MAX_INT32,
    STAT_SIZE,
    creates_under,
    node_digest,
)

CREATE, CREATE2 = int(Op.create), int(Op.create2)

_SEQUENTIAL = 2  # CreateMode.PERSISTENT_SEQUENTIAL; PERSISTENT is 0
_END_SIZE = len(OPEN_ACL_BYTES) + 4  # the ACL and the flags
_SMALLEST = 22 + _END_SIZE  # bytes of a frame with a path of two bytes and no data
_Z = ord("z")
_SYSTEM = b"/zookeeper"  # and whatever begins like it: a little too much does no harm
_NO_OWNER = bytes(8)

_pack_int = LENGTH.pack
# A new znode's Stat and what its digest is made of: zxids and times, all the rest being zero.
_pack_new_stat = Struct(">qqqq20xi4xq").pack
_pack_new_digest = Struct(">qqqqq20x").pack
# The end of a parent's record from its cversion on; of what its digest is made of, from pzxid on.
_CHANGING_AT_END = 32
_unpack_changing = Struct(">i16siq").unpack_from
_pack_changing = Struct(">i16siq").pack
_pack_parent_digest = Struct(">q20si12s").pack
_pack_tail = Struct(">xiiq").pack  # not ephemeral, the parent's count of creates, then a TxnDigest


class _Parent(NamedTuple):
    """A parent's record taken apart into what a create leaves alone and what it changes."""

    head: bytes  # of the record, up to the cversion
    middle: bytes  # of the record: aversion, owner, data length
    crc: int  # of the digest's part before pzxid
    times: bytes  # of the digest: ctime, mtime, version
    tail: bytes  # of the digest: aversion, owner
    digest: int
    cversion: int
    creates: int
    children: int


class PlainCreates(PlainWrites):
    """The creates among the plain writes."""

    __slots__ = ()

    def _parent(self, path: bytes) -> _Parent | None:
        """The newest state of a parent with nothing special about it."""
        view, tree = self._view, self._tree
        record = view.get(path)
        if record is None or record[-24:-16] != _NO_OWNER:  # a container is not always veiled yet
            return None
        if path in tree.veiled or path in view.acls:
            return None
        at = len(record) - STAT_SIZE
        cached = view.digests.get(path)
        if cached is not None and cached[0] is record:
            digest = cached[1]
        else:
            digest = node_digest(path, record)
        cversion, middle, count, _ = _unpack_changing(record, len(record) - _CHANGING_AT_END)
        name = path if path != b"/" else b""  # as in node_digest
        crc = crc32(record[4 : at + 16], crc32(name))
        return _Parent(
            record[:-_CHANGING_AT_END],
            middle,
            crc,
            record[at + 16 : at + 36],
            middle[:12],
            digest,
            cversion,
            creates_under(record),
            count,
        )

    def take(self, origin: Any, buf: bytes, pos: int, end: int, most: int) -> Run:
        """Prepare the run of plain creates that begins at `pos`, `most` of them at the most.

        `buf[pos:end]` are frames of a live session. A create that must go the long way is not
        taken, and nothing is changed by having looked at it.
        """
        view, order, session_id = self._view, self._prep.order, origin.session_id
        nodes, records, digests = self._tree.nodes, view.records, view.digests
        taken: list[PlainWrite] = []
        entries: list[bytes] = []
        total, zxid, now = view.digest, order.proposed, self._prep.wall_ms
        most = self._room(most)
        known = b""  # the parent that is taken apart
        while len(taken) < most and end - pos >= _SMALLEST:
            length, cxid, op, path_size = unpack_start(buf, pos)
            stop = pos + 4 + length
            at = pos + 16 + path_size
            acl_at = stop - _END_SIZE
            if (op != CREATE and op != CREATE2) or stop > end or length > self._max_frame:
                break
            if path_size < 2 or at > acl_at - 4 or at + 4 + unpack_int(buf, at)[0] != acl_at:
                break  # the root, null data, or not what it says it is
            if not buf.startswith(OPEN_ACL_BYTES, acl_at):
                break
            path = buf[pos + 16 : at]
            parent = path[: path.rfind(b"/")] or b"/"
            if parent != known:
                found = self._parent(parent)
                if found is None:
                    break
                known = parent
                head, middle, crc, times, tail, digest, cversion, creates, count = found
            (flags,) = unpack_int(buf, stop - 4)
            body = buf[pos + 12 : stop - 4]
            if flags == _SEQUENTIAL:
                path += b"%010d" % creates
                body = _pack_int(len(path)) + path + buf[at : stop - 4]
            elif flags:
                break
            if path in nodes or path in records or path in view.acls or creates >= MAX_INT32:
                break
            if (path[1] == _Z and path.startswith(_SYSTEM)) or invalid_reason(path) is not None:
                break
            zxid += 1
            creates += 1
            count += 1
            cversion += 1 if cversion != MAX_INT32 else -0xFFFFFFFF
            # with_new_child_and_digest and new_record_and_digest, spelled out.
            parent_record = head + _pack_changing(cversion, middle, count, zxid)
            total -= digest
            digest = crc32(_pack_parent_digest(zxid, times, creates, tail), crc)
            stat = _pack_new_stat(zxid, zxid, now, now, acl_at - at - 4, zxid)
            record = buf[at:acl_at] + stat
            seen = _pack_new_digest(zxid, zxid, zxid, now, now)
            total += digest + crc32(seen, crc32(buf[at + 4 : acl_at], crc32(path)))
            records[parent] = parent_record
            records[path] = record
            digests[parent] = (parent_record, digest)
            header = pack_txn_header(session_id, cxid, zxid, now, op)
            entries.append(header + body + _pack_tail(creates, DIGEST_VERSION, total))
            answer = body[: 4 + len(path)] if op == CREATE else body[: 4 + len(path)] + stat
            reply = pack_reply(REPLY_SIZE + len(answer), cxid, zxid, 0) + answer
            taken.append((zxid, path, record, reply, origin, total, parent, parent_record))
            pos = stop
        if taken:
            view.digest = total
            view.trim_digests()
            order.propose_run(taken[0][0], entries)
        return taken, pos
