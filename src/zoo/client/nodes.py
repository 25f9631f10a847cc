"""Operations on znodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from zoo import paths
from zoo.client.base import ClientBase, acl_list, check_version
from zoo.client.errors import NoNodeError, NotEmptyError
from zoo.client.results import Children, Node
from zoo.client.streams import WatchCallback
from zoo.client.watches import Kind
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Stat

T = TypeVar("T")


class NodeOperations(ClientBase[T]):
    """All paths begin with "/" and are below the client's chroot.

    Every method takes a `timeout` in seconds (the client's operation_timeout when None) and raises
    OperationTimeoutError after it; ConnectionLossError when the connection broke during a write.
    Reads are asked again on the next connection.
    """

    async def get(
        self, path: str, *, watch: WatchCallback | None = None, timeout: float | None = None
    ) -> Node[T]:
        """A znode. `watch` is called once, with the event of its next change or deletion.

        Raises NoNodeError, NoAuthError.
        """
        wire = self._wire(path, "get")
        watcher = self._watcher(Kind.DATA, wire, watch)
        request = c.GetDataRequest(wire, watcher is not None)
        reply = await self._ask(Op.getData, request, path, timeout, watcher)
        return Node(path, self._value(reply.data, path), reply.stat)

    async def exists(
        self, path: str, *, watch: WatchCallback | None = None, timeout: float | None = None
    ) -> Stat | None:
        """The Stat, or None when there is no such znode; `watch` then waits for its creation."""
        wire = self._wire(path, "exists")
        watcher = self._watcher(Kind.EXIST, wire, watch)
        request = c.ExistsRequest(wire, watcher is not None)
        try:
            reply = await self._ask(Op.exists, request, path, timeout, watcher)
        except NoNodeError:
            return None
        stat: Stat = reply.stat
        return stat

    async def children(
        self, path: str = "/", *, watch: WatchCallback | None = None, timeout: float | None = None
    ) -> list[str]:
        """The names of its children, sorted. `watch`: one is created or deleted, or it is."""
        return (await self.children_stat(path, watch=watch, timeout=timeout)).names

    async def children_stat(
        self, path: str = "/", *, watch: WatchCallback | None = None, timeout: float | None = None
    ) -> Children:
        """Like `children`, with the znode's Stat as of the same moment."""
        wire = self._wire(path, "children")
        watcher = self._watcher(Kind.CHILD, wire, watch)
        request = c.GetChildren2Request(wire, watcher is not None)
        reply = await self._ask(Op.getChildren2, request, path, timeout, watcher)
        return Children(
            sorted(str(name, "utf-8", "replace") for name in reply.children), reply.stat
        )

    async def set(
        self, path: str, data: T | None, *, version: int = -1, timeout: float | None = None
    ) -> Stat:
        """Replace the data; with a version only if it is the current one (BadVersionError)."""
        wire = self._wire(path, "set")
        data_bytes, version = self._bytes(data, path), check_version(version, path)
        request = c.SetDataRequest(wire, data_bytes, version)
        reply = await self._ask(Op.setData, request, path, timeout)
        stat: Stat = reply.stat
        return stat

    async def delete(self, path: str, *, version: int = -1, timeout: float | None = None) -> None:
        """Raises NoNodeError, BadVersionError, NotEmptyError."""
        request = c.DeleteRequest(self._wire(path, "delete"), check_version(version, path))
        await self._ask(Op.delete, request, path, timeout)

    async def delete_all(self, path: str, *, timeout: float | None = None) -> int:
        """A znode with all that is below it, leaves first; how many were deleted (0: not there).

        Not atomic: what others create below it meanwhile is deleted too. `timeout`: of each step.
        """
        deleted = 0
        while True:
            try:
                names = await self.children(path, timeout=timeout)
            except NoNodeError:
                return deleted
            for name in names:
                child = f"/{name}" if path == "/" else f"{path}/{name}"
                if child != "/zookeeper" or self._prefix:
                    deleted += await self.delete_all(child, timeout=timeout)
            if path == "/":
                return deleted
            try:
                await self.delete(path, timeout=timeout)
                return deleted + 1
            except NoNodeError:
                return deleted
            except NotEmptyError:
                continue

    async def get_acl(self, path: str, *, timeout: float | None = None) -> tuple[list[ACL], Stat]:
        reply = await self._ask(
            Op.getACL, c.GetACLRequest(self._wire(path, "get_acl")), path, timeout
        )
        return reply.acl, reply.stat

    async def set_acl(
        self, path: str, acl: Iterable[ACL], *, version: int = -1, timeout: float | None = None
    ) -> Stat:
        """`version` is compared with the znode's aversion."""
        wire, version = self._wire(path, "set_acl"), check_version(version, path)
        request = c.SetACLRequest(wire, acl_list(acl, path), version)
        stat: Stat = (await self._ask(Op.setACL, request, path, timeout)).stat
        return stat

    async def sync(self, path: str = "/", *, timeout: float | None = None) -> None:
        """Reads after this see all that was written before it, by anybody."""
        await self._ask(Op.sync, c.SyncRequest(self._wire(path, "sync")), path, timeout)

    async def count_descendants(self, path: str = "/", *, timeout: float | None = None) -> int:
        """How many znodes are below it, at any depth."""
        request = c.GetAllChildrenNumberRequest(self._wire(path, "count_descendants"))
        number: int = (
            await self._ask(Op.getAllChildrenNumber, request, path, timeout)
        ).total_number
        return number

    async def ephemerals(self, prefix: str = "/", *, timeout: float | None = None) -> list[str]:
        """The paths of this session's ephemerals that start with `prefix`, sorted."""
        wire = self._wire(prefix, "ephemerals")
        request = c.GetEphemeralsRequest(wire)
        reply = await self._ask(Op.getEphemerals, request, prefix, timeout)
        below = wire if wire == paths.ROOT else wire + b"/"
        mine = (p for p in reply.ephemerals if p == wire or p.startswith(below))
        return sorted(map(self._path, mine))
