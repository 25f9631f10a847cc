"""The blocking twin of a participant in two-phase commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from zoo.client.blocking import Client
from zoo.recipes import participant
from zoo.recipes.blocking.base import Twin, run


class Resource(Protocol):
    """What takes part; see `zoo.recipes.Resource` for what must be durable when.

    It is called in one thread of the participant's own, so one call at a time, also if it is an
    SQLite connection that it opens there.
    """

    def prepare(self, txid: str, part: bytes) -> None: ...

    def commit(self, txid: str) -> None: ...

    def rollback(self, txid: str) -> None: ...


class _InItsThread:
    """The resource for the asyncio twin."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._pool: ThreadPoolExecutor | None = None

    async def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="zoo participant")
        await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def prepare(self, txid: str, part: bytes) -> None:
        await self._call(self._resource.prepare, txid, part)

    async def commit(self, txid: str) -> None:
        await self._call(self._resource.commit, txid)

    async def rollback(self, txid: str) -> None:
        await self._call(self._resource.rollback, txid)

    def close(self) -> None:
        """Wait for the call under way."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


class Participant(Twin[participant.Participant], of=participant.Participant):
    """See `zoo.recipes.Participant`."""

    def __init__(self, zk: Client[Any], path: str, name: str, resource: Resource) -> None:
        self._thread = _InItsThread(resource)
        super().__init__(participant.Participant(zk._client, path, name, self._thread))

    @property
    def under_way(self) -> list[str]:
        return self._recipe.under_way

    def start(self) -> None:
        run(self._recipe.start())

    def stop(self) -> None:
        """Wherever it is, after the call under way; the next start goes on from there."""
        run(self._recipe.stop())
        self._thread.close()

    def __enter__(self) -> Participant:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
