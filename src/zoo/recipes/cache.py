"""Local copies that follow the server: NodeCache and TreeCache.

Guarantee: the copy holds only states the server has had, each znode's in the order of its changes,
and is as new as the last event; once changes stop it becomes equal to the server. One persistent
watch (servers from 3.6 on) feeds it, so nothing is armed anew per event. After a broken connection
the events of the gap are unknown: the tree is compared by its Stats, and data is read again only
where mzxid has moved, so a mass reconnection costs one cheap read per znode and no herd. A znode
whose data do not decode, or that we may not read, is left out, and the rest is followed. On
SUSPENDED the copy is stale, `is_current` says so; on LOST it begins anew with the next session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import (
    AuthFailedError,
    BadArgumentsError,
    ClientClosedError,
    ClientError,
    InvalidPathError,
    NoAuthError,
    NoNodeError,
    OperationTimeoutError,
    UnimplementedError,
)
from zoo.client.results import Node
from zoo.client.states import State
from zoo.client.streams import WatchStream
from zoo.client.watches import Event
from zoo.jute.constants import EventType
from zoo.recipes.waiting import Backoff

T = TypeVar("T")
log = logging.getLogger("zoo.recipes")
Listener = Callable[[str, Node[Any] | None], None]
_FINAL = (
    AuthFailedError,
    BadArgumentsError,
    ClientClosedError,
    NoAuthError,
    UnimplementedError,
)
"""Errors of the beginning that waiting does not mend."""


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
        self._unreadable: dict[str, str] = {}
        self._has_begun = False
        self._trouble: Exception | None = None
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

    @property
    def unreadable(self) -> dict[str, str]:
        """Path -> why, of the znodes that are there and not in the copy: their data do not decode,
        or we may not read them (as of the last connection: servers tell no events of those)."""
        return dict(sorted(self._unreadable.items()))

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
        """Returns once the copy is complete. Raises OperationTimeoutError, and at once what time
        does not mend: ClientClosedError, NoAuthError for the path itself, UnimplementedError."""
        if self._task is None:
            self._has_begun, self._trouble = False, None
            self._task = asyncio.create_task(self._follow())
        task, in_step = self._task, asyncio.ensure_future(self._in_step.wait())
        try:
            done, _ = await asyncio.wait(
                (task, in_step), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if in_step not in done:
                raise self._why_not(task, timeout)
        except BaseException:
            self._cancel()  # its watch is taken off meanwhile: the servers may not answer
            raise
        finally:
            in_step.cancel()

    def _why_not(self, task: asyncio.Task[None], timeout: float | None) -> Exception:
        if not task.done():
            why = f"no copy after {timeout:g} s" + (f": {self._trouble}" if self._trouble else "")
            return OperationTimeoutError(why, operation="start", path=self.path)
        if task.cancelled():
            return RuntimeError(f"{self!r} was stopped while it was started")
        error = task.exception()
        if isinstance(error, Exception):
            return error
        kind = AuthFailedError if self._zk.state is State.AUTH_FAILED else ClientClosedError
        return kind(operation="start", path=self.path)

    async def stop(self) -> None:
        """The copy stays as it is."""
        task = self._cancel()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def _cancel(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        return task

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _follow(self) -> None:
        backoff = Backoff(self._zk)
        try:
            while not self._zk.state.is_final:
                try:
                    async with await self._watch() as events:
                        await self._load()
                        backoff.reset()
                        await self._drain(events)
                except Exception as error:
                    self._in_step.clear()
                    if not self._may_pass(error):
                        raise
                    if not self._zk.state.is_final:
                        self._trouble = error
                        log.warning("%s is not followed at present: %r", self.path, error)
                        await backoff.wait()
        finally:
            if self._task in (None, asyncio.current_task()):  # else it was started again
                self._in_step.clear()
            self._changed.set()  # whoever waits for a change sees that there will be none

    def _may_pass(self, error: Exception) -> bool:
        """Once in step nothing but the end of the client is final: rights, say, come and go."""
        is_passing = isinstance(error, ClientError) and not isinstance(error, _FINAL)
        return self._has_begun or is_passing

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
        for path in [each for each in {**self._nodes, **self._unreadable} if each not in seen]:
            self._forget(path)
        self._has_begun = True
        self._in_step.set()
        self._changed.set()

    async def _compare(self, path: str) -> set[str]:
        try:
            names, stat = await self._zk.children_stat(path)
        except NoNodeError:
            return set()
        except (NoAuthError, InvalidPathError) as error:
            self._leave_out(path, error)
            return {path}
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
        except Exception as error:  # a converter may raise anything
            if isinstance(error, ClientError) and not isinstance(error, NoAuthError):
                raise
            self._leave_out(path, error)
            return
        self._unreadable.pop(path, None)
        known = self._nodes.get(path)
        if known is not None and known.stat.mzxid == node.stat.mzxid:
            self._nodes[path] = node
            return
        self._nodes[path] = node
        self._tell(path, node)

    def _leave_out(self, path: str, error: Exception) -> None:
        """This znode cannot be read: the copy is without it, and goes on with the others."""
        if path == self.path and isinstance(error, ClientError):
            raise error  # without the root there is nothing to follow
        why = str(error) or repr(error)
        if self._unreadable.get(path) != why:
            log.warning("%s is left out of the copy: %s", path, why)
        self._forget(path)
        self._unreadable[path] = why

    def _forget(self, path: str) -> None:
        self._unreadable.pop(path, None)
        if self._nodes.pop(path, None) is not None:
            self._tell(path, None)

    def _tell(self, path: str, node: Node[T] | None) -> None:
        self._changed.set()
        if self._listener is not None:
            try:
                self._listener(path, node)
            except Exception:  # it must not end the copy of those who read it
                log.exception("a listener to %s failed, at %s", self.path, path)


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
