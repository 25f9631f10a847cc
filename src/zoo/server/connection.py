"""One client connection: bytes in, bytes out.

Theory of operation. A connection begins with a hello (a four-letter word, a stranger's protocol, or
a ConnectRequest), waits for its session, and then takes requests.

The order of replies is the order of requests. A write is prepared at once and waits for its commit;
a request that follows it waits behind it, because it must see it ("read your writes"). So `waiting`
holds, in order, the connection's prepared writes and the requests that came after one. While it is
empty a read is answered in the same call that brought its bytes: no queue, no object, nothing but a
dict lookup and a header. This loop is the server's hottest: `receive` reads headers by hand and
knows getData and exists of unguarded znodes itself.

Limits keep a client from filling our memory. While it does not read, replies pile up in `out`: past
`max_unsent` we take no more requests from it until it has read. What is under way by then is still
answered in its turn, since a read that waited longer would see later writes of its own session;
most of that is records which the tree holds anyway, and of the rest (lists, and watch events, which
nobody asks for one by one) `MAX_BACKLOG` cuts the client off. Requests that wait behind a write are
limited by number and size, and writes under way for all clients together, by
globalOutstandingLimit. A frame is measured before it is kept.
"""

from __future__ import annotations

import logging
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from zoo.errors import Code, KeeperError, ProtocolViolation
from zoo.jute.client_records import AuthPacket, SetSASLResponse
from zoo.jute.codec import JuteError
from zoo.jute.constants import PING_XID
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.pipeline.plain_writes import PlainWrite
from zoo.pipeline.proposal import Proposal
from zoo.pipeline.reads import READS
from zoo.pipeline.replies import REPLY, REPLY_SIZE, event_frame, pack_reply, reply_frame
from zoo.server.handshake import Handshake
from zoo.server.input_buffer import InputBuffer
from zoo.server.stats import ConnectionStats
from zoo.session.tracker import Session
from zoo.tree.acl import OPEN_ACL, Acl, Identity
from zoo.tree.record import STAT_SIZE

if TYPE_CHECKING:
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

PATH_LENGTH = Struct(">i")

unpack_request = Struct(">iii").unpack_from  # frame length, xid, operation
unpack_length = PATH_LENGTH.unpack_from

GET_DATA, EXISTS = int(Op.getData), int(Op.exists)
FAST_READS = (GET_DATA, EXISTS)
AUTH, CLOSE_SESSION, PING = int(Op.auth), int(Op.closeSession), int(Op.ping)

MAX_BACKLOG = 16 << 20
"""Bytes made for one client alone that may wait for it to read."""
_SEND_SIZE = 1 << 18


class Deferred(NamedTuple):
    """A request that waits behind a write of its own session."""

    xid: int
    op: int
    payload: bytes


