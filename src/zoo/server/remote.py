"""The leader's side of requests that learners forward.

Theory of operation. A learner forwards what its clients want to write, one REQUEST each, with the
client's session, xid and identities. Here they are prepared like any other write; only their origin
is no connection but a `RemoteSession`, which is told nothing: the learner sees the transaction come
back and answers its client itself. So every request that gets here must become a transaction, or
the learner's client waits for ever: one that makes no sense becomes an error transaction with a
zxid of its own. (Java's leader gives that one the last zxid once more.)

A session has one owner, a connection of ours or a `RemoteSession`, which says by which learner it
is served. A client that moves to another server revalidates there, and from that moment on whatever
its old server still forwards is refused with SESSIONMOVED: else an old write of a client could
overtake a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any

from zoo.errors import Code
from zoo.jute.codec import JuteError
from zoo.jute.operations import CLIENT_WRITES, Op
from zoo.jute.records import Id
from zoo.jute.schema import decode
from zoo.jute.txn_records import CreateSessionTxn
from zoo.pipeline.proposal import Proposal
from zoo.server.connection import ClientConnection
from zoo.session.tracker import Session

if TYPE_CHECKING:
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

_FRAME = Struct(">iii")  # length, xid, operation
_CREATE_SESSION, _CLOSE_SESSION = int(Op.createSession), int(Op.closeSession)
_REFUSAL = int(Op.error)
_EXPIRED = Session(0, 0, 0)
_EXPIRED.closing = True


class RemoteSession:
    """Stands in for the connection of a session that `learner` serves (pipeline's Requester).

    It has its session only while a request of it is prepared: the session has it as owner, and
    nothing breaks up a cycle of references here.
    """

    __slots__ = ("identities", "learner", "session", "session_id")

    def __init__(self, learner: Any, session_id: int) -> None:
        self.learner = learner
        self.session_id = session_id
        self.session: Session = _EXPIRED
        self.identities: Sequence[Id] = ()

    def __repr__(self) -> str:
        return f"RemoteSession(0x{self.session_id & (1 << 64) - 1:x} at {self.learner})"

    def finish(self, proposal: Any) -> None:
        """Committed; the learner learns it from the COMMIT or INFORM that it is sent."""

    def finish_plain(self, proposal: Any, reply: bytes) -> None:
        """Likewise."""


def request(
    core: ServerCore,
    learner: Any,
    session_id: int,
    cxid: int,
    op: int,
    payload: bytes,
    identities: Sequence[Id],
) -> None:
    """Prepare a forwarded write, createSession or closeSession; it takes a zxid in any case."""
    if op in core.plain_writes:
        frame = _FRAME.pack(8 + len(payload), cxid, op) + payload
        if take_run(core, learner, session_id, frame, 0, identities):
            return
    session = core.sessions.get(session_id)
    remote = None if session is None else session.owner
    if not isinstance(remote, RemoteSession) or remote.learner is not learner:
        remote = RemoteSession(learner, session_id)
    if op == _CREATE_SESSION:
        core.proposals.append(_open(core, remote, payload))
        return
    if op == _CLOSE_SESSION:
        core.close_session(remote, session_id, cxid)
        return
    if session is None and core.local_sessions.may_be_elsewhere(session_id):
        session = Session(session_id, 0, 0)
        session.is_local = True
    if session is not None:
        if session.owner is None:  # nobody has told a new leader yet who serves it
            session.owner = remote
        remote.session = session
    remote.identities = identities
    core.proposals.append(_prepare(core, remote, cxid, op, payload))
    remote.session = _EXPIRED


def request_at(frames: bytes, pos: int) -> tuple[int, int, bytes, int]:
    """The request at `pos` of a client's frames: (xid, operation, body, where it ends)."""
    length, cxid, op = _FRAME.unpack_from(frames, pos)
    stop = pos + 4 + length
    return cxid, op, frames[pos + _FRAME.size : stop], stop


def take_run(
    core: ServerCore,
    learner: Any,
    session_id: int,
    frames: bytes,
    pos: int,
    identities: Sequence[Id],
) -> int:
    """Prepare the plain writes among a client's frames from `pos` on, as far as they are plain and
    the session the learner's; returns the position behind them.
    """
    take = core.plain_writes.get(_FRAME.unpack_from(frames, pos)[2])
    session = core.sessions.get(session_id)
    if take is None or session is None or session.closing:
        return pos
    remote = session.owner
    if not isinstance(remote, RemoteSession) or remote.learner is not learner:
        return pos
    remote.identities = identities
    run, stop = take(remote, frames, pos, len(frames), len(frames))
    core.proposals.extend(run)
    return stop


def _prepare(
    core: ServerCore, remote: RemoteSession, cxid: int, op: int, payload: bytes
) -> Proposal:
    if op == _REFUSAL:  # a follower knows of a move among its observers and itself
        return core.prep.refuse(remote, cxid, Code.SESSIONMOVED)
    if op not in CLIENT_WRITES:
        log.warning("%r asks for operation %d: refused", remote, op)
        return core.prep.refuse(remote, cxid, Code.UNIMPLEMENTED)
    try:
        return core.prep.prepare(remote, cxid, op, payload)
    except JuteError as error:
        log.info("%r: undecodable request %d: %s", remote, op, error)
        return core.prep.refuse(remote, cxid, Code.MARSHALLINGERROR)


def _open(core: ServerCore, remote: RemoteSession, payload: bytes) -> Proposal:
    try:
        timeout = decode(CreateSessionTxn, payload).timeout
    except JuteError as error:
        log.warning("%r: undecodable createSession: %s", remote, error)
        return core.prep.refuse(remote, 0, Code.MARSHALLINGERROR)
    core.sessions.track(remote.session_id, timeout).owner = remote
    return core.prep.open_session(remote, remote.session_id, timeout)


def revalidate(core: ServerCore, learner: Any, session_id: int, timeout: int) -> bool:
    """Does the session live? Then the learner serves it from now on."""
    session = core.sessions.get(session_id)
    if session is None or session.closing:
        return False
    if isinstance(session.owner, ClientConnection):
        session.owner.abort()  # the client has left it
    core.sessions.track(session_id, timeout).owner = RemoteSession(learner, session_id)
    return True


def touch(core: ServerCore, session_id: int, timeout: int) -> None:
    """A learner has heard of the session's client."""
    session = core.sessions.get(session_id)
    if session is not None and not session.closing:
        session.seen = core.session_clock
        if session.timeout != timeout:
            core.sessions.track(session_id, timeout)
