"""The checker of sessions that one member alone knows: local ones, and those of read-only mode.

Theory of operation. Nothing that the ensemble agrees on tells of such a session, so the checker
keeps a note of each that a client was granted and that no createSession has made: who granted it,
when that member last heard of its client, and whether it may have forgotten it since, since its
process ended or its read-only mode did. From this follows who may take the session up again, who
may say that it is over, and what it may do: everything but own ephemeral znodes. When its
createSession is agreed on it is a session like any other, and the other checkers' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.errors import Code
from zoo.jute.client_records import ConnectResponse
from zoo.jute.constants import CreateMode
from zoo.jute.operations import Op
from zoo.jute.txns import LoggedTxn
from zoo.server.core import ServerCore
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient
from zoo.sim.cluster_scenario import SessionKind
from zoo.sim.history import History
from zoo.sim.schedule import Schedule
from zoo.sim.session_checker import does_nothing

_EPHEMERAL = frozenset(int(mode) for mode in CreateMode if mode.is_ephemeral)
_CREATES = (Op.create, Op.create2)
_ROUNDING_MS = 3


@dataclass
class OwnSession:
    """One of them, of member `sid`; times in ms."""

    sid: int
    heard: int
    timeout: int = 0
    reads_only: bool = False
    is_granted: bool = False
    """Its client knows of it."""
    forgotten: bool = False
    """Its member has begun anew since."""
    heard_anew: bool = False
    """And has heard of its client after that; an answer of before may have been on its way."""
    wants_more: bool = False
    """Its client has asked for an ephemeral znode: it may be on its way to be global."""
    is_closing: bool = False
    closed_by: int = 0
    """The xid of its closeSession, once that is answered."""


class OwnSessions(Checker):
    """See the module's theory of operation. `kind` is what new sessions are."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.kind = SessionKind.GLOBAL
        self.granted = self.upgraded = self.resumed = self.moved = 0
        self._own: dict[int, OwnSession] = {}

    def is_own(self, session_id: int) -> bool:
        """Only one member knows it, and it may write."""
        own = self._own.get(session_id)
        return own is not None and not own.reads_only

    # --- what members do

    def reached(self, sid: int, session_id: int) -> None:
        """A member hears of its client, perhaps for the first time."""
        own, now = self._own.get(session_id), self.schedule.now_ms
        if own is not None and own.sid == sid:
            own.heard, own.heard_anew = now, own.forgotten
        elif session_id and own is None and session_id not in self.history.sessions:
            self._own[session_id] = OwnSession(sid, now)

    def forgets(self, sid: int) -> None:
        """The member has begun anew, or serves no reads alone any more."""
        for own in self._own.values():
            if own.sid == sid:
                own.forgotten, own.heard_anew = True, False

    def logged(self, txn: LoggedTxn) -> None:
        session_id = txn.header.client_id
        own = self._own.get(session_id)
        if own is None:
            return
        if own.is_granted:
            self._may_log(txn, own)
        if txn.header.type == Op.createSession:
            self.upgraded += own.is_granted
            del self._own[session_id]

    def _may_log(self, txn: LoggedTxn, own: OwnSession) -> None:
        if own.reads_only:
            self.violated(f"{txn.header} by a session that may only read")
        if txn.header.type != Op.createSession:
            # What was sent ahead of it may have been on its way, unanswered (seed 1311).
            if 0 < own.closed_by < txn.header.cxid and not does_nothing(txn):
                self.violated(f"{txn.header} by a local session that was closed before")
        elif self.kind is not SessionKind.UPGRADING or not own.wants_more:
            self.violated(f"{txn.header}: a local session becomes global, unasked")

    # --- what clients see

    def connected(self, client: SimClient, response: ConnectResponse) -> None:
        session_id = client.session_id
        if session_id in self.history.sessions:
            return
        if self.kind is SessionKind.GLOBAL and not response.read_only:
            self.violated(f"{client} has a session that the ensemble knows nothing of")
        own = self._own.get(session_id)
        if own is not None and own.is_granted:
            self._resumed(client, own)
            return
        self.granted += 1
        if own is None or own.sid != client.server or session_id >> 56 & 0xFF != own.sid:
            self.violated(f"s{client.server} takes {client} for its own")
        own.is_granted, own.timeout = True, response.timeout
        own.reads_only = bool(response.read_only)

    def _resumed(self, client: SimClient, own: OwnSession) -> None:
        self.resumed += 1
        if own.sid != client.server:
            self.violated(f"s{client.server} takes up {client}, a local session of s{own.sid}")
        if own.heard_anew:
            self.violated(f"s{own.sid} takes up {client}, which it cannot know any more")
        if own.closed_by:
            self.violated(f"s{own.sid} takes up {client}, which was closed")

    def refused(self, client: SimClient) -> None:
        own = self._own.get(client.session_id)
        if own is None or not own.is_granted:
            return
        if own.sid != client.server:
            self.moved += 1
            return
        may_be_global = own.wants_more and self.kind is SessionKind.UPGRADING
        if own.forgotten or own.is_closing or may_be_global:
            return
        silence = self.schedule.now_ms - own.heard
        if silence + _ROUNDING_MS < own.timeout:
            self.violated(
                f"{client}, a local session of s{own.sid}, is over after {silence} ms of silence, "
                f"its timeout is {own.timeout} ms"
            )

    def sent(self, client: SimClient, request: Request) -> None:
        own = self._own.get(client.session_id)
        if own is not None and request.op == Op.closeSession:
            own.is_closing = True
        elif own is not None and asks_for_ephemeral(request):
            own.wants_more = True

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        own = self._own.get(client.session_id)
        if err == Code.EPHEMERALONLOCALSESSION:
            is_right = asks_for_ephemeral(request) and own is not None
            if self.kind is not SessionKind.LOCAL or not is_right:
                self.violated(f"{client}: {request} is refused as a local session's")
        elif own is None or err:
            return
        elif request.op == Op.closeSession:
            own.closed_by = request.xid
        elif asks_for_ephemeral(request):
            self.violated(f"{client}: {request} is done for a session that is local")

    def finished(self, core: ServerCore) -> None:
        left = len(core.local_sessions)
        if left:
            self.violated(f"{left} local sessions outlive their clients")


def asks_for_ephemeral(request: Request) -> bool:
    """Does it, or a part of it, create an ephemeral znode?"""
    if request.op == Op.multi:
        return any(_is_ephemeral(op, record) for op, record in request.record)
    return _is_ephemeral(request.op, request.record)


def _is_ephemeral(op: Op, record: Any) -> bool:
    return op in _CREATES and record.flags in _EPHEMERAL