class ClientConnection:
    """The server's end of one client connection, without the socket.

    The driver feeds `receive` unless `paused`, sends what `take_output` returns, and reports
    `closed`. It must close the socket once `closing` is set and all output is out.
    """

    def __init__(self, core: ServerCore, peer: str, ip: str) -> None:
        self.core = core
        self.peer = peer
        self.ip = ip
        self.out: list[bytes] = []
        self.out_size = 0
        self.closing = False
        self.is_closed = False
        self.paused = False
        self.dirty = False
        self.stats = ConnectionStats(peer, core.now_ms)
        self.identities: list[Identity] = list(core.registry.first_identities(ip))
        self.session: Session = _NO_SESSION
        self.session_id = 0
        self.waiting: deque[Proposal | PlainWrite | Deferred] = deque()
        self.handshake: Handshake | None = Handshake(self)
        self._owned = 0
        self._deferred_size = 0
        self.input = InputBuffer()

    def __repr__(self) -> str:
        return f"ClientConnection({self.peer}, session 0x{self.session_id & (1 << 64) - 1:x})"

    # --- input

    def receive(self, data: bytes) -> None:
        """Bytes from the client. Also called with none, to go on after a pause."""
        kept = self.input
        if kept.pieces or self.paused:
            whole = kept.add(data, self.paused)
            if whole is None:
                return
            data = whole
        if self.closing:
            return
        try:
            if self.handshake is not None:
                data = self.handshake.receive(data)
                if self.handshake is not None:
                    kept.keep(data, 0 if self.paused else 1)
                    return
            self._requests(data)
        except ProtocolViolation as violation:
            log.warning("closing %s: %s", self.peer, violation)
            self.close()

    def _requests(self, buf: bytes) -> None:
        core = self.core
        nodes, veiled = core.tree.nodes, core.tree.veiled
        zxid = core.tree.last_zxid
        out, waiting = self.out, self.waiting
        append = out.append
        plain_writes, proposals = core.plain_writes, core.proposals
        max_frame, max_unsent = core.max_frame, core.max_unsent
        limit = core.outstanding_limit
        pos, end = 0, len(buf)
        size = self.out_size
        count = sent = body_size = 0
        xid = op = 0
        session = self.session
        session.seen = core.session_clock
        plain = not session.closing and session.owner is self
        while end - pos >= 12:
            length, xid, op = unpack_request(buf, pos)
            stop = pos + 4 + length
            if length > max_frame or length < 8 or stop > end:
                break
            count += 1
            if op in FAST_READS and not waiting and plain and length >= 13:
                # A read of an unguarded znode without a watch: header and record, nothing else.
                path_stop = pos + 16 + unpack_length(buf, pos + 12)[0]
                if path_stop == stop - 1 and not buf[path_stop]:
                    path = buf[pos + 16 : path_stop]
                    if path in nodes and path not in veiled:
                        record = nodes[path]
                        if op == EXISTS:
                            record = record[-STAT_SIZE:]
                        body_size = len(record)
                        append(pack_reply(REPLY_SIZE + body_size, xid, zxid, 0))
                        append(record)
                        pos = stop
                        sent += 1
                        size += REPLY.size + body_size
                        if size > max_unsent:
                            break
                        continue
            elif op in plain_writes and plain:
                run, stop = plain_writes[op](self, buf, pos, end, limit - core.outstanding)
                if run:
                    waiting.extend(run)
                    proposals.extend(run)
                    pos = stop
                    count += len(run) - 1
                    core.outstanding += len(run)
                    if core.outstanding >= limit:
                        core.throttle(self)
                        break
                    continue
            self.out_size = size
            stop = pos + 4 + length
            self.request(xid, op, buf[pos + 12 : stop])
            size = self.out_size
            pos = stop
            plain = plain and not session.closing
            if self.closing or self.paused or size > max_unsent:
                break
        self.out_size = size
        core.count_requests(self, count, sent if out else 0, op, xid, body_size)
        if out and not self.dirty:
            self.mark_dirty()
        if size > max_unsent:
            self.pause()
        if pos < end:
            self._keep_rest(buf, pos, end)

    def _keep_rest(self, buf: bytes, pos: int, end: int) -> None:
        have = end - pos
        missing = 4 - have
        if have >= 4:
            length = unpack_length(buf, pos)[0]
            if length > self.core.max_frame or length < 8:
                self._refuse_length(length)
            missing = 4 + length - have
        self.input.keep(buf[pos:], missing)

    def _refuse_length(self, length: int) -> None:
        self.core.stats.metrics.large_requests_rejected.value += 1
        raise ProtocolViolation(
            f"a frame of {length} bytes: allowed are 8 to {self.core.max_frame} (jute.maxbuffer)"
        )

    def request(self, xid: int, op: int, payload: bytes) -> None:
        """One request, in whatever order it may be answered."""
        if op in self.core.writing.takes:
            self._write(xid, op, payload)
        elif op == AUTH:
            self._auth(xid, payload)
        elif op == CLOSE_SESSION and not self.session.is_local:
            self.core.add_outstanding(self, self.core.writing.close_session(self, xid))
        elif self.session.closing or self.session.owner is not self:
            self._session_gone(xid)
        elif self.waiting:
            self._defer(xid, op, payload)
        else:
            self._answer(xid, op, payload)

    def _defer(self, xid: int, op: int, payload: bytes) -> None:
        """Let a request wait behind the session's writes."""
        self.waiting.append(Deferred(xid, op, payload))
        self._deferred_size += len(payload)
        core = self.core
        if op == CLOSE_SESSION:
            core.local_sessions.end(self.session)  # what comes behind it is not done
        if self._deferred_size > core.max_unsent or len(self.waiting) >= core.outstanding_limit:
            self.pause()

    def _write(self, xid: int, op: int, payload: bytes) -> None:
        try:
            proposal = self.core.writing.prepare(self, xid, op, payload)
        except JuteError as error:
            log.info("%s: undecodable request %d: %s", self.peer, op, error)
            # Refused without a transaction, so the refusal only has to keep its place in the order.
            self._refuse(xid, Code.MARSHALLINGERROR)
        except KeeperError as refusal:
            self._refuse(xid, refusal.code)
        else:
            self.core.add_outstanding(self, proposal)

    def _refuse(self, xid: int, code: int) -> None:
        if self.waiting:
            self._defer(xid, _REFUSED, PATH_LENGTH.pack(code))
        else:
            self.reply(xid, self.core.tree.last_zxid, code, b"")

    def _session_gone(self, xid: int) -> None:
        if self.session.closing:
            self._refuse(xid, Code.SESSIONEXPIRED)
        else:  # another connection serves it now: this one has lost its business here
            self.close()

    def _answer(self, xid: int, op: int, payload: bytes) -> None:
        """Answer a request that has nothing of its own session before it."""
        core = self.core
        zxid = core.tree.last_zxid
        if op in FAST_READS and (record := core.reads.plain(op, payload)) is not None:
            self._reply_read(xid, zxid, op, record)
            return
        read = READS.get(op)
        if read is not None:
            try:
                body = read(core.reads, self, payload)
            except KeeperError as refusal:
                self.reply(xid, zxid, refusal.code, b"")
            except JuteError as error:
                log.info("%s: undecodable request %d: %s", self.peer, op, error)
                self.reply(xid, zxid, Code.MARSHALLINGERROR, b"")
            else:
                self._reply_read(xid, zxid, op, body)
        elif op == PING:
            self.reply(PING_XID, zxid, 0, b"")
            core.note_read(0)
        elif op == Op.sasl:
            # A server without SASL configured says yes to everything and grants nothing.
            self.reply(xid, 0, 0, encode(SetSASLResponse(None)))
        elif op == CLOSE_SESSION:
            core.local_sessions.close(self, xid)
        elif op == _REFUSED:
            self.reply(xid, zxid, unpack_length(payload)[0], b"")
        else:
            log.warning("%s: operation %d is unknown: refused, connection closed", self.peer, op)
            self.reply(xid, -1, Code.UNIMPLEMENTED, b"")
            self.close()

    def _auth(self, xid: int, payload: bytes) -> None:
        """Answered at once, as ZooKeeper does: it changes the connection, not the tree."""
        try:
            packet = decode(AuthPacket, payload)
            granted = self.core.authenticate(packet.scheme, packet.auth, self)
        except KeeperError:
            log.warning("%s: authentication failed", self.peer)
            self.reply(xid, 0, Code.AUTHFAILED, b"")
            self.close()
            return
        self.identities += dict.fromkeys(each for each in granted if each not in self.identities)
        self.reply(xid, 0, 0, b"")

    # --- output

    def reply(self, xid: int, zxid: int, err: int, body: bytes) -> None:
        self.send(reply_frame(xid, zxid, err, body))

    def send(self, data: bytes) -> None:
        if self.closing:  # behind a gap, perhaps: see abort
            return
        self.out.append(data)
        size = len(data)
        self.out_size += size
        self._owned += size
        self.stats.packets_sent += 1
        self.core.stats.packets_sent += 1
        if not self.dirty:
            self.mark_dirty()
        if self._owned > MAX_BACKLOG:
            self._check_backlog()

    def _reply_read(self, xid: int, zxid: int, op: int, body: bytes) -> None:
        self.send(pack_reply(REPLY_SIZE + len(body), xid, zxid, 0))
        if self.closing:  # that was too much
            return
        self.out.append(body)
        self.out_size += len(body)
        self.core.note_read(len(body))
        if op != GET_DATA:  # that one is the tree's own record
            self._owned += len(body)

    def _check_backlog(self) -> None:
        self._owned = min(self._owned, self.out_size)
        if self._owned > MAX_BACKLOG:
            text = "closing %s: it leaves %d bytes of replies and events unread, %d are allowed"
            log.warning(text, self.peer, self.out_size, MAX_BACKLOG)
            self.abort()

    def mark_dirty(self) -> None:
        """There is something for the driver to send, to poll for, or to close."""
        self.dirty = True
        self.core.dirty.append(self)

    def finish(self, proposal: Proposal) -> None:
        """A write of ours has committed: answer it and whatever waited behind it."""
        first = self.waiting.popleft()
        assert first is proposal, f"{self}: committed {proposal.zxid:#x} out of order"
        self.core.outstanding -= 1
        if self.closing:
            return
        if proposal.opens:
            assert self.handshake is not None
            self.handshake.established()
            return
        self.send(proposal.reply)
        if proposal.closes:
            self.close()
        elif self.waiting:
            self._advance()

    def finish_plain(self, proposal: Proposal | PlainWrite, reply: bytes) -> None:
        """The same for a plain write."""
        waiting = self.waiting
        first = waiting.popleft()
        assert first is proposal, f"{self}: committed {proposal} out of order"
        core = self.core
        core.outstanding -= 1
        if self.closing:
            return
        self.out.append(reply)
        self.out_size += len(reply)
        self.stats.packets_sent += 1
        if not self.dirty:
            self.mark_dirty()
        if self.paused:
            core.resume_later(self)
        if waiting and type(waiting[0]) is Deferred:
            self._advance()

    def _advance(self) -> None:
        """Answer what stands at the head of the queue and is no write, here and now: the next
        write of this session may commit in this very turn.
        """
        waiting = self.waiting
        while waiting and isinstance(first := waiting[0], Deferred):
            xid, op, payload = first
            waiting.popleft()
            self._deferred_size -= len(payload)
            self._answer(xid, op, payload)
            if self.closing:
                return
        if self.paused:
            self.core.resume_later(self)

    def notify(self, event: int, path: bytes, zxid: int, acl: Acl) -> None:
        """Tell of a watch event, unless this client may not read the znode (CVE-2024-23944)."""
        if acl is not OPEN_ACL and not self.core.access.permits(self, acl, 1, path):
            return
        frame = event_frame(event, path, zxid)
        self.core.stats.metrics.watch_bytes.value += len(frame)
        self.send(frame)

    # --- towards the driver

    def take_output(self) -> bytes:
        """What is to be sent next: all there is, or a good piece of it where it is a lot."""
        self.dirty = False
        out = self.out
        if self.out_size <= self.core.max_unsent:
            data = b"".join(out)
            out.clear()
            return data
        count = size = 0
        while count < len(out) and size < _SEND_SIZE:
            size += len(out[count])
            count += 1
        data = b"".join(out[:count])
        del out[:count]
        return data

    def sent(self, size: int) -> None:
        """The client has taken `size` bytes."""
        self.out_size -= size
        if not self.out_size:
            self._owned = 0
        if self.paused:
            self.try_resume()

    def pause(self) -> None:
        """Take no more requests for now; the driver stops reading."""
        if not self.paused:
            self.paused = True
            if not self.dirty:
                self.mark_dirty()

    def try_resume(self) -> None:
        """Go on with what has been received, if nothing stands against it any more."""
        core = self.core
        if (
            not self.paused
            or self.closing
            or self.handshake is not None
            or self.out_size > core.max_unsent // 2
            or self._deferred_size > core.max_unsent // 2
            or len(self.waiting) > core.outstanding_limit // 2
        ):
            return
        if core.is_full:
            core.throttle(self)
            return
        self.paused = False
        if not self.dirty:
            self.mark_dirty()
        self.receive(b"")

    # --- the end

    def close(self) -> None:
        """Take no more requests and answer no more of those that wait; the driver closes the socket
        once the output is out. Writes that are prepared still commit.
        """
        self.closing = True
        self._drop_deferred()
        if not self.dirty:
            self.mark_dirty()

    def take_waiting(self) -> list[Proposal | PlainWrite | Deferred]:
        items = list(self.waiting)
        self.waiting.clear()
        self._deferred_size = 0
        return items

    def _drop_deferred(self) -> None:
        """Only writes must stay: each still pops itself when it commits."""
        items = self.take_waiting()
        self.waiting.extend(item for item in items if not isinstance(item, Deferred))

    def abort(self) -> None:
        """Close without sending what is left."""
        self.out.clear()
        self.out_size = 0
        self.close()

    def closed(self) -> None:
        """The socket is gone. Prepared writes still commit; nobody is there to be told."""
        self.closing = self.is_closed = True
        self._drop_deferred()
        self.out.clear()
        self.out_size = 0
        self.input.clear()
        self.core.forget(self)
        self.session = _NO_SESSION  # it may have us as its owner: a cycle would stay for ever


_REFUSED = 1 << 32  # no operation number has so many bits: the body is the error to answer
_NO_SESSION = Session(0, 0, 0)
