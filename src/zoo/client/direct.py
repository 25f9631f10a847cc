"""The short way of a blocking call: no coroutine, task or future between thread and core.

The request is made in the caller's thread, handed to the portal's loop, and its answer wakes the
caller through a lock. It is for calls that are one request and nothing else.
"""

from __future__ import annotations

import threading
from typing import Any

from zoo.client.calls import Call
from zoo.client.errors import ClientClosedError, ClientError, OperationTimeoutError
from zoo.client.portal import portal
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
        outcome.append((error, body))
        answered.release()

    call = session.make_call(op, record, path, finish)
    there = portal()
    if there.is_current:
        raise RuntimeError("a blocking call from the portal's own thread would wait for ever")
    there.post(session.submit, call)
    seconds = session.options.operation_timeout if timeout is None else timeout
    try:
        is_late = not answered.acquire(timeout=seconds)
    except BaseException:  # interrupted: nobody waits for it any more
        there.post(session.core.forget, call)
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


async def _forget(session: Session, call: Call) -> None:
    session.core.forget(call)
