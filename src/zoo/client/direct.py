"""The short way of a blocking call: no coroutine, task or future between thread and core.

The request is made in the caller's thread. When nothing else is under way the same thread sends it
and reads the answer (`zoo.client.wire`); else it is handed to the portal's loop, and the answer
wakes the caller through a lock. It is for calls that are one request and nothing else.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

from zoo.client.calls import Call
from zoo.client.errors import ClientClosedError, ClientError, OperationTimeoutError
from zoo.client.portal import Portal, portal
from zoo.client.session import Session
from zoo.jute import schema
from zoo.jute.codec import Reader
from zoo.jute.operations import OPERATIONS, Op


def ask(session: Session, op: Op, record: Any, path: str, timeout: float | None) -> Any:
    """The record of the answer, or None for an operation that answers nothing.

    Raises what `Session.request` raises.
    """
    if not session.is_started:
        raise ClientClosedError(operation=op.name, path=path)
    answered = threading.Lock()
    answered.acquire()
    outcome: list[tuple[ClientError | None, Reader | None]] = []

    def finish(error: ClientError | None, body: Reader | None, _: int) -> None:
        if not outcome:  # a caller that is interrupted here is told again when the connection ends
            outcome.append((error, body))
            answered.release()

    call = session.make_call(op, record, path, finish)
    there = portal()
    if there.is_current:
        raise RuntimeError("a blocking call from the portal's own thread would wait for ever")
    seconds = session.options.operation_timeout if timeout is None else timeout
    end = monotonic() + seconds
    try:
        if not _ask_alone(there, session, call, seconds):
            there.post(session.submit, call)
        is_late = not (outcome or answered.acquire(timeout=max(0.0, end - monotonic())))
    except BaseException:  # interrupted: nobody waits for it any more
        there.post(session.forget, call)
        raise
    if is_late:
        there.run(_forget(session, call))  # only the loop knows whether it was sent
        if not outcome:
            raise OperationTimeoutError(
                f"after {seconds:g} s", operation=op.name, path=path, outcome=call.outcome
            )
    error, body = outcome[0]
    if error is not None:
        raise error
    reply = OPERATIONS[op].reply
    assert body is not None
    return None if reply is None else schema.decode(reply, body)


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
