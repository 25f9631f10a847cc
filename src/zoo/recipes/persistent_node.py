"""PersistentNode: a znode that is there as long as somebody wants it to be.

Guarantee: while it runs, the znode exists whenever this client is connected, with the data last
given, save for the moment after it was deleted or the session was lost: then it is created anew.
SUSPENDED needs nothing. On LOST an ephemeral znode is gone until the next session, which brings it
back by itself; `is_there` tells. While another session's ephemeral has the path, ours waits until
that is gone. Nobody else's znode is touched, unless it took the place of ours between a look and
the change after it, with the same version: those who share a path should not change their data.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Generic, Self, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    SessionExpiredError,
)
from zoo.jute.records import Stat
from zoo.recipes.waiting import PATIENT, Deadline, Wake, ended, in_time, surely_gone, take_back

T = TypeVar("T")
log = logging.getLogger("zoo.recipes")


class PersistentNode(Generic[T]):
    """`async with PersistentNode(zk, "/services/a", b"10.0.0.1:80"): ...`"""

    def __init__(
        self, zk: AsyncClient[T], path: str, data: T | None = None, *, ephemeral: bool = True
    ) -> None:
        self.path = path
        self.data = data
        """As last given; None leaves the data of a znode that is there as they are."""
        self._is_written = data is None
        self._zk = zk
        self._ephemeral = ephemeral
        self._session_id = 0
        self._task: asyncio.Task[None] | None = None
        self._may_be_left = False
        self._one_at_a_time = asyncio.Lock()
        self._changed = Wake()

    def __repr__(self) -> str:
        return f"<PersistentNode {self.path} {'there' if self.is_there else 'not there'}>"

    @property
    def is_there(self) -> bool:
        """As far as this client knows, and it is connected."""
        return (
            self._session_id != 0
            and self._session_id == self._zk.session_id
            and self._zk.state.is_usable
        )

    async def start(self, timeout: float | None = 30.0) -> None:
        """Returns once it is there. Raises NodeExistsError when another session's ephemeral still
        has the path after `timeout` seconds, OperationTimeoutError when the servers have not
        answered by then (0: no other is waited for, and the servers for the client's
        operation_timeout); however it fails, no ephemeral is left behind."""
        async with self._one_at_a_time:  # of two keepers one would never be stopped
            if self._task is not None:
                return
            try:
                await self._until_ours(Deadline(timeout))
            except BaseException:
                if self._ephemeral:  # a create that was cancelled, or not answered, may come yet
                    self._may_be_left = True
                    take_back(self._zk, self._delete)
                raise
            self._task = asyncio.create_task(self._keep())

    async def _until_ours(self, deadline: Deadline) -> None:
        while True:
            changed = Wake()
            try:
                why = "the servers did not answer in time"
                async with in_time(deadline.for_request, why, "start", self.path):
                    if await self._is_ours(changed):
                        return
                if not await changed.within(None, deadline):
                    raise NodeExistsError(
                        "it belongs to another session", operation="start", path=self.path
                    )
            finally:
                self._zk._forget(self.path, changed)

    async def stop(self) -> None:
        """Delete it, and keep it no longer. Cancelled, or when it raises an error because no server
        could be reached, that goes on; to call it again is to try, and wait, again."""
        async with self._one_at_a_time:
            task, self._task = self._task, None
            if task is None and not self._may_be_left:
                return
            self._may_be_left = True
            self._session_id = 0
            async with surely_gone(self._zk, self._delete):
                if task is not None:
                    await ended(task)
                await self._zk.retrying(self._delete)
            self._may_be_left = False

    async def set_data(self, data: T) -> None:
        """Also what it is created with from now on. When no server can be reached for so long that
        this raises an error, they are written later."""
        self.data, self._is_written = data, False
        if self._task is None:
            return
        try:
            await self._zk.retrying(self._write)
        finally:
            if not self._is_written:
                self._changed.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- keeping it

    async def _keep(self) -> None:
        try:
            while True:
                changed = self._changed = Wake()
                try:
                    await self._zk.retrying(partial(self._is_ours, changed), PATIENT)
                    await changed.wait()
                finally:
                    self._zk._forget(self.path, changed)
        except Exception as error:
            self._session_id = 0
            if not self._zk.state.is_final:
                log.error("%s is kept no longer: %r", self.path, error)

    async def _is_ours(self, wake: Wake) -> bool:
        """Create it unless it is there; False while it is another's. `wake` tells of changes."""
        while True:
            try:
                stat = await self._zk.exists(self.path, watch=wake)
                if stat is None:
                    stat = await self._create(self.data)
                    if stat is None:
                        continue
                is_ours = self._owns(stat)
                self._session_id = self._zk.session_id if is_ours else 0
                if is_ours and not self._is_written:
                    await self._write()
                return is_ours
            except SessionExpiredError:
                self._session_id = 0

    async def _create(self, data: T | None) -> Stat | None:
        """None: another was faster."""
        try:
            node = await self._zk.create(
                self.path, data, ephemeral=self._ephemeral, make_parents=True
            )
        except NodeExistsError:
            return None
        self._is_written = data is self.data
        return node.stat

    def _owns(self, stat: Stat) -> bool:
        return stat.ephemeral_owner == (self._zk.session_id if self._ephemeral else 0)

    async def _write(self) -> None:
        """Our data into our znode; when it is gone, the next one is created with them."""
        while True:
            stat, data = await self._zk.exists(self.path), self.data
            if stat is None or not self._owns(stat):
                return
            try:
                await self._zk.set(self.path, data, version=stat.version)
                self._is_written = data is self.data
                return
            except (BadVersionError, NoNodeError):
                continue

    async def _delete(self) -> None:
        """Also what a create that nobody waits for any more has made, but nobody else's; unless it
        is kept again by now."""
        while self._task is None:
            stat = await self._zk.exists(self.path)
            if stat is None or not self._owns(stat):
                return
            try:
                await self._zk.delete(self.path, version=stat.version)
                return
            except (BadVersionError, NoNodeError):
                continue
