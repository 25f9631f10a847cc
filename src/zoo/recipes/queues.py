"""Queues: Queue and PriorityQueue, and what they share with WorkQueue and DelayQueue.

Guarantee: an item is handed out once at most, oldest (of the most urgent) first. `put` puts once,
however often the connection breaks; only when the session is lost meanwhile, and the item is not
there, ConnectionLossError says that it may have been taken already.
`get` deletes the item before it returns: when the connection breaks during that, the same error
says that the item may be gone; and what the taker does not finish is lost. SUSPENDED and LOST need
nothing: items are not tied to a session, `get` goes on waiting with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from zoo.client.async_client import AsyncClient
from zoo.client.errors import (
    ClientError,
    ConnectionLossError,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
    Outcome,
    SessionExpiredError,
    TransactionFailedError,
)
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.client.session import Session
from zoo.errors import Code
from zoo.recipes.waiting import Deadline, Wake, across_sessions, take_back

T = TypeVar("T")
R = TypeVar("R")
HIGHEST, USUAL, LOWEST = 0, 500, 999
_ITEM = re.compile(r".*item-(\d+)-(-?\d{10,})").fullmatch


class Item(NamedTuple):
    """A child that is an item: `_c_<id>-item-<rank>-<number>`."""

    rank: int
    number: int
    name: str


def in_order(names: list[str]) -> list[Item]:
    """The items by rank (priority, or when they are due) and number; other children: left out."""
    matches = filter(None, map(_ITEM, names))
    return sorted(Item(int(m[1]), int(m[2]) & 0xFFFFFFFF, m[0]) for m in matches)


class _Producer:
    """An ephemeral znode whose version counts the puts of a client into a queue.

    A put whose answer was lost is sent again with the same expected version: refused for that, it
    had been applied. (Looking for the item would not do: a quick taker has it by then.)
    """

    def __init__(self, path: str, session_id: int) -> None:
        self.path = path
        self.session_id = session_id
        self.puts = 0
        self.is_new = True
        self.is_in_doubt = False


class _Desk:
    """Where the puts of one client into one queue follow each other, with one producer."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.producer: _Producer | None = None


_DESKS: WeakKeyDictionary[Session, dict[bytes, _Desk]] = WeakKeyDictionary()


