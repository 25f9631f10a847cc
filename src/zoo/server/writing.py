"""How writes and sessions are decided: by this server itself, by a leader, or not at all.

Theory of operation. What differs between a server that leads (or is alone), one that learns, and
one that has no part in an ensemble at the moment, is what happens to writes, to new sessions and to
sessions that are taken up again. A `Writing` is that difference, and `ServerCore.writing` the one
in force. `Deciding` prepares here; zoo.server.learning.Forwarding asks the leader.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from zoo.jute.operations import CLIENT_WRITES

if TYPE_CHECKING:
    from zoo.server.connection import ClientConnection
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)


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
    takes = CLIENT_WRITES

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Any:
        core = self._core
        proposal = core.prep.prepare(connection, xid, op, payload)
        core.proposals.append(proposal)
        return proposal

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        core = self._core
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
        session = core.sessions.get(session_id)
        if session is None or session.closing:
            handshake.refuse("there is no", session_id)
            return
        core.take_over(connection, session, timeout)
        core.once_settled(connection)

    def forgotten(self, connection: ClientConnection) -> None:
        """What it has asked for still commits."""


class NotServing:
    """No part in the ensemble: no client is admitted, so nothing can be asked for."""

    decides = False
    takes = CLIENT_WRITES

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
