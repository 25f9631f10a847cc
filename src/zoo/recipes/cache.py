"""Local copies that follow the server: NodeCache and TreeCache.

Guarantee: the copy holds only states the server has had, each znode's in the order of its changes,
and is as new as the last event; once changes stop it becomes equal to the server. One persistent
watch (servers from 3.6 on) feeds it, so nothing is armed anew per event. After a broken connection
the events of the gap are unknown: the tree is compared by its Stats, and data is read again only
where mzxid has moved, so a mass reconnection costs one cheap read per znode and no herd. On
SUSPENDED the copy is stale, `is_current` says so; on LOST it begins anew with the next session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, NoNodeError
from zoo.client.results import Node
from zoo.client.streams import WatchStream
from zoo.client.watches import Event
from zoo.jute.constants import EventType

T = TypeVar("T")
Listener = Callable[[str, Node[Any] | None], None]
_PAUSE = 0.1


class TreeCache(Generic[T]):
    """`async with TreeCache(zk, "/config") as cache: cache.get("/config/a")`.

    Which znodes there are and their data are followed; what a Stat says of children is as of the
    last change of the znode itself.
    """

    def __init__(self, zk: AsyncClient[T], path: str, listener: Listener | None = None) -> None:
        """`listener(path, node)` hears of every change of the copy; the node is None when gone."""
        self.path = path
        self._zk = zk
        self._listener = listener
        self._nodes: dict[str, Node[T]] = {}
        self._task: asyncio.Task[None] | None = None
        self._in_step = asyncio.Event()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        state = "current" if self.is_current else "stale"
        return f"<{type(self).__name__} {self.path} {len(self._nodes)} znodes, {state}>"

    def __len__(self) -> int:
        return len(self._nodes)

    # --- reading

    @property
    def is_current(self) -> bool:
        """Connected, and nothing known of is still to be read."""
        return self._in_step.is_set() and self._zk.state.is_usable

    @property
    def is_following(self) -> bool:
        """Between start and stop, while the client is not closed."""
        return self._task is not None and not self._task.done() and not self._zk.state.is_final

    def get(self, path: str) -> Node[T] | None:
        return self._nodes.get(path)

    def children(self, path: str) -> list[str]:
        start = "/" if path == "/" else f"{path}/"
        below = (each[len(start) :] for each in self._nodes if each.startswith(start))
        return sorted(name for name in below if name and "/" not in name)

    def snapshot(self) -> dict[str, Node[T]]:
        """Path -> node, by path."""
        return dict(sorted(self._nodes.items()))

    async def wait_for(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """Until the condition holds; asked after each change. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # --- following

    async def start(self, timeout: float | None = 30.0) -> None:
        """Returns once the copy is complete. Raises TimeoutError."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
        try:
            async with asyncio.timeout(timeout):
                await self._in_step.wait()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """The copy stays as it is."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _follow(self) -> None:
        try:
            while not self._zk.state.is_final:
                try:
                    async with await self._watch() as events:
                        await self._load()
                        await self._drain(events)
                except ClientError:
                    self._in_step.clear()
                    await asyncio.sleep(_PAUSE)
        finally:
            self._in_step.clear()
            self._changed.set()  # whoever waits for a change sees that there will be none

    async def _watch(self) -> WatchStream:
        return await self._zk.watch(self.path, recursive=True)

    async def _drain(self, events: WatchStream) -> None:
        async for event in events:
            self._in_step.clear()
            if event.is_gap:
                if events.is_ended:
                    return
                await self._load()
            else:
                await self._apply(event)
            if not events.waiting:
                self._in_step.set()
                self._changed.set()

    async def _apply(self, event: Event) -> None:
        known = self._nodes.get(event.path)
        if event.type is EventType.NODE_DELETED:
            if known is None or known.stat.mzxid <= event.zxid or not event.zxid:
                self._forget(event.path)
        else:
            await self._read(event.path)

    async def _load(self) -> None:
        """Make the copy equal to the server; data is read only where it has changed."""
        seen = await self._compare(self.path)
        for path in [each for each in self._nodes if each not in seen]:
            self._forget(path)
        self._in_step.set()
        self._changed.set()

    async def _compare(self, path: str) -> set[str]:
        try:
            names, stat = await self._zk.children_stat(path)
        except NoNodeError:
            return set()
        known = self._nodes.get(path)
        if known is None or known.stat.mzxid != stat.mzxid or known.stat.czxid != stat.czxid:
            await self._read(path)
        seen = {path}
        below = "" if path == "/" else path
        for name in names:
            seen |= await self._compare(f"{below}/{name}")
        return seen

    async def _read(self, path: str) -> None:
        try:
            node = await self._zk.get(path)
        except NoNodeError:
            self._forget(path)
            return
        known = self._nodes.get(path)
        if known is not None and known.stat.mzxid == node.stat.mzxid:
            self._nodes[path] = node
            return
        self._nodes[path] = node
        self._tell(path, node)

    def _forget(self, path: str) -> None:
        if self._nodes.pop(path, None) is not None:
            self._tell(path, None)

    def _tell(self, path: str, node: Node[T] | None) -> None:
        self._changed.set()
        if self._listener is not None:
            self._listener(path, node)


class NodeCache(TreeCache[T]):
    """One znode: `cache.node` is it, or None while it does not exist."""

    @property
    def node(self) -> Node[T] | None:
        return self._nodes.get(self.path)

    async def _watch(self) -> WatchStream:
        return await self._zk.watch(self.path)

    async def _compare(self, path: str) -> set[str]:
        await self._read(path)
        return {path}

    async def _apply(self, event: Event) -> None:
        if event.type is not EventType.NODE_CHILDREN_CHANGED:
            await super()._apply(event)
