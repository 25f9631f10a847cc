"""PersistentNode: a znode that is there as long as somebody wants it to be.

Guarantee: while it runs, the znode exists whenever this client is connected, save for the moment
after it was deleted or the session was lost: then it is created anew, with the data last given.
SUSPENDED needs nothing. On LOST an ephemeral znode is gone until the next session, which brings it
back by itself; `is_there` tells. Nobody else's znode is touched: while another session's ephemeral
has the path, ours waits until that is gone.
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
from zoo.recipes.waiting import PATIENT, Deadline, Wake

T = TypeVar("T")
log = logging.getLogger("zoo.recipes")


class PersistentNode(Generic[T]):
    """`async with PersistentNode(zk, "/services/a", b"10.0.0.1:80"): ...`"""

    def __init__(
        self, zk: AsyncClient[T], path: str, data: T | None = None, *, ephemeral: bool = True
    ) -> None:
        self.path = path
        self.data = data
        """As last given."""
        self._zk = zk
        self._ephemeral = ephemeral
        self._session_id = 0
        self._task: asyncio.Task[None] | None = None

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
        has the path after `timeout` seconds."""
        if self._task is not None:
            return
        deadline = Deadline(timeout)
        while not await self._is_ours(changed := Wake()):
            try:
                async with deadline.limit():
                    await changed.wait()
            except TimeoutError:
                raise NodeExistsError(
                    "it belongs to another session", operation="start", path=self.path
                ) from None
            finally:
                self._zk._forget(self.path, changed)
        self._zk._forget(self.path, changed)
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Delete it, and keep it no longer."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        session_id, self._session_id = self._session_id, 0
        if self._ephemeral and session_id != self._zk.session_id:
            return  # it went with its session; what may be there is another's
        await self._zk.retrying(self._delete)

    async def set_data(self, data: T) -> None:
        """Also what it is created with from now on."""
        self.data = data
        if self.is_there:
            await self._zk.retrying(self._write)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- keeping it

    async def _keep(self) -> None:
        try:
            while True:
                changed = Wake()
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
                    data = self.data
                    node = await self._create(data)
                    if node is None:
                        continue
                    if data is not self.data:
                        await self._write()
                    stat = node
                owner = self._zk.session_id if self._ephemeral else 0
                is_ours = stat.ephemeral_owner == owner
                self._session_id = self._zk.session_id if is_ours else 0
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
        return node.stat

    async def _write(self) -> None:
        """Our data into our znode; when it is gone, the next one is created with them."""
        while True:
            stat = await self._zk.exists(self.path)
            if stat is None or (self._ephemeral and stat.ephemeral_owner != self._zk.session_id):
                return
            try:
                await self._zk.set(self.path, self.data, version=stat.version)
                return
            except (BadVersionError, NoNodeError):
                continue

    async def _delete(self) -> None:
        try:
            await self._zk.delete(self.path)
        except NoNodeError:
            return
