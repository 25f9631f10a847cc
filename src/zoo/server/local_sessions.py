"""Sessions that this server alone knows (localSessionsEnabled, and all in read-only mode).

Theory of operation. Opening and closing such a session is no transaction: nobody else is told, so
it costs nothing, and the client cannot take it to another server. It may do all that a session may
but own ephemeral znodes, since these must go with it everywhere. With
localSessionsUpgradingEnabled it becomes an ordinary (global) session when it is about to create its
first one: its createSession goes ahead of the create.

They lie in a table of their own, whose clock is that of the global sessions. The server whose
clients they belong to expires them, in whatever role it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zoo.errors import Code, KeeperError
from zoo.jute.client_records import CreateRequest
from zoo.jute.codec import JuteError
from zoo.jute.constants import CreateMode
from zoo.jute.operations import Op
from zoo.jute.schema import decode
from zoo.pipeline.multi import parse_multi
from zoo.session.tracker import Session, SessionTracker

if TYPE_CHECKING:
    from zoo.server.connection import ClientConnection
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

MAX_ENDED = 10_000
"""Global sessions whose end is remembered for those who have not heard of it yet."""
_CREATES = frozenset((int(Op.create), int(Op.create2)))
_MULTI = int(Op.multi)
_EPHEMERAL = frozenset(int(mode) for mode in CreateMode if mode.is_ephemeral)


class LocalSessions:
    def __init__(self, core: ServerCore) -> None:
        self._core = core
        self._tracker = SessionTracker(core.sessions.interval, core.now_ms)
        self._tracker.clock = core.sessions.clock
        self._upgrading: dict[int, Session] = {}
        self._ended: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._tracker)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._tracker

    # --- their life

    def open(self, connection: ClientConnection, timeout: int) -> None:
        core = self._core
        session_id = core.ids.next(core.sessions)
        session = self._tracker.track(session_id, timeout)
        session.is_local = True
        core.attach(connection, session)
        assert connection.handshake is not None
        connection.handshake.established()

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        """Serve it on this connection. The caller establishes it, but not ahead of what the old
        connection may have asked for.
        """
        session = self._tracker.track(session_id, timeout)
        self._core.take_over(connection, session)

    def close(self, connection: ClientConnection, xid: int) -> None:
        """Answer a closeSession: it is no transaction."""
        self.end(connection.session)
        connection.reply(xid, self._core.tree.last_zxid, 0, b"")
        connection.close()

    def end(self, session: Session) -> None:
        self._tracker.remove(session.id)
        session.closing = True
        session.owner = None

    def advance(self, now_ms: int) -> None:
        self._tracker.advance(now_ms)

    def expire(self) -> None:
        """End those whose clients are silent, and their connections."""
        core = self._core
        for session in self._tracker.expired(core.now_ms):
            log.info(
                "local session 0x%x expired after %d ms of silence",
                session.id & (1 << 64) - 1,
                session.timeout,
            )
            core.stats.metrics.stale_sessions_expired.value += 1
            self.end(session)
            connection = core.attached.get(session.id)
            if connection is not None:
                connection.close()

    def restart_clocks(self) -> None:
        """The server could not hear anybody: all get their whole timeout again."""
        for session_id, timeout in list(self._tracker.items()):
            self._tracker.track(session_id, timeout)

    def clear(self) -> None:
        self._tracker.load(())

    # --- becoming global

    def upgraded(self, session: Session) -> None:
        """The session is on its way to be known everywhere.

        Raises KeeperError EPHEMERALONLOCALSESSION where that is not allowed.
        """
        if not self._core.config.local_sessions_upgrading_enabled:
            raise KeeperError(Code.EPHEMERALONLOCALSESSION)
        log.info("local session 0x%x becomes global", session.id & (1 << 64) - 1)
        self._tracker.remove(session.id)
        session.is_local = False
        self._upgrading[session.id] = session

    def known_to_all(self, session_id: int) -> None:
        """Its createSession has been applied, or nobody here waits for that any more."""
        self._upgrading.pop(session_id, None)

    def stay_local(self) -> None:
        """Whoever was asked to make a session global has not done it, and will not."""
        upgrading, self._upgrading = self._upgrading, {}
        for session_id, session in upgrading.items():
            connection = self._core.attached.get(session_id)
            if connection is not None and connection.session is session and not session.closing:
                self._serve_again(connection)

    def reopen(self, connection: ClientConnection) -> None:
        """All that waits on it is asked for anew, in order, and so is its closeSession."""
        session = connection.session
        if session.is_local and session.closing and not connection.closing:
            self._serve_again(connection)

    def _serve_again(self, connection: ClientConnection) -> None:
        former = connection.session
        session = self._tracker.track(former.id, former.timeout)
        session.is_local = True
        self._core.attach(connection, session)

    # --- global sessions, since who knows none of a session takes it for a local one elsewhere

    def note_ended(self, session_id: int) -> None:
        """A global session has ended."""
        if self._core.opens_local:
            ended = self._ended
            ended[session_id] = None
            if len(ended) > MAX_ENDED:
                del ended[next(iter(ended))]

    def may_be_elsewhere(self, session_id: int) -> bool:
        """Can it be a session that another server alone knows? One of ours would be known here, and
        of one that has ended something may still be on its way to us.
        """
        core = self._core
        is_ours = session_id >> 56 & 0xFF == core.ids.server_id
        return core.opens_local and not is_ours and session_id not in self._ended


def needs_global(op: int, payload: bytes) -> bool:
    """Does the request create an ephemeral znode? One that cannot be decoded does not."""
    try:
        if op in _CREATES:
            return decode(CreateRequest, payload).flags in _EPHEMERAL
        if op == _MULTI:
            parts: list[tuple[Op, Any]] = parse_multi(payload)
            return any(kind in _CREATES and part.flags in _EPHEMERAL for kind, part in parts)
    except JuteError:
        return False
    return False