class Items(Generic[T]):
    """What all queues have in common: znodes in order, and waiting for the next one."""

    def __init__(self, zk: AsyncClient[T], path: str) -> None:
        self.path = path
        self._zk = zk
        desks = _DESKS.setdefault(zk._session, {})
        self._desk = desks.setdefault(zk._wire(path, "queue"), _Desk())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    async def _put(self, item: T, rank: str) -> str:
        """Puts of one client follow each other."""
        token, is_again = f"_c_{outside().unique_name()}", False
        async with self._desk.lock:
            while True:
                transaction = self._zk.transaction()
                async with self._producing() as producer:
                    transaction.set(producer.path, None, version=producer.puts)
                    transaction.create(f"{self.path}/{token}-item-{rank}-", item, sequence=True)
                    try:
                        path: str = (await transaction.commit())[1].path
                    except ConnectionLossError:
                        self._desk.producer, is_again = producer, True
                        producer.is_in_doubt = True
                        continue
                    except (SessionExpiredError, TransactionFailedError) as error:
                        if error.code not in (Code.BADVERSION, Code.NONODE, Code.SESSIONEXPIRED):
                            raise
                        if not is_again and error.outcome is not Outcome.UNKNOWN:
                            continue  # the session was lost before, and the producer with it
                        producer.is_in_doubt = True
                        has_been_put = error.code is Code.BADVERSION
                        path = await across_sessions(partial(self._find, token, has_been_put))
                        if not has_been_put:
                            return path
                    producer.puts, producer.is_in_doubt = producer.puts + 1, False
                    self._desk.producer = producer
                    return path

    @contextlib.asynccontextmanager
    async def _producing(self) -> AsyncIterator[_Producer]:
        """The client's producer. It is there for the next put when nothing came of this one, and
        deleted when that is not known: its version would tell nothing about the next."""
        producer, self._desk.producer = self._desk.producer, None
        if producer is None:
            name = f"{self.path}/producers/{outside().unique_name()}"
            producer = _Producer(name, self._zk.session_id)
        try:
            if producer.is_new:
                await self._zk.retrying(partial(self._enter, producer.path))
                producer.is_new = False
            yield producer
        except (ValueError, TypeError, ClientError) as error:
            is_unknown = getattr(error, "outcome", None) is Outcome.UNKNOWN
            if not (producer.is_new or producer.is_in_doubt or is_unknown):
                self._desk.producer = producer
            raise
        finally:
            if self._desk.producer is None and producer.session_id == self._zk.session_id:
                take_back(self._zk, partial(self._dismiss, producer.path))

    async def _enter(self, path: str) -> None:
        with contextlib.suppress(NodeExistsError):  # made, and the answer was lost
            await self._zk.create(path, ephemeral=True, make_parents=True)

    async def _dismiss(self, path: str) -> None:
        with contextlib.suppress(NoNodeError):
            await self._zk.delete(path)

    async def _find(self, token: str, has_been_put: bool) -> str:
        """The path of an item; without its number when it has been taken already."""
        await self._zk.sync(self.path)  # the next server may not have it yet
        names = await self._zk.children(self.path)
        name = next((name for name in names if name.startswith(token)), None)
        if name is None and not has_been_put:
            raise ConnectionLossError(
                "the session was lost, and the item is not there",
                operation="put",
                path=self.path,
                outcome=Outcome.UNKNOWN,
            )
        return f"{self.path}/{name or token}"

    async def _put_by_priority(self, item: T, priority: int) -> str:
        if not HIGHEST <= priority <= LOWEST:
            raise ValueError(f"priority {priority} is not in {HIGHEST}..{LOWEST}")
        return await self._put(item, f"{priority:03}")

    async def size(self) -> int:
        """Items in the queue, also those that nobody may take yet."""
        try:
            return len(in_order(await self._zk.children(self.path)))
        except NoNodeError:
            return 0

    async def _names(self, folder: str, wake: Wake | None = None) -> list[str]:
        while True:
            try:
                return await self._zk.children(folder, watch=wake)
            except NoNodeError:
                await self._zk.ensure_path(folder)

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        """Names of items that may be taken now, and the seconds until the next may be (None:
        when something changes, which `wake` tells)."""
        return [item.name for item in in_order(await self._names(self.path, wake))], None

    async def _when_there_is(
        self, take: Callable[[str, Deadline], Awaitable[R | None]], timeout: float | None
    ) -> R:
        deadline = Deadline(timeout)
        while True:
            changed = Wake()
            try:
                async with deadline.of_requests():
                    names, pause = await self._ready(changed)
                for name in names:
                    taken = await take(name, deadline)
                    if taken is not None:
                        return taken
                if not await changed.within(pause, deadline):
                    raise TimeoutError
            except SessionExpiredError:
                continue  # while reading or waiting: nothing was taken
            except OperationTimeoutError:
                raise
            except TimeoutError:
                raise OperationTimeoutError(
                    f"no item came for {timeout:g} s", operation="get", path=self.path
                ) from None
            finally:
                self._forget(changed)

    def _forget(self, wake: Wake) -> None:
        self._zk._forget(self.path, wake)


class Queue(Items[T]):
    """First in, first out."""

    async def put(self, item: T) -> str:
        """The item's path; without its number when it was taken before we knew it."""
        return await self._put_by_priority(item, USUAL)

    async def get(self, timeout: float | None = None) -> T:
        """Take the first item. Raises OperationTimeoutError when none came for so many seconds (0:
        none is there); its outcome is UNKNOWN when one was asked for that may be gone now."""
        return (await self._when_there_is(self._take, timeout)).data

    async def _take(self, name: str, deadline: Deadline) -> Node[T] | None:
        try:
            async with deadline.of_requests():
                node = await self._zk.get(f"{self.path}/{name}")
            # From here on it may be gone: no answer in time is another error than no item.
            await self._zk.delete(node.path, timeout=deadline.for_request)
        except NoNodeError:
            return None  # another was faster
        return node


class PriorityQueue(Queue[T]):
    """Items leave by priority (0 the most urgent), and within one in the order they came."""

    async def put(self, item: T, priority: int = USUAL) -> str:
        """The item's path; without its number when it was taken before we knew it."""
        return await self._put_by_priority(item, priority)
