"""The write side of a learner: to the leader and back.

Theory of operation. A learner prepares nothing. What its clients want to write, and their syncs, go
to the leader; a `Forwarded` takes their place in the connection's queue, so what the client asks
next waits behind it, as behind a write that is being prepared. The write comes back as a committed
transaction, one of all those that are applied here. Whose it is says its header: if the session is
served here, and the head of that connection's queue is this xid and operation, the reply is made
from what the transaction did. Watches have fired by then, so their events are ahead of it.

Xids alone would not do: a client may begin anew with xid 1 on each connection, while what it sent
over the last one is still on its way. But the link to the leader is in order; whatever was proposed
before we forwarded a request has been received by then and cannot be it. `floor` says that.

A request that cannot be decoded is refused here. (Java's leader would give the refusal the zxid of
another transaction.)
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from zoo.errors import Code, KeeperError
from zoo.jute.client_records import SyncRequest
from zoo.jute.operations import CLIENT_WRITES, OPERATIONS, Op
from zoo.jute.schema import decode, encode
from zoo.pipeline.plain_writes import Run, Take, unpack_int, unpack_start
from zoo.pipeline.proposal import Proposal
from zoo.pipeline.replies import REPLY_SIZE, pack_reply, reply_frame
from zoo.pipeline.txn_replies import answer
from zoo.server.local_sessions import needs_global
from zoo.server.plain_delivery import Delivered
from zoo.tree.acl import OPEN_ACL_BYTES
from zoo.tree.replay import Replayed, replay
from zoo.zab.replica import Learning

if TYPE_CHECKING:
    from zoo.server.connection import ClientConnection
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

_SYNC, _MULTI, _ERROR = int(Op.sync), int(Op.multi), int(Op.error)
_SET_DATA, _CREATE = int(Op.setData), int(Op.create)
_CREATES = (_CREATE, int(Op.create2))
_SMALLEST = 24  # bytes of a frame with an empty path and no data
_CREATE_SESSION, _CLOSE_SESSION = int(Op.createSession), int(Op.closeSession)
_pack_length = _pack_timeout = Struct(">i").pack
_pack_request = Struct(">ii").pack
_NOTHING = bytes(8)
_ROOT = encode(SyncRequest(b"/"))
_unpack_header = Struct(">qiqqi").unpack_from
_REQUESTS = {op: OPERATIONS[op].request for op in (*CLIENT_WRITES, _SYNC)}


def apply(core: ServerCore, entry: bytes) -> Replayed:
    """Carry a committed transaction out on the tree and the table of sessions."""
    done = replay(core.outstanding_view, entry)
    if done.opens is not None:
        core.sessions.track(*done.opens)
    elif done.closes:
        core.end_session(done.closes)
    if not done.zxid & 127:
        core.digest_log.append((done.zxid, core.tree.digest))
    return done


class Forwarded(Proposal):
    """A request on its way to the leader and back."""

    __slots__ = ("_request", "began_ms", "closes", "cxid", "floor", "is_done", "op", "opens")

    def __init__(
        self, cxid: int, op: int, floor: int, began_ms: int, request: bytes = _NOTHING
    ) -> None:
        """`request`: the whole of it, xid and operation in front."""
        # It has nothing to commit: the rest of a proposal's attributes would be wasted on it.
        self.reply = b""
        self.cxid = cxid
        self.op = op
        self.floor = floor
        self.began_ms = began_ms
        self.is_done = False
        self.opens = 0
        self.closes = 0
        self._request = request

    @property
    def payload(self) -> bytes:
        return self._request[8:]


def _is_plain(buf: bytes, path: int, path_size: int, op: int, stop: int) -> bool:
    """Is this a setData or a create with the open ACL that decodes? The path is at `path`."""
    at = path + path_size
    if path_size < 0 or at > stop - 8:
        return False
    behind: int = at + 4 + unpack_int(buf, at)[0]
    if behind < at + 4:
        return False
    if op == _SET_DATA:
        return behind == stop - 4
    return op in _CREATES and buf[behind : stop - 4] == OPEN_ACL_BYTES


class Forwarding:
    """Writes of a server that follows or observes; see zoo.server.writing.

    `last_logged` tells the last zxid that the leader has proposed to us.
    """

    decides = False
    takes = CLIENT_WRITES | {_SYNC}

    def __init__(self, core: ServerCore, learner: Learning, last_logged: Callable[[], int]) -> None:
        self._core = core
        self._learner = learner
        self._last_logged = last_logged
        self._syncs: deque[tuple[ClientConnection, Forwarded | None]] = deque()
        self._settling: dict[ClientConnection, int] = {}
        self._revalidating: dict[int, ClientConnection] = {}
        self._touched_until = core.session_clock
        self._left: dict[int, int] = {}  # heard of since then, and gone
        self.plain_writes: dict[int, Take] = dict.fromkeys((_SET_DATA, *_CREATES), self.take)

    # --- to the leader

    def _forwarded(self, cxid: int, op: int, request: bytes = _NOTHING) -> Forwarded:
        return Forwarded(cxid, op, self._last_logged(), self._core.now_ms, request)

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Forwarded:
        """Forward a client's write or sync. Raises JuteError, and KeeperError for what a local
        session may not do.
        """
        record = _REQUESTS[op]
        if record is not None:  # a multi, decodable or not, has a zxid of its own in any case
            decode(record, payload)
        if connection.session.is_local:
            self._check_local(connection, op, payload)
        forwarded = self._forwarded(xid, op, _pack_request(xid, op) + payload)
        if op == _SYNC:
            forwarded.reply = self._core.reads.sync(connection, payload)
            self._syncs.append((connection, forwarded))
        self._learner.forward(connection.session_id, xid, op, payload, connection.identities)
        return forwarded

    def take(self, connection: Any, buf: bytes, pos: int, end: int, most: int) -> Run:
        """Forward the run of plain writes that begins at `pos`, as `PlainSets.take` prepares one:
        `buf[pos:end]` are frames of a live session. What is not plain is left to `prepare`.
        """
        run: list[Any] = []
        if connection.session.is_local:
            return run, pos
        floor, now, max_frame = self._last_logged(), self._core.now_ms, self._core.max_frame
        requests: list[bytes] = []
        while len(run) < most and end - pos >= _SMALLEST:
            length, cxid, op, path_size = unpack_start(buf, pos)
            stop = pos + 4 + length
            if (
                stop > end
                or length > max_frame
                or not _is_plain(buf, pos + 16, path_size, op, stop)
            ):
                break
            request = buf[pos + 4 : stop]
            requests.append(request)
            run.append(Forwarded(cxid, op, floor, now, request))
            pos = stop
        if run:
            self._learner.forward_run(connection.session_id, requests, connection.identities)
        return run, pos

    def _check_local(self, connection: ClientConnection, op: int, payload: bytes) -> None:
        if connection.session.closing:  # the leader, which decides this otherwise, cannot know
            raise KeeperError(Code.SESSIONEXPIRED)
        if needs_global(op, payload):
            self._upgrade(connection)

    def _upgrade(self, connection: ClientConnection) -> None:
        """Have the leader make a local session a global one, ahead of what needs that."""
        session = connection.session
        self._core.local_sessions.upgraded(session)
        self._open(connection, session.id, session.timeout)

    def _open(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        payload = _pack_timeout(timeout)
        self._learner.forward(session_id, 0, _CREATE_SESSION, payload, connection.identities)

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        core = self._core
        if core.opens_local:
            core.local_sessions.open(connection, timeout)
            return
        session_id = core.ids.next(core.sessions)
        forwarded = self._forwarded(0, _CREATE_SESSION)
        forwarded.opens = connection.session_id = session_id
        core.attached[session_id] = connection
        connection.waiting.append(forwarded)
        core.outstanding += 1
        self._open(connection, session_id, timeout)

    def close_session(self, connection: ClientConnection, xid: int) -> Forwarded:
        session_id = connection.session_id
        forwarded = self._forwarded(xid, _CLOSE_SESSION)
        forwarded.closes = session_id
        self._learner.forward(session_id, xid, _CLOSE_SESSION, b"", connection.identities)
        return forwarded

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        """Ask the leader whether the session lives; the password has proved whose it is."""
        if session_id in self._core.local_sessions:
            self._take_up_local(connection, session_id, timeout)
            return
        asking = self._revalidating.get(session_id)
        if asking is not None:
            asking.abort()
        self._revalidating[session_id] = connection
        self._learner.revalidate(session_id, timeout)

    def _take_up_local(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        """Nobody has to be asked, but what its old connection has forwarded must be here first: the
        client is to see it, and must not be told it as the answer to what it sends now.
        """
        self._core.local_sessions.take_up(connection, session_id, timeout)
        self._settling[connection] = session_id
        self._syncs.append((connection, None))
        self._learner.forward(session_id, 0, _SYNC, _ROOT, connection.identities)

    def forgotten(self, connection: ClientConnection) -> None:
        """A connection is gone: nobody waits any more for what it has sent."""
        self._core.outstanding -= sum(type(item) is Forwarded for item in connection.waiting)
        connection.waiting.clear()
        self._settling.pop(connection, None)
        self._core.local_sessions.known_to_all(connection.session_id)
        if self._is_touched(connection, self._touched_until):
            self._left[connection.session_id] = connection.session.timeout

    # --- back from the leader

    def applied(self, entry: bytes, done: Replayed) -> None:
        """A transaction has been applied: answer it if it is one of ours."""
        core = self._core
        session_id, cxid, _, _, kind = _unpack_header(entry)
        connection = core.attached.get(session_id)
        if connection is None:
            return
        waiting = connection.waiting
        if waiting:
            item = waiting[0]
            if (
                type(item) is Forwarded
                and item.cxid == cxid
                and (kind == item.op or kind == _ERROR)
                and item.floor < done.zxid
            ):
                self._answer(connection, item, done)
                return
        if done.closes:
            connection.close()
        elif done.opens is not None and connection.session.id == session_id:
            session = core.sessions.get(session_id)
            assert session is not None
            core.attach(connection, session)  # it was a local one
            core.local_sessions.known_to_all(session_id)

    def applied_plain(self, done: Delivered) -> None:
        """The same for a setData or create that was applied the short way."""
        session_id, cxid, zxid, op, path, body, _ = done
        core = self._core
        connection = core.attached.get(session_id)
        if connection is None or not connection.waiting:
            return
        waiting: deque[Any] = connection.waiting
        item = waiting[0]
        if type(item) is not Forwarded or item.cxid != cxid or item.op != op or item.floor >= zxid:
            return
        if op != _SET_DATA:
            name = _pack_length(len(path)) + path
            body = name if op == _CREATE else name + body
        core.stats.record_updates(core.now_ms - item.began_ms, 1)
        core.stats.packets_sent += 1
        reply = pack_reply(REPLY_SIZE + len(body), cxid, zxid, 0) + body
        connection.finish_plain(item, reply)
        if waiting and type(waiting[0]) is Forwarded and waiting[0].is_done:
            self._finish_done(connection)

    def _answer(self, connection: ClientConnection, item: Forwarded, done: Replayed) -> None:
        core = self._core
        item.zxid = done.zxid
        err, body = answer(core.tree, item.op, done)
        if item.opens:
            session = core.sessions.get(item.opens)
            if session is None:
                log.warning("%s: the leader refuses a new session: error %d", connection.peer, err)
                connection.abort()
            else:
                core.attach(connection, session)
        elif err == Code.SESSIONMOVED:
            log.info("%s: its session is served by another server now", connection.peer)
            connection.close()
        else:
            item.reply = reply_frame(item.cxid, done.zxid, err, body)
        self._finish(connection, item)

    def _finish(self, connection: ClientConnection, item: Forwarded) -> None:
        item.is_done = True
        self._finish_done(connection)

    def _finish_done(self, connection: ClientConnection) -> None:
        core = self._core
        waiting: deque[Any] = connection.waiting
        while waiting and type(waiting[0]) is Forwarded and waiting[0].is_done:
            core.stats.record_updates(core.now_ms - waiting[0].began_ms, 1)
            connection.finish(waiting[0])

    def synced(self) -> None:
        """SYNC: all that was committed before the oldest sync was asked for is here now."""
        if not self._syncs:
            log.warning("the leader answers a sync that nobody has asked for")
            return
        connection, item = self._syncs.popleft()
        if item is None:
            if self._settling.pop(connection, None) and connection.handshake is not None:
                connection.handshake.established()
            return
        item.zxid = zxid = self._core.tree.last_zxid
        item.reply = reply_frame(item.cxid, zxid, 0, item.reply)
        self._finish(connection, item)

    def revalidated(self, session_id: int, valid: bool) -> None:
        connection = self._revalidating.pop(session_id, None)
        if connection is None or connection.closing or connection.handshake is None:
            return
        core = self._core
        session = core.sessions.get(session_id)
        if not valid:
            connection.handshake.refuse("the leader knows no", session_id)
        elif session is None:  # its createSession has not come to us yet: it must try again
            connection.abort()
        else:
            core.sessions.track(session_id, connection.handshake.timeout)
            core.take_over(connection, session)
            connection.handshake.established()

    def coming_back(self) -> dict[ClientConnection, int]:
        """Who waits for the leader's word ahead of its session, and for which."""
        asking = {connection: session_id for session_id, connection in self._revalidating.items()}
        return asking | self._settling

    def touched(self) -> list[tuple[int, int]]:
        """Sessions whose clients have been heard of since the last call."""
        since, self._touched_until = self._touched_until, self._core.session_clock
        touched, self._left = self._left, {}
        touched |= {
            session_id: connection.session.timeout
            for session_id, connection in self._core.attached.items()
            if connection.session.id == session_id and self._is_touched(connection, since)
        }
        return list(touched.items())

    @staticmethod
    def _is_touched(connection: ClientConnection, since: int) -> bool:
        session = connection.session
        return session.seen >= since and session.id != 0 and not session.is_local
