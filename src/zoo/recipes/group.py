"""Who is there: Group, members with data, whose failure is seen.

Guarantee: a member is listed while its session lives and no longer; after a crash until its session
timeout. On LOST the membership is gone: it is entered anew with the next session, by itself.
`changes` tells each change of the membership as this client sees it: it may skip states that
did not last, and ends at the newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, NodeExistsError, NoNodeError
from zoo.client.results import Node
from zoo.client.states import State
from zoo.client.transaction import Get
from zoo.client.watches import Event

T = TypeVar("T")


class Group(Generic[T]):
    """`async with Group(zk, "/members", "host-1", data)`; without a name one can only look."""

    def __init__(
        self, zk: AsyncClient[T], path: str, name: str | None = None, data: T | None = None
    ) -> None:
        self.path = path
        self.name = name
        self._zk = zk
        self._data = data
        self._joined = False
        self._rejoining: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Group {self.path} {self.name if self._joined else 'not joined'}>"

    async def join(self) -> None:
        """Raises NodeExistsError when another session has this name."""
        if self.name is None:
            raise ValueError(f"a member of {self.path} needs a name")
        await self._enter()
        if not self._joined:
            self._joined = True
            self._zk.add_listener(self._on_state)

    async def _enter(self) -> None:
        try:
            await self._zk.create(
                f"{self.path}/{self.name}", self._data, ephemeral=True, make_parents=True
            )
        except NodeExistsError:
            stat = await self._zk.exists(f"{self.path}/{self.name}")
            if stat is None or stat.ephemeral_owner != self._zk.session_id:
                raise

    def _on_state(self, state: State) -> None:
        if state is State.LOST and (self._rejoining is None or self._rejoining.done()):
            self._rejoining = asyncio.get_running_loop().create_task(self._rejoin())

    async def _rejoin(self) -> None:
        while self._joined and not self._zk.state.is_final:
            try:
                await self._enter()
                return
            except ClientError:
                await asyncio.sleep(0.1)

    async def leave(self) -> None:
        if self._joined:
            self._joined = False
            self._zk.remove_listener(self._on_state)
            if self._rejoining is not None:
                self._rejoining.cancel()
            try:
                await self._zk.delete(f"{self.path}/{self.name}")
            except NoNodeError:
                return

    async def set_data(self, data: T) -> None:
        """Our data, for the others to see."""
        self._data = data
        await self._zk.set(f"{self.path}/{self.name}", data)

    async def __aenter__(self) -> Group[T]:
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def members(self) -> dict[str, T]:
        """Name -> data of all who are there, by name."""
        return await self._members(await self._names())

    async def _names(self, watch: Any = None) -> list[str]:
        try:
            return await self._zk.children(self.path, watch=watch)
        except NoNodeError:
            if watch is None:
                return []
            await self._zk.ensure_path(self.path)
            return await self._names(watch)

    async def _members(self, names: list[str]) -> dict[str, T]:
        nodes = await self._zk.multi_read(Get(f"{self.path}/{name}") for name in names)
        return {node.name: node.data for node in nodes if isinstance(node, Node)}

    async def changes(self) -> AsyncIterator[dict[str, T]]:
        """The members now, and again whenever somebody came or went."""
        seen: list[str] | None = None
        while not self._zk.state.is_final:
            changed = asyncio.Event()

            def wake(_: Event, changed: asyncio.Event = changed) -> None:
                changed.set()

            names = await self._names(wake)
            if names != seen:
                seen = names
                yield await self._members(names)
            await changed.wait()
