"""Mutual exclusion: Lock, and MultiLock for several at once.

Guarantee: of all contenders at most one holds the lock in ZooKeeper's eyes, in the order in which
they asked. A process that was paused, or cut off, may believe for a moment longer that it holds it:
`is_held` turns false by the clock, but only the fencing token protects what is outside.

What to do: on SUSPENDED stop acting on the outside world unless it checks `token`; the lock may
still be ours and acquire goes on waiting. On LOST (`lost` is set) the lock is gone: acquire anew.
Writes into the same service belong into `guarded()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.converters import TEXT
from zoo.client.errors import NoNodeError
from zoo.client.results import Node
from zoo.client.transaction import Get, Transaction
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.places import Place, contenders, right_ahead, stand_in_line
from zoo.recipes.waiting import Deadline, in_time


class NotHeldError(RuntimeError):
    """The lock is not ours (any more)."""


class Lock:
    """`async with Lock(zk, "/locks/a") as place: ...`; `place.token` is the fencing token.

    A Lock object is one contender: of tasks that share it, one holds it at a time. `reentrant`:
    the task that holds it may acquire it again, and releases it as often; once it was lost
    that raises NotHeldError.
    """

    _kinds: ClassVar[tuple[str, ...]] = ("lock",)
    """The contenders that count; see `zoo.recipes.places.Contender`."""

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        *,
        name: str = "",
        reentrant: bool = False,
        layout: Layout = CURATOR,
    ) -> None:
        """`name` becomes the znode's data, for people who look who holds it."""
        self.path = path
        self._zk = zk
        self._data = name.encode()
        self._reentrant = reentrant
        self._layout = layout
        self._place: Place | None = None
        self._local = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None
        self._depth = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path} {'held' if self.is_held else 'not held'}>"

    @property
    def is_held(self) -> bool:
        """By this object, and the session is known to live."""
        return self._place is not None and self._place.is_held

    @property
    def token(self) -> int:
        """Grows from holder to holder. Raises NotHeldError."""
        return self._mine().token

    @property
    def lost(self) -> asyncio.Event:
        """Set when the lock may be somebody else's. Raises NotHeldError."""
        return self._mine().lost

    def _mine(self) -> Place:
        if self._place is None:
            raise NotHeldError(f"{self.path} is not held")
        return self._place

    def guarded(self) -> Transaction[Any]:
        """A transaction that is refused unless the lock is still ours when it commits."""
        return self._mine().guarded()

    async def acquire(self, timeout: float | None = None) -> Place:
        """Wait for our turn. Raises OperationTimeoutError after `timeout` seconds, and
        SessionExpiredError when the session ends meanwhile; no znode is left behind then.
        """
        task = asyncio.current_task()
        if self._reentrant and self._owner is task and self._place is not None:
            return self._again()
        deadline = Deadline(timeout)
        why = "another task of this process holds it"
        async with in_time(deadline.left, why, "acquire", self.path):
            await self._local.acquire()
        try:
            self._place = await self._stand_in_line(deadline.left)
        except BaseException:
            self._local.release()
            raise
        self._owner, self._depth = task, 1
        return self._place

    def _again(self) -> Place:
        """Held once more by its holder. What is lost cannot be: that would hide the loss."""
        place = self._mine()
        if not place.is_held:
            raise NotHeldError(f"{self.path} was lost: release it, and acquire it anew")
        self._depth += 1
        return place

    async def _stand_in_line(self, timeout: float | None) -> Place:
        stem = self._layout.lock
        return await stand_in_line(
            self._zk, self.path, stem, self._kinds, right_ahead, self._data, timeout
        )

    async def release(self) -> None:
        """Returns once the znode is gone. Raises NotHeldError; not when the session was lost."""
        place = self._mine()
        self._depth -= 1
        if self._depth:
            return
        self._place = self._owner = None
        try:
            await place.leave()
        finally:
            self._local.release()

    def _release_in_background(self) -> None:
        """For a caller that must not wait: its deadline has passed."""
        place, self._place, self._owner, self._depth = self._mine(), None, None, 0
        place.leave_in_background()
        self._local.release()

    async def __aenter__(self) -> Place:
        return await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        await self.release()

    async def contenders(self) -> list[str]:
        """The data of all who hold or want it, the holder first."""
        try:
            line = contenders(await self._zk.children(self.path), self._kinds)
        except NoNodeError:
            return []
        reads = [Get(f"{self.path}/{each.name}") for each in line]
        nodes = await self._zk.with_data(TEXT).multi_read(reads)
        return [node.data for node in nodes if isinstance(node, Node)]


class MultiLock:
    """Several locks as one: all of them or none.

    They are acquired in the order of their paths, so two MultiLocks never wait for each other.
    The guarantee and what to do are those of each Lock.
    """

    def __init__(
        self,
        zk: AsyncClient[Any],
        paths: Iterable[str],
        *,
        name: str = "",
        layout: Layout = CURATOR,
    ) -> None:
        self.locks = [Lock(zk, path, name=name, layout=layout) for path in sorted(set(paths))]
        self._zk = zk

    def __repr__(self) -> str:
        return f"<MultiLock {[lock.path for lock in self.locks]}>"

    @property
    def is_held(self) -> bool:
        return all(lock.is_held for lock in self.locks)

    def guarded(self) -> Transaction[Any]:
        """A transaction that is refused unless all of them are still ours."""
        transaction = self._zk.transaction()
        for lock in self.locks:
            transaction.check(lock._mine().path)
        return transaction

    async def acquire(self, timeout: float | None = None) -> list[Place]:
        deadline = Deadline(timeout)
        places: list[Place] = []
        try:
            for lock in self.locks:
                place = await lock.acquire(deadline.left)
                places.append(place)
        except BaseException:
            for lock in self.locks[: len(places)]:
                lock._release_in_background()
            raise
        return places

    async def release(self) -> None:
        """Returns once all are released. Raises NotHeldError."""
        await _release_all(self.locks)

    async def __aenter__(self) -> list[Place]:
        return await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        await self.release()


async def _release_all(locks: Sequence[Lock]) -> None:
    """Also those after one that fails; then its error is raised."""
    outcomes = await asyncio.gather(*(lock.release() for lock in locks), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
