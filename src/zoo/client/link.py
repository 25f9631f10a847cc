"""One connection of a client to a server, as asyncio tells of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zoo.client.calls import Call
from zoo.client.core import LinkUseless
from zoo.errors import ProtocolViolation

if TYPE_CHECKING:
    from zoo.client.session import Session


class Link(asyncio.Protocol):
    """Hands bytes to the session's core, ticks it, and ends once, whoever ends it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.was_greeted = False
        self.is_proved = False
        """Has something come behind the greeting, and was it understood?"""
        self._timer: asyncio.TimerHandle | None = None
        self._why = "the server closed the connection"
        self._greeting = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._session.linked(self)
        self._tick()

    def data_received(self, data: bytes) -> None:
        session = self._session
        try:
            session.core.received(data, session.now_ms())
        except (LinkUseless, ProtocolViolation) as error:
            self.abort(str(error))
        else:
            self.is_proved = self.was_greeted
            session.flush()
            session.lend()
        if not self.was_greeted and session.state.is_usable:
            self.was_greeted = True
            self._greeting.set()
            if self._timer is not None:
                self._timer.cancel()
                self._tick()  # in the rhythm of the timeout that was granted

    def adopt(self, call: Call) -> None:
        self._session.adopt(self, call)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._session.unlinked(self, str(error) if error else self._why)
        self._greeting.set()
        if not self.ended.done():
            self.ended.set_result(None)

    def abort(self, why: str) -> None:
        """Break it off. The core hears of it now and not a turn later."""
        if hasattr(self, "transport") and not self.ended.done():
            self._why = why
            self.transport.abort()
            self.connection_lost(None)

    async def wait_until_greeted(self, timeout: float) -> bool:
        """Until the server has granted a session; gives up the link after `timeout` s."""
        try:
            async with asyncio.timeout(timeout):
                await self._greeting.wait()
        except TimeoutError:
            self.abort("the server does not answer the handshake")
        return self.was_greeted

    def _tick(self) -> None:
        session = self._session
        try:
            pause_ms = session.core.tick(session.now_ms())
        except LinkUseless as error:
            self.abort(str(error))
            return
        session.flush()
        self._timer = self._loop.call_later(pause_ms / 1000, self._tick)
