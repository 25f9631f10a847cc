"""How writes and sessions are decided: by this server itself, by a leader, or not at all.

Theory of operation. What differs between a server that leads (or is alone), one that learns, and
one that has no part in an ensemble at the moment, is what happens to writes, to new sessions and to
sessions that are taken up again. A `Writing` is that difference, and `ServerCore.writing` the one
in force. `Deciding` prepares here; zoo.server.learning.Forwarding asks the leader.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from zoo.errors import Code, KeeperError
from zoo.jute.operations import CLIENT_WRITES, Op
from zoo.pipeline.plain_writes import Take
from zoo.pipeline.proposal import Proposal
from zoo.pipeline.replies import reply_frame
from zoo.server.local_sessions import needs_global
from zoo.session.tracker import Session
from zoo.zab.replica import Leading

if TYPE_CHECKING:
    from zoo.server.connection import ClientConnection
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

_SYNC, _TRANSFER_LEADER = int(Op.sync), int(Op.transferLeader)
_LEADERS = CLIENT_WRITES | {_TRANSFER_LEADER}
_WITH_SYNC = _LEADERS | {_SYNC}


class Writing(Protocol):
    """What a connection cannot answer from the tree. Items stand in its queue until answered."""

    @property
    def decides(self) -> bool:
        """Are sessions expired and containers reaped here?"""
        ...

    @property
    def takes(self) -> frozenset[int]:
        """The operations that `prepare` is asked for."""
        ...

    @property
    def plain_writes(self) -> Mapping[int, Take]:
        """Short ways of some operations; they leave to `prepare` what is not plain."""
        ...

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        """Begin a request; returns its item. Raises JuteError."""
        ...

    def open_session(self, connection: ClientConnection, timeout: int) -> None: ...

    def close_session(self, connection: ClientConnection, xid: int) -> Any:
        """Begin the end of a connection's session; returns the item."""
        ...

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        """Go on with a session whose password the client knows, or refuse it."""
        ...

    def forgotten(self, connection: ClientConnection) -> None:
        """The connection is gone for good."""
        ...


class Deciding:
    """Writes are prepared here: standalone and leader."""

    decides = True

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    @property
    def takes(self) -> frozenset[int]:
        return CLIENT_WRITES

    @property
    def plain_writes(self) -> Mapping[int, Take]:
        return self._core.plain_preparation

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        core = self._core
        session = connection.session
        if session.is_local and not session.closing and needs_global(op, payload):
            self._upgrade(connection, session)
        proposal = core.prep.prepare(connection, xid, op, payload)
        core.proposals.append(proposal)
        return proposal

    def _upgrade(self, connection: ClientConnection, session: Session) -> None:
        """Make a local session a global one, ahead of what needs that."""
        core = self._core
        core.local_sessions.upgraded(session)
        core.local_sessions.known_to_all(session.id)
        core.attach(connection, core.sessions.track(session.id, session.timeout))
        core.proposals.append(core.prep.open_session(None, session.id, session.timeout))

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        core = self._core
        if core.opens_local:
            core.local_sessions.open(connection, timeout)
            return
        session_id = core.ids.next(core.sessions)
        core.attach(connection, core.sessions.track(session_id, timeout))
        proposal = core.prep.open_session(connection, session_id, timeout)
        connection.waiting.append(proposal)
        core.proposals.append(proposal)
        core.outstanding += 1

    def close_session(self, connection: ClientConnection, xid: int) -> Any:
        return self._core.close_session(connection, connection.session_id, xid)

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        core, handshake = self._core, connection.handshake
        assert handshake is not None
        if session_id in core.local_sessions:
            core.local_sessions.take_up(connection, session_id, timeout)
            core.once_settled(connection)
            return
        session = core.sessions.get(session_id)
        if session is None or session.closing:
            handshake.refuse("there is no", session_id)
            return
        core.sessions.track(session_id, timeout)
        core.take_over(connection, session)
        core.once_settled(connection)

    def forgotten(self, connection: ClientConnection) -> None:
        """What it has asked for still commits."""


