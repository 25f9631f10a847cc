"""Persistent watches as streams, and taking watches off."""

from __future__ import annotations

from typing import TypeVar

from zoo.client.base import ClientBase
from zoo.client.errors import ClientError
from zoo.client.streams import DEFAULT_BUFFER, WatchCallback, WatchStream
from zoo.client.watches import Kind, Removal
from zoo.jute.client_records import AddWatchRequest, RemoveWatchesRequest
from zoo.jute.constants import AddWatchMode, WatcherType
from zoo.jute.operations import Op

T = TypeVar("T")
_KINDS: dict[WatcherType, tuple[Kind, ...]] = {
    WatcherType.DATA: (Kind.DATA, Kind.EXIST),
    WatcherType.CHILDREN: (Kind.CHILD,),
    WatcherType.PERSISTENT: (Kind.PERSISTENT,),
    WatcherType.PERSISTENT_RECURSIVE: (Kind.RECURSIVE,),
    WatcherType.ANY: tuple(Kind),
}


class WatchOperations(ClientBase[T]):
    async def watch(
        self,
        path: str,
        *,
        recursive: bool = False,
        buffer: int = DEFAULT_BUFFER,
        timeout: float | None = None,
    ) -> WatchStream:
        """A stream of all events on a znode and its list of children; `recursive`: and below it
        (where lists of children have no events of their own).

        The znode need not exist. Use it as `async with await client.watch(...) as events`.
        Servers before 3.6 raise UnimplementedError.
        """
        wire = self._wire(path, "watch")
        kind = Kind.RECURSIVE if recursive else Kind.PERSISTENT
        mode = AddWatchMode.PERSISTENT_RECURSIVE if recursive else AddWatchMode.PERSISTENT

        async def close(stream: WatchStream) -> None:
            await self._unwatch(kind, wire, path, stream)

        stream = WatchStream(path, self._prefix, buffer, close)
        request = AddWatchRequest(wire, mode)
        try:
            await self._session.request(Op.addWatch, request, path, (kind, wire, stream), timeout)
        except BaseException:
            self._session.core.watches.discard(kind, wire, stream)  # nobody has the stream
            raise
        return stream

    def _forget(self, path: str, callback: WatchCallback) -> None:
        """Whoever waited for this one-shot watch has given up; what comes of it reaches nobody."""
        wire, table = self._wire(path, "watch"), self._session.core.watches
        for kind in (Kind.DATA, Kind.EXIST, Kind.CHILD):
            table.discard(*self._watcher(kind, wire, callback))

    async def _unwatch(self, kind: Kind, wire: bytes, path: str, stream: WatchStream) -> None:
        table = self._session.core.watches
        if not table.discard(kind, wire, stream) or not self._session.state.is_usable:
            return
        asked_for = self._session.core.asked_for(wire)
        if kind in asked_for:
            return  # the server has one watch for all of a kind, and somebody needs it again
        # 3.6 to 3.8 know no types for the persistent ones: ANY, where nothing else is watched.
        kind_of_watch = (
            WatcherType.PERSISTENT if kind is Kind.PERSISTENT else WatcherType.PERSISTENT_RECURSIVE
        )
        chosen = kind_of_watch if asked_for or table.has(wire) else WatcherType.ANY
        try:
            await self._session.request(Op.removeWatches, RemoveWatchesRequest(wire, chosen), path)
        except ClientError:
            return  # what the server still sends reaches nobody

    async def remove_watches(
        self,
        path: str,
        kind: WatcherType = WatcherType.ANY,
        *,
        timeout: float | None = None,
    ) -> None:
        """Take off all watches of a kind that this client has on a path.

        Their owners are told that they have ended. Raises NoWatcherError.
        """
        wire = self._wire(path, "remove_watches")
        request = RemoveWatchesRequest(wire, WatcherType(kind))
        removal = Removal(_KINDS[WatcherType(kind)], wire)
        await self._ask(Op.removeWatches, request, path, timeout, removal)
