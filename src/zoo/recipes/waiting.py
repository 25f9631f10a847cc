"""What the recipes wait with: watches that wake a task, deadlines, work nobody waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, OperationTimeoutError, SessionExpiredError
from zoo.client.retry import RetryPolicy
from zoo.client.watches import Event

R = TypeVar("R")
PATIENT = RetryPolicy(attempts=None, deadline=None)
"""For what goes on in the background: as long as the client lives."""


class Wake(asyncio.Event):
    """The callback of one watch: `names = await zk.children(path, watch=wake)`, then `wait()`.

    It is also set when the session ends first.
    """

    event: Event | None = None

    def __call__(self, event: Event) -> None:
        self.event = event
        self.set()

    def clear(self) -> None:
        super().clear()
        self.event = None

    async def within(self, pause: float | None, deadline: Deadline) -> bool:
        """Wait for it, at most `pause` seconds; False when the deadline passed meanwhile."""
        limits = [each for each in (pause, deadline.left) if each is not None]
        try:
            async with asyncio.timeout(min(limits, default=None)):
                await self.wait()
        except TimeoutError:
            return deadline.left is None or deadline.left > 0
        return True


class Deadline:
    """The rest of a timeout that several steps share; None: there is none."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else asyncio.get_running_loop().time() + timeout
        self.covers_requests = timeout != 0
        """Without any time one look is taken, however long the servers take to answer."""

    @property
    def left(self) -> float | None:
        """In seconds; negative once it has passed."""
        return None if self._end is None else self._end - asyncio.get_running_loop().time()

    @property
    def for_request(self) -> float | None:
        """The timeout of the next request; None: the client's operation_timeout."""
        return self.left if self.covers_requests else None

    def of_requests(self) -> asyncio.Timeout:
        """`async with deadline.of_requests(): ...` raises TimeoutError when it passes."""
        return asyncio.timeout(self.for_request)


@contextlib.asynccontextmanager
async def in_time(
    seconds: float | None, why: str, operation: str, path: str
) -> AsyncIterator[None]:
    """Raises OperationTimeoutError when the block takes longer (None: it may); a `{:g}` in `why` is
    where the seconds go."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():  # a request's own deadline
            raise
        raise OperationTimeoutError(why.format(seconds), operation=operation, path=path) from None


class Backoff:
    """The pauses of what is tried for ever: longer and longer, until it has succeeded once."""

    _POLICY = RetryPolicy(attempts=None, deadline=None, base=0.1)

    def __init__(self, zk: AsyncClient[Any]) -> None:
        self._rng = zk._session.rng
        self.reset()

    def reset(self) -> None:
        self._pauses = self._POLICY.pauses(self._rng)

    async def wait(self) -> None:
        await asyncio.sleep(next(self._pauses))


async def across_sessions(operation: Callable[[], Awaitable[R]]) -> R:
    """Again in the next session when this one is lost meanwhile."""
    while True:
        try:
            return await operation()
        except SessionExpiredError:
            continue  # the client has begun another one


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them, and wait until all have ended, however often we are cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    interrupted: asyncio.CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as cancelled:
            interrupted = cancelled
    if interrupted is not None:
        raise interrupted


def in_background(zk: AsyncClient[Any], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that ends with the client at the latest."""
    return zk._session.in_background(work)


Delete = Callable[[], Coroutine[Any, Any, None]]
"""Deletes a znode if it is ours; it may be called again after an error."""


def take_back(zk: AsyncClient[Any], delete: Delete) -> None:
    """Delete in the background what may have been made, or be made yet."""

    async def surely() -> None:
        with contextlib.suppress(ClientError):  # then the session is over, and the znode with it
            await zk.retrying(delete, PATIENT)

    in_background(zk, surely())


@contextlib.asynccontextmanager
async def surely_gone(zk: AsyncClient[Any], delete: Delete) -> AsyncIterator[None]:
    """For what deletes our znode unless it went with its session; however else it fails or is
    cancelled, that goes on."""
    try:
        yield
    except SessionExpiredError:
        return
    except BaseException:
        take_back(zk, delete)
        raise
