"""Creating znodes, also when the connection breaks meanwhile.

A create whose answer is lost may have been applied. Three cases can be told apart, and are:

- Protected: the name carries a random id (`_c_<id>-name`, as Curator writes it), so that the
  znode can be looked for. When it is not there an ephemeral one, which nobody else deletes, is
  created again; any other may have been there and been taken away (from a queue, say): the outcome
  stays UNKNOWN.
- Ephemeral under a fixed name: it is repeated; if the znode exists by then, belongs to this session
  and is younger than the first attempt, that attempt made it.
- All others raise ConnectionLossError with the outcome UNKNOWN.

When the caller gives up (deadline, cancellation) while a protected create is under way, the znode
is looked for and deleted behind its back: an orphan would block a lock until the session ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from zoo.client.base import acl_list
from zoo.client.errors import (
    ClientError,
    ConnectionLossError,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
    Outcome,
)
from zoo.client.nodes import NodeOperations
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.jute import client_records as c
from zoo.jute.constants import OPEN_ACL_UNSAFE, CreateMode
from zoo.jute.ephemeral import MAX_TTL
from zoo.jute.operations import Op
from zoo.jute.records import ACL

T = TypeVar("T")
PROTECTED_PREFIX = "_c_"
_CLEANING_SECONDS = 60.0


class CreateSpec(NamedTuple):
    """What a create asks for beyond path and data."""

    ephemeral: bool = False
    sequence: bool = False
    container: bool = False
    ttl: float | None = None
    acl: Iterable[ACL] = OPEN_ACL_UNSAFE

    def operation(self) -> tuple[Op, CreateMode]:
        """Raises ValueError for a combination that ZooKeeper does not have."""
        if self.container:
            if self.ephemeral or self.sequence or self.ttl is not None:
                raise ValueError("a container is neither ephemeral nor sequential, nor has a ttl")
            return Op.createContainer, CreateMode.CONTAINER
        if self.ttl is not None:
            if self.ephemeral:
                raise ValueError("an ephemeral znode has no ttl: it goes with its session")
            if not 1 <= self.ttl * 1000 <= MAX_TTL:
                raise ValueError(f"ttl {self.ttl} s is not in 0.001..{MAX_TTL / 1000}")
            if self.sequence:
                return Op.createTTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL
            return Op.createTTL, CreateMode.PERSISTENT_WITH_TTL
        return Op.create2, CreateMode(self.ephemeral + 2 * self.sequence)

    def request(self, wire: bytes, data: bytes | None) -> tuple[Op, Any]:
        op, mode = self.operation()
        acl = acl_list(self.acl)
        if self.ttl is not None:
            return op, c.CreateTTLRequest(wire, data, acl, mode, int(self.ttl * 1000))
        return op, c.CreateRequest(wire, data, acl, mode)


class CreateOperations(NodeOperations[T]):
    async def create(
        self,
        path: str,
        data: T | None = None,
        *,
        ephemeral: bool = False,
        sequence: bool = False,
        container: bool = False,
        ttl: float | None = None,
        acl: Iterable[ACL] = OPEN_ACL_UNSAFE,
        make_parents: bool = False,
        protected: bool = False,
        timeout: float | None = None,
    ) -> Node[T]:
        """A new znode; its path in the result ends in ten digits when `sequence` is set.

        `ttl` in seconds (the server deletes it when it had no children and no change for so long),
        `container`: deleted when its last child is. `protected` puts a random id before the name,
        so that a lost connection does not leave the outcome unknown. Raises NodeExistsError,
        NoNodeError (the parent, unless `make_parents`), NoChildrenForEphemeralsError.
        """
        spec = CreateSpec(ephemeral, sequence, container, ttl, acl)
        self._wire(path, "create", sequence)
        seconds = self._session.options.operation_timeout if timeout is None else timeout
        deadline = asyncio.get_running_loop().time() + seconds
        token = ""
        if protected:
            token = f"{PROTECTED_PREFIX}{outside().unique_name()}-"
            above, _, name = path.rpartition("/")
            path = f"{above}/{token}{name}"
        try:
            return await self._create_until(path, data, spec, deadline, token)
        except NoNodeError:
            if not make_parents:
                raise
        await self.ensure_path(path.rpartition("/")[0] or "/", timeout=timeout)
        return await self._create_until(path, data, spec, deadline, token)

    async def ensure_path(self, path: str, *, timeout: float | None = None) -> None:
        """Create it and all above it that is missing, without data."""
        if path == "/" and not self._prefix:
            return
        try:
            await self.create(path, timeout=timeout)
        except NodeExistsError:
            return
        except NoNodeError:
            if path == "/":
                await self._create_chroot(timeout)
                return
            await self.ensure_path(path.rpartition("/")[0] or "/", timeout=timeout)
            await self.ensure_path(path, timeout=timeout)
        except ConnectionLossError as error:
            if error.outcome is Outcome.NOT_SENT:
                raise  # too many wait already, or the client is being closed
            await self.ensure_path(path, timeout=timeout)  # whoever made it, it shall be there

    async def _create_chroot(self, timeout: float | None) -> None:
        above = CreateOperations(self._session, self._converter)
        await above.ensure_path(self._prefix, timeout=timeout)

    async def _create_until(
        self, path: str, data: T | None, spec: CreateSpec, deadline: float, token: str
    ) -> Node[T]:
        began_at = self._session.core.last_zxid
        is_again = False
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                return await self._create_once(path, data, spec, left)
            except NodeExistsError:
                mine = await self._own_ephemeral(path, data, began_at) if is_again else None
                if mine is None:
                    raise
                return mine
            except (ConnectionLossError, OperationTimeoutError) as error:
                if error.outcome is Outcome.NOT_SENT:
                    raise
                if token:
                    found = await self._search(path, data, token, deadline, error)
                    if found is not None:
                        return found
                    if not spec.ephemeral:
                        raise
                elif isinstance(error, OperationTimeoutError) or not _is_repeatable(spec):
                    raise
                is_again = True
            except asyncio.CancelledError:
                self._abandon(path, token)
                raise

    async def _create_once(
        self, path: str, data: T | None, spec: CreateSpec, timeout: float
    ) -> Node[T]:
        wire = self._wire(path, "create", spec.sequence)
        stored = self._bytes(data, path)
        op, request = spec.request(wire, stored)
        reply = await self._ask(op, request, path, timeout)
        return Node(self._path(reply.path), self._value(stored, path), reply.stat)

    async def _own_ephemeral(self, path: str, data: T | None, began_at: int) -> Node[T] | None:
        stat = await self.exists(path)
        owner = self._session.core.session_id
        if stat is not None and stat.ephemeral_owner == owner and stat.czxid > began_at:
            return Node(path, self._value(self._bytes(data, path), path), stat)
        return None

    async def _search(
        self, path: str, data: T | None, token: str, deadline: float, cause: ClientError
    ) -> Node[T] | None:
        """The znode that a create whose answer is lost has made, if it has."""
        left = deadline - asyncio.get_running_loop().time()
        try:
            if left <= 0:
                raise cause
            for name in await self._with_token(path, token, left):
                found = f"{path.rpartition('/')[0]}/{name}"
                stat = await self.exists(found, timeout=left)
                if stat is not None:
                    return Node(found, self._value(self._bytes(data, path), path), stat)
        except NoNodeError:
            return None  # not even the parent is there
        except (ClientError, asyncio.CancelledError):
            self._abandon(path, token)
            raise
        return None

    async def _with_token(self, path: str, token: str, timeout: float | None) -> list[str]:
        parent = path.rpartition("/")[0] or "/"
        await self.sync(parent, timeout=timeout)  # the next server may not have it yet
        names = await self.children(parent, timeout=timeout)
        return [name for name in names if name.startswith(token)]

    def _abandon(self, path: str, token: str) -> None:
        """Delete in the background what a create under way may still make."""
        if token and not self._session.state.is_final:
            task = asyncio.get_running_loop().create_task(self._clean_up(path, token))
            self._session.tasks.add(task)
            task.add_done_callback(self._session.tasks.discard)

    async def _clean_up(self, path: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _CLEANING_SECONDS
        while loop.time() < end:
            try:
                for name in await self._with_token(path, token, _CLEANING_SECONDS):
                    await self.delete(f"{path.rpartition('/')[0]}/{name}")
                return
            except (ConnectionLossError, OperationTimeoutError):
                if self._session.state.is_final:
                    return
            except ClientError:
                return  # gone with its session, or with its parent


def _is_repeatable(spec: CreateSpec) -> bool:
    return spec.ephemeral and not spec.sequence