class DecidingByQuorum(Deciding):
    """The leader of others. It may have been replaced and not know it yet, so it answers a sync
    only when they are heard to follow it still. Who wants another leader asks it (`transfer`).
    """

    def __init__(
        self,
        core: ServerCore,
        leader: Leading,
        transfer: Callable[[ClientConnection, int, bytes], Any],
    ) -> None:
        super().__init__(core)
        self._leader = leader
        self._transfer = transfer

    @property
    def takes(self) -> frozenset[int]:
        return _LEADERS if self._leader.is_alone else _WITH_SYNC

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        self._leader.tell_moved(session_id)
        super().take_up(connection, session_id, timeout)

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        if op == _TRANSFER_LEADER:
            return self._transfer(connection, xid, payload)
        if op != _SYNC:
            return super().prepare(connection, xid, op, payload)
        body = self._core.reads.sync(connection, payload)
        waiting = WaitingSync(self._core, connection, xid, body)
        self._leader.sync(waiting)
        return waiting


class WaitingSync(Proposal):
    """A sync in the queue of a leader's own client, and who gets the answer."""

    __slots__ = ("_connection", "_core", "cxid")
    sid = -1

    def __init__(
        self, core: ServerCore, connection: ClientConnection, xid: int, body: bytes
    ) -> None:
        self.reply = body
        self._core = core
        self._connection = connection
        self.cxid = xid

    def send(self, data: bytes) -> None:
        """All that was proposed before is committed, and this server leads."""
        self.zxid = self._core.tree.last_zxid
        self.reply = reply_frame(self.cxid, self.zxid, 0, self.reply)
        self._connection.finish(self)


class Refusing:
    """Some or all clients are sent away.

    `refused` counts them. The log names the first of them alone: clients come again and again, and
    all at once.
    """

    def __init__(self) -> None:
        self.refused = 0

    def _send_away(self, connection: ClientConnection, reason: str) -> None:
        if not self.refused:
            log.info("%s: refused, as others will be: %s", connection.peer, reason)
        self.refused += 1
        connection.abort()


class ReadOnly(Refusing):
    """No part in the ensemble, but reads are served to clients that accept it: what is shown may be
    outdated, and nothing can be changed. Their sessions are local, and end with this.
    """

    decides = False
    takes = _WITH_SYNC
    plain_writes: Mapping[int, Take] = MappingProxyType({})

    def __init__(self, core: ServerCore) -> None:
        super().__init__()
        self._core = core

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        raise KeeperError(Code.NOTREADONLY)

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        if self._accepts(connection):
            self._core.local_sessions.open(connection, timeout)

    def close_session(self, connection: ClientConnection, xid: int) -> Any:
        raise AssertionError(f"{connection} has a global session while reads alone are served")

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        core, handshake = self._core, connection.handshake
        assert handshake is not None
        if not self._accepts(connection):
            return
        if session_id in core.local_sessions:
            core.local_sessions.take_up(connection, session_id, timeout)
            handshake.established()
        elif session_id in core.sessions:
            # Only the ensemble can say whether it lives; its client had better find that.
            self._send_away(connection, "it has a global session, only reads are served")
        else:
            handshake.refuse("there is no", session_id)

    def _accepts(self, connection: ClientConnection) -> bool:
        assert connection.handshake is not None
        if connection.handshake.accepts_read_only:
            return True
        self._send_away(connection, "it wants more than reads, which alone are served")
        return False

    def forgotten(self, connection: ClientConnection) -> None:
        """It cannot have asked for anything."""


class NotServing(Refusing):
    """No part in the ensemble: no client is admitted, so nothing can be asked for."""

    decides = False
    takes = CLIENT_WRITES
    plain_writes: Mapping[int, Take] = MappingProxyType({})

    def refuse(self, connection: ClientConnection) -> None:
        self._send_away(connection, "this server has no leader")

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        raise AssertionError(f"{connection} asks for operation {op} while nothing is served")

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        raise AssertionError(f"{connection} wants a session while nothing is served")

    def close_session(self, connection: ClientConnection, xid: int) -> Any:
        raise AssertionError(f"{connection} closes a session while nothing is served")

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        raise AssertionError(f"{connection} resumes a session while nothing is served")

    def forgotten(self, connection: ClientConnection) -> None:
        """Whatever it waited for, nobody decides it any more."""
