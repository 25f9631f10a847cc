"""setData with nothing special about it: the hottest write. See plain_writes.py."""

from __future__ import annotations

from struct import Struct
from typing import Any
from zlib import crc32

from zoo.jute.operations import Op
from zoo.pipeline.plain_writes import PlainWrite, PlainWrites, Run, unpack_int, unpack_start
from zoo.pipeline.prep import pack_txn_header
from zoo.pipeline.replies import REPLY_SIZE, pack_reply
from zoo.tree.record import (
    DIGEST_VERSION,
    MAX_INT32,
    OWNER_AT_END,
    STAT_SIZE,
    SYSTEM_SUBTREE,
    node_digest,
    pack_digest_stat,
    pack_stat,
    unpack_stat,
)

SET_DATA = int(Op.setData)
_SET_TAIL = Struct(">iiq")  # the new version, then a TxnDigest

_SMALLEST = 26  # bytes of a frame with a path of two bytes and no data
_Z = ord("z")  # of /zookeeper
_REPLY_LENGTH = REPLY_SIZE + STAT_SIZE

_pack_tail = _SET_TAIL.pack


class PlainSets(PlainWrites):
    """The sets among the plain writes."""

    __slots__ = ()

    def take(self, origin: Any, buf: bytes, pos: int, end: int, most: int) -> Run:
        """Prepare the run of plain sets that begins at `pos`, `most` of them at the most.

        `buf[pos:end]` are frames of a live session. A set that must go the long way is not taken,
        and nothing is changed by having looked at it.
        """
        view, order, session_id = self._view, self._prep.order, origin.session_id
        nodes, veiled = self._tree.nodes, self._tree.veiled
        records, digests = view.records, view.digests
        taken: list[PlainWrite] = []
        entries: list[bytes] = []
        total, zxid, now = view.digest, order.proposed, self._prep.wall_ms
        most = self._room(most)
        while len(taken) < most and end - pos >= _SMALLEST:
            length, cxid, op, path_size = unpack_start(buf, pos)
            stop = pos + 4 + length
            at = pos + 16 + path_size
            last = stop - 4
            if op != SET_DATA or stop > end or length > self._max_frame:
                break
            if path_size < 2 or at > last - 4 or at + 4 + unpack_int(buf, at)[0] != last:
                break  # the root, null data, or not what it says it is
            path = buf[pos + 16 : at]
            if path in records:
                old = records[path]
                # A node that is not committed yet can be a container or a TTL node unveiled.
                if old is None or old[-OWNER_AT_END] & 0x80:
                    break
                if path in view.acls or path in veiled:
                    break
            elif path in nodes and path not in veiled:
                old = nodes[path]
            else:
                break
            if path[1] == _Z and path.startswith(SYSTEM_SUBTREE):
                break
            cz, _, ct, _, version, cv, av, owner, _, n, pz = unpack_stat(old, len(old) - STAT_SIZE)
            (expected,) = unpack_int(buf, last)
            if (expected != version and expected != -1) or version == MAX_INT32:
                break
            version += 1
            zxid += 1
            # From here to `digest` it is with_data_and_digest, spelled out.
            data = buf[at + 4 : last]
            stat = pack_stat(cz, zxid, ct, now, version, cv, av, owner, len(data), n, pz)
            record = buf[at:last] + stat
            creates = ((cv + n) & 0xFFFFFFFF) >> 1
            seen = pack_digest_stat(cz, zxid, pz, ct, now, version, creates, av, owner)
            digest = crc32(seen, crc32(data, crc32(path)))
            known = digests.get(path)
            if known is not None and known[0] is old:
                total += digest - known[1]
            else:
                total += digest - node_digest(path, old)
                view.trim_digests()
            records[path] = record
            digests[path] = (record, digest)
            head = pack_txn_header(session_id, cxid, zxid, now, SET_DATA)
            tail = _pack_tail(version, DIGEST_VERSION, total)
            entries.append(head + buf[pos + 12 : last] + tail)
            reply = pack_reply(_REPLY_LENGTH, cxid, zxid, 0) + stat
            taken.append((zxid, path, record, reply, origin, total))
            pos = stop
        if taken:
            view.digest = total
            order.propose_run(taken[0][0], entries)
        return taken, pos
