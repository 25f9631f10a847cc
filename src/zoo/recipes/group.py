"""Who is there: Group, members with data, whose failure is seen.

Guarantee: a member is listed while its session lives and no longer; after a crash until its session
timeout. `changes` tells each change of the members and their data as this client sees it: it may
skip states that did not last, and ends at the newest. On SUSPENDED we may be listed a while longer,
and what `changes` told is as of before. On LOST the membership is gone: it is entered anew with
the next session, by itself.

A member is a znode of its name, as of Curator's GroupMember; those of kazoo's Party are seen too.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Generic, Self, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import NoNodeError
from zoo.client.results import Node
from zoo.client.transaction import Get
from zoo.recipes.cache import TreeCache
from zoo.recipes.persistent_node import PersistentNode

T = TypeVar("T")
log = logging.getLogger("zoo.recipes")


class Group(Generic[T]):
    """`async with Group(zk, "/members", "host-1", data)`; without a name one can only look."""

    def __init__(
        self, zk: AsyncClient[T], path: str, name: str | None = None, data: T | None = None
    ) -> None:
        self.path = path
        self.name = name
        self._zk = zk
        self._member = None if name is None else PersistentNode(zk, f"{path}/{name}", data)

    def __repr__(self) -> str:
        return f"<Group {self.path} {self.name if self.is_member else 'not joined'}>"

    @property
    def is_member(self) -> bool:
        """As far as this client knows, and it is connected."""
        return self._member is not None and self._member.is_there

    def _mine(self) -> PersistentNode[T]:
        if self._member is None:
            raise ValueError(f"a member of {self.path} needs a name")
        return self._member

    async def join(self, timeout: float = 0.0) -> None:
        """Raises NodeExistsError when another session still has this name after `timeout` s: an
        earlier process of ours, say, whose session has not expired yet."""
        await self._mine().start(timeout)

    async def leave(self) -> None:
        if self._member is not None:
            await self._member.stop()

    async def set_data(self, data: T) -> None:
        """Our data, for the others to see."""
        await self._mine().set_data(data)

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def members(self) -> dict[str, T]:
        """Name -> data of all who are there, by name; without those whose data do not decode."""
        try:
            names = await self._zk.children(self.path)
        except NoNodeError:
            return {}
        return await self._data_of(names)

    async def _data_of(self, names: list[str]) -> dict[str, T]:
        raw = self._zk.with_data(BYTES)
        nodes = await raw.multi_read(Get(f"{self.path}/{name}") for name in names)
        members: dict[str, T] = {}
        for node in nodes:
            if isinstance(node, Node):
                try:
                    members[node.name] = self._zk._value(node.data, node.path)
                except Exception as error:  # a converter may raise anything
                    log.warning("%s is left out: %s", node.path, error)
        return members

    async def changes(self) -> AsyncIterator[dict[str, T]]:
        """The members now, and again whenever somebody came, went, or changed its data."""
        async with TreeCache(self._zk, self.path) as cache:
            while cache.is_following:
                members = self._direct(cache)
                marks = _marks(members)
                yield {node.name: node.data for node in members}

                def is_over(seen: dict[str, int] = marks) -> bool:
                    return not cache.is_following or _marks(self._direct(cache)) != seen

                await cache.wait_for(is_over)

    def _direct(self, cache: TreeCache[T]) -> list[Node[T]]:
        return [
            node
            for path, node in cache.snapshot().items()
            if path != self.path and path.rpartition("/")[0] == self.path.rstrip("/")
        ]


def _marks(members: list[Node[T]]) -> dict[str, int]:
    """What differs when somebody came (again), went, or changed its data."""
    return {node.name: node.stat.mzxid for node in members}
