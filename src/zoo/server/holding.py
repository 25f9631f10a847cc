"""Requests that wait for somebody to decide about them.

Theory of operation. While a leader hands over, and from then until there is the next one, clients
stay. What they ask for that the tree cannot answer is kept in their queues, as `Forwarded` that
nobody was sent; reads go on as far as nothing of their own session is before them. Under the next
role, or when the leader goes on after all, `ask_again` asks for everything in the queues anew, in
order, those requests included that had been forwarded and were not answered.

That nothing is done twice rests on three things. Whatever the last leader has committed comes with
the next one's history and is answered from there, before anything is asked again. Whatever is not
in that history never will be committed. And a client that has gone elsewhere meanwhile is not heard
here any more (zoo.server.handover).
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.jute.operations import CLIENT_WRITES, Op
from zoo.pipeline.plain_writes import PlainWrite, Take
from zoo.pipeline.proposal import Proposal
from zoo.server.connection import ClientConnection, Deferred
from zoo.server.learning import Forwarded
from zoo.server.writing import WaitingSync

if TYPE_CHECKING:
    from zoo.server.core import ServerCore

_SYNC = int(Op.sync)
_CREATE_SESSION, _CLOSE_SESSION = int(Op.createSession), int(Op.closeSession)
_NEVER = 1 << 64
"""No transaction can be the answer to what nobody was asked."""
_pack_request = Struct(">ii").pack


class Holding:
    """Nothing is decided now, but soon; see zoo.server.writing. `is_parked`: there is no leader."""

    decides = False
    takes = CLIENT_WRITES | {_SYNC}
    plain_writes: Mapping[int, Take] = MappingProxyType({})

    def __init__(self, core: ServerCore, coming_back: Mapping[ClientConnection, int]) -> None:
        self._core = core
        self._coming_back = dict(coming_back)  # with the session that it wants back
        self.since_ms = core.now_ms
        self.is_parked = False
        core.writing = self
        core.plain_writes = self.plain_writes

    def _held(self, xid: int, op: int, payload: bytes) -> Forwarded:
        return Forwarded(xid, op, _NEVER, self._core.now_ms, _pack_request(xid, op) + payload)

    def prepare(self, connection: ClientConnection, xid: int, op: int, payload: bytes) -> Forwarded:
        return self._held(xid, op, payload)

    def open_session(self, connection: ClientConnection, timeout: int) -> None:
        core = self._core
        if core.opens_local:
            core.local_sessions.open(connection, timeout)
            return
        connection.waiting.append(self._held(0, _CREATE_SESSION, b""))
        core.outstanding += 1

    def close_session(self, connection: ClientConnection, xid: int) -> Forwarded:
        return self._held(xid, _CLOSE_SESSION, b"")

    def take_up(self, connection: ClientConnection, session_id: int, timeout: int) -> None:
        self._coming_back[connection] = session_id

    def forgotten(self, connection: ClientConnection) -> None:
        """What is prepared still commits; the rest nobody waits for any more."""
        self._coming_back.pop(connection, None)
        waiting = connection.waiting
        kept = [item for item in waiting if type(item) is not Forwarded]
        self._core.outstanding -= len(waiting) - len(kept)
        waiting.clear()
        waiting.extend(kept)

    def ask_again(self) -> None:
        """Somebody decides again, `core.writing`: ask for all that nobody has answered."""
        core = self._core
        if self.is_parked:
            core.outstanding = 0  # nobody owes an answer any more
            core.local_sessions.stay_local()
        for connection in list(core.connections):
            core.local_sessions.reopen(connection)
            for item in connection.take_waiting():
                self._ask_again_for(connection, item)
        for connection, session_id in self._coming_back.items():
            if connection.handshake is not None and not connection.closing:
                core.writing.take_up(connection, session_id, connection.handshake.timeout)

    def _ask_again_for(
        self, connection: ClientConnection, item: Proposal | PlainWrite | Deferred
    ) -> None:
        if isinstance(item, Deferred):
            if not connection.closing:
                connection.request(*item)
        elif type(item) is Forwarded:
            if not self.is_parked:
                self._core.outstanding -= 1
            if not connection.closing:
                self._forwarded_again(connection, item)
        elif not self.is_parked:
            connection.waiting.append(item)  # it is prepared, and will be answered
        elif isinstance(item, WaitingSync) and not connection.closing:
            connection.request(item.cxid, _SYNC, item.reply)  # the reply has the request's form

    def _forwarded_again(self, connection: ClientConnection, item: Forwarded) -> None:
        core = self._core
        if item.op != _CREATE_SESSION:
            connection.request(item.cxid, item.op, item.payload)
            return
        if core.attached.get(item.opens) is connection:
            del core.attached[item.opens]
        assert connection.handshake is not None
        core.writing.open_session(connection, connection.handshake.timeout)
