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
    SessionExpiredError,
)
from zoo.client.nodes import NodeOperations
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.client.retry import RetryPolicy, is_transient
from zoo.jute import client_records as c
from zoo.jute.constants import OPEN_ACL_UNSAFE, CreateMode
from zoo.jute.ephemeral import MAX_TTL
from zoo.jute.operations import Op
from zoo.jute.records import ACL

T = TypeVar("T")
PROTECTED_PREFIX = "_c_"
_CLEANING_SECONDS = 30.0
"""For one question of those that clean up."""


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
        if acl is not OPEN_ACL_UNSAFE:
            acl = acl_list(acl, path)
        spec = CreateSpec(ephemeral, sequence, container, ttl, acl)
        self._wire(path, "create", sequence)
        stored = self._bytes(data, path)
        seconds = self._session.options.seconds(timeout)
        wanted = _Wanted(path, path, stored, spec, "", seconds, _now() + seconds)
        if protected:
            token = f"{PROTECTED_PREFIX}{outside().unique_name()}-"
            above, _, name = path.rpartition("/")
            wanted = wanted._replace(path=f"{above}/{token}{name}", token=token)
        try:
            return await self._create_until(wanted)
        except NoNodeError:
            if not make_parents:
                raise
        await self.ensure_path(path.rpartition("/")[0] or "/", timeout=wanted.left)
        return await self._create_until(wanted)

    async def ensure_path(self, path: str, *, timeout: float | None = None) -> None:
        """Create it and all above it that is missing, without data."""
        seconds = self._session.options.seconds(timeout)
        end = _now() + seconds
        missing = [path]
        while missing:
            if missing[-1] == "/":
                await self._ensure_root(end - _now())
                missing.pop()
                continue
            try:
                await self.create(missing[-1], timeout=end - _now())
                missing.pop()
            except NodeExistsError:
                missing.pop()
            except NoNodeError:
                missing.append(missing[-1].rpartition("/")[0] or "/")
            except OperationTimeoutError as error:
                raise OperationTimeoutError(
                    f"after {seconds:g} s, at {missing[-1]}: {error.detail}",
                    operation="ensure_path",
                    path=path,
                    outcome=error.outcome,
                ) from error
            except ConnectionLossError as error:
                if error.outcome is Outcome.NOT_SENT:
                    raise  # too many wait already, or the client is being closed
                # whoever made it, it shall be there: once more

    async def _ensure_root(self, timeout: float) -> None:
        """The znode of the chroot, if there is one."""
        if self._prefix:
            above = CreateOperations(self._session, self._converter)
            await above.ensure_path(self._prefix, timeout=timeout)

    async def _create_until(self, wanted: _Wanted) -> Node[T]:
        began_at = self._session.core.last_zxid
        is_again = False
        while True:
            try:
                if wanted.left <= 0:
                    raise OperationTimeoutError(outcome=Outcome.NOT_SENT)
                return await self._create_once(wanted)
            except NodeExistsError:
                mine = await self._own_ephemeral(wanted, began_at) if is_again else None
                if mine is None:
                    raise
                return mine
            except (ConnectionLossError, OperationTimeoutError) as error:
                if error.outcome is Outcome.NOT_SENT:
                    raise wanted.failed(error, is_again) from None
                if wanted.token:
                    found = await self._search(wanted, error)
                    if found is not None:
                        return found
                    if not wanted.spec.ephemeral:
                        raise wanted.failed(error, True) from None
                elif isinstance(error, OperationTimeoutError) or not _is_repeatable(wanted.spec):
                    raise wanted.failed(error, True) from None
                is_again = True
            except asyncio.CancelledError:
                self._abandon(wanted)
                raise

    async def _create_once(self, wanted: _Wanted) -> Node[T]:
        wire = self._wire(wanted.path, "create", wanted.spec.sequence)
        op, request = wanted.spec.request(wire, wanted.stored)
        reply = await self._ask(op, request, wanted.asked, wanted.left)
        path = self._path(reply.path)
        return Node(path, self._value(wanted.stored, wanted.asked), reply.stat)

    async def _own_ephemeral(self, wanted: _Wanted, began_at: int) -> Node[T] | None:
        try:
            stat = await self.exists(wanted.path, timeout=wanted.left)
        except ClientError as error:
            raise wanted.failed(error, True) from error
        owner = self._session.core.session_id
        if stat is not None and stat.ephemeral_owner == owner and stat.czxid > began_at:
            return Node(wanted.path, self._value(wanted.stored, wanted.asked), stat)
        return None

    async def _search(self, wanted: _Wanted, cause: ClientError) -> Node[T] | None:
        """The znode that a create whose answer is lost has made, if it has."""
        try:
            if wanted.left <= 0:
                raise cause
            for found in await self._with_token(wanted, wanted.left):
                stat = await self.exists(found, timeout=wanted.left)
                if stat is not None:
                    return Node(found, self._value(wanted.stored, wanted.asked), stat)
        except NoNodeError:
            return None  # not even the parent is there
        except ClientError as error:
            self._abandon(wanted)
            raise wanted.failed(error, True) from error
        except asyncio.CancelledError:
            self._abandon(wanted)
            raise
        return None

    async def _with_token(self, wanted: _Wanted, timeout: float) -> list[str]:
        above = wanted.path.rpartition("/")[0]
        await self.sync(above or "/", timeout=timeout)  # the next server may not have it yet
        names = await self.children(above or "/", timeout=timeout)
        return [f"{above}/{name}" for name in names if name.startswith(wanted.token)]

    def _abandon(self, wanted: _Wanted) -> None:
        """Delete in the background what a create under way may still make."""
        if wanted.token and not self._session.state.is_final:
            self._session.in_background(self._clean_up(wanted))

    async def _clean_up(self, wanted: _Wanted) -> None:
        """Until somebody has looked; an ephemeral one goes with the session that asked for it."""
        core = self._session.core
        session_id = core.session_id
        pauses = RetryPolicy(None, None, 0.1, 10.0).pauses(self._session.rng)
        while not self._session.state.is_final:
            if wanted.spec.ephemeral and core.session_id != session_id:
                return
            try:
                for found in await self._with_token(wanted, _CLEANING_SECONDS):
                    await self.delete(found)
                return
            except ClientError as error:
                if not is_transient(error) and not isinstance(error, SessionExpiredError):
                    return  # gone with its parent
            await asyncio.sleep(next(pauses))


class _Wanted(NamedTuple):
    """A create and how long it may take."""

    asked: str
    """The path as the caller gave it: errors name this one."""
    path: str
    """With the token in its name."""
    stored: bytes | None
    spec: CreateSpec
    token: str
    """"" for one that is not protected."""
    seconds: float
    deadline: float

    @property
    def left(self) -> float:
        return self.deadline - _now()

    def failed(self, error: ClientError, may_be_there: bool) -> ClientError:
        """As the caller is to see what went wrong on the way."""
        detail = error.detail
        if isinstance(error, OperationTimeoutError):
            why = detail.partition("; ")[2]
            detail = f"after {self.seconds:g} s" + (f"; {why}" if why else "")
        outcome = Outcome.UNKNOWN if may_be_there else error.outcome
        return type(error)(
            detail, code=error.code, operation="create", path=self.asked, outcome=outcome
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_repeatable(spec: CreateSpec) -> bool:
    return spec.ephemeral and not spec.sequence
