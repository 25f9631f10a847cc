"""The short way of a blocking call: no task, future or event loop between thread and core.

Operations that are requests one after the other are the asyncio client's own, on a session whose
`request` blocks: their coroutines run to their end in the caller's thread. A request goes out there
as well when nothing else is under way (`zoo.client.wire`); else it is handed to the portal's loop,
and the answer wakes the caller through a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from time import monotonic
from typing import Any, TypeVar, cast

from zoo.client.async_client import AsyncClient
from zoo.client.calls import Call
from zoo.client.errors import ClientClosedError, ClientError
from zoo.client.portal import Portal, portal
from zoo.client.session import Reply, Session
from zoo.jute.codec import Reader
from zoo.jute.operations import Op

T = TypeVar("T")
R = TypeVar("R")


class DirectSession:
    """As much of a Session as those operations use."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def request(
        self, op: Op, record: Any, path: str | None, watch: None, timeout: float | None
    ) -> Reply:
        assert watch is None, "watchers live on the loop"
        return ask(self._session, op, record, path, timeout)


def direct(client: AsyncClient[T]) -> AsyncClient[T]:
    """The same client for `finish`."""
    session = cast(Session, DirectSession(client._session))
    return AsyncClient(session, client._converter, client._prefix)


def finish(work: Coroutine[Any, Any, R]) -> R:
    """The result of an operation of a `direct` client."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast(R, end.value)
    work.close()
    raise AssertionError("an operation of more than requests waits for its loop")


def ask(session: Session, op: Op, record: Any, path: str | None, timeout: float | None) -> Reply:
    """`Session.request`, blocking."""
    if not session.is_started:
        raise ClientClosedError(operation=op.name, path=path)
    session.check_process(op.name, path)
    answered = threading.Lock()
    answered.acquire()
    outcome: list[tuple[ClientError | None, Reader | None, int]] = []

    def note(error: ClientError | None, body: Reader | None, zxid: int) -> None:
        if not outcome:  # a caller that is interrupted here is told again when the connection ends
            outcome.append((error, body, zxid))
            answered.release()

    call = session.make_call(op, record, path, note)
    there = portal()
    if there.is_current:
        raise RuntimeError("a blocking call from the portal's own thread would wait for ever")
    seconds = session.options.seconds(timeout)
    end = monotonic() + seconds
    try:
        if not _ask_alone(there, session, call, seconds):
            there.post(session.submit, call)
        left = min(max(0.0, end - monotonic()), threading.TIMEOUT_MAX)  # `seconds` may be inf
        is_late = not (outcome or answered.acquire(timeout=left))
    except BaseException:  # interrupted: nobody waits for it any more
        there.post(session.forget, call)
        raise
    if is_late:
        there.run(_forget(session, call))  # only the loop knows whether it was sent
        if not outcome:
            raise session.late(call, seconds)
    error, body, zxid = outcome[0]
    if error is not None:
        raise error
    assert body is not None
    return body, zxid


def _ask_alone(there: Portal, session: Session, call: Call, seconds: float) -> bool:
    """Send it in this thread, and wait for the answer as long as nobody else needs the connection.

    False: it was not sent.
    """
    wire, core = session.wire, session.core
    if wire is None or wire.loop is not there.loop:  # another process's, before a fork
        return False
    if not wire.send(call, lambda: core.number(call, session.now_ms())):
        call.is_sent = False
        return False
    wire.receive(call, seconds, lambda frame: core.settle(call, frame, session.now_ms()))
    return True


async def _forget(session: Session, call: Call) -> None:
    session.forget(call)
