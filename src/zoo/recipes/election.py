"""One leader among many.

Guarantee: in ZooKeeper's eyes there is at most one leader, the candidate that has waited longest.
A leader that was paused or cut off may believe in itself a moment longer: its session may expire
first. So a leader's writes go through `leadership.guarded()` (refused once it leads no more), or
carry `leadership.token`, which grows from leader to leader, to a store that checks it.

On SUSPENDED the leadership may still be ours; `leadership.lost` is set when that is no longer sure,
and `run` cancels its function then. On LOST another leads: stop, and stand for election again, as
`run` and LeaderLatch do by themselves. The znodes are named as Curator's LeaderLatch names them, or
as kazoo's Election (`layout=KAZOO`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.lock import Lock, NotHeldError
from zoo.recipes.places import Place, right_ahead, stand_in_line
from zoo.recipes.waiting import PATIENT, across_sessions, ended

T = TypeVar("T")


class _Candidacy(Lock):
    _kinds = ("latch", "lock")  # kazoo's Election is a lock

    async def _stand_in_line(self, timeout: float | None) -> Place:
        stem = self._layout.candidate
        return await stand_in_line(
            self._zk, self.path, stem, self._kinds, right_ahead, self._data, timeout
        )


class Election:
    """`async with Election(zk, "/matching", name="host-1") as leadership: ...`, or `run`."""

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        *,
        name: str = "",
        layout: Layout = CURATOR,
    ) -> None:
        self.path = path
        self._zk = zk
        self._candidacy = _Candidacy(zk, path, name=name, layout=layout)

    def __repr__(self) -> str:
        return f"<Election {self.path} {'leading' if self.is_leader else 'not leading'}>"

    @property
    def is_leader(self) -> bool:
        """Are we, and is the session known to live?"""
        return self._candidacy.is_held

    async def lead(self, timeout: float | None = None) -> Place:
        """Wait until we are the leader. Raises OperationTimeoutError, SessionExpiredError."""
        return await self._candidacy.acquire(timeout)

    async def resign(self) -> None:
        """Let the next candidate lead."""
        await self._candidacy.release()

    async def __aenter__(self) -> Place:
        return await self.lead()

    async def __aexit__(self, *_: object) -> None:
        await self.resign()

    async def run(self, function: Callable[[Place], Awaitable[T]]) -> T:
        """Call the function as soon as we lead, and return its result.

        When the leadership is lost it is cancelled, and called again once we lead again. A service
        that cannot be reached is waited for.
        """
        while True:
            leadership = await self._zk.retrying(partial(across_sessions, self.lead), PATIENT)
            work = asyncio.ensure_future(function(leadership))
            end = asyncio.ensure_future(leadership.lost.wait())
            try:
                await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    return work.result()
            finally:
                try:
                    await ended(work, end)
                finally:
                    await self.resign()

    async def candidates(self) -> list[str]:
        """The names of all candidates, the leader first."""
        return await self._candidacy.contenders()

    async def leader(self) -> str | None:
        """The leader's name; None when there is no candidate."""
        return next(iter(await self.candidates()), None)


class LeaderLatch:
    """A candidate in the background: `start`, then ask `is_leader` whenever it matters.

    After a lost session it stands for election again by itself. Guarantee as for Election.
    """

    def __init__(
        self, zk: AsyncClient[Any], path: str, *, name: str = "", layout: Layout = CURATOR
    ) -> None:
        self._election = Election(zk, path, name=name, layout=layout)
        self._task: asyncio.Task[None] | None = None
        self._leadership: Place | None = None
        self._elected = asyncio.Event()

    def __repr__(self) -> str:
        return f"<LeaderLatch {self._election.path} {'leader' if self.is_leader else 'waiting'}>"

    @property
    def is_leader(self) -> bool:
        return self._leadership is not None and self._leadership.is_held

    @property
    def leadership(self) -> Place | None:
        """Token and guarded transactions of our leadership; None while another leads."""
        return self._leadership if self.is_leader else None

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._election.run(self._hold))

    async def _hold(self, leadership: Place) -> None:
        self._leadership = leadership
        self._elected.set()
        try:
            await asyncio.Event().wait()  # until it is lost, or stopped
        finally:
            self._leadership = None
            self._elected.clear()

    async def wait_until_leader(self, timeout: float | None = None) -> Place:
        """Raises TimeoutError after `timeout` seconds, NotHeldError when the latch is not started
        or is stopped, and what ended the candidacy: NoAuthError, ClientClosedError."""
        task = self._task
        if task is None:
            raise NotHeldError(f"{self._election.path}: not a candidate, the latch is not started")
        async with asyncio.timeout(timeout):
            while self._leadership is None:
                elected = asyncio.ensure_future(self._elected.wait())
                try:
                    await asyncio.wait((elected, task), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    elected.cancel()
                if self._task is not task:
                    raise NotHeldError(f"{self._election.path}: the latch was stopped")
                if task.done():
                    task.result()
        return self._leadership

    async def stop(self) -> None:
        """Resign, or stop waiting."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def __aenter__(self) -> LeaderLatch:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
