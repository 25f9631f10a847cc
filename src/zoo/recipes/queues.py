"""Queues of work: Queue, PriorityQueue, and WorkQueue for items that must not be lost.

Guarantee of Queue and PriorityQueue: an item is handed out once at most, oldest (of the most
urgent) first. `put` puts once, however often the connection breaks; only when the session is lost
meanwhile, and the item is not there, ConnectionLossError says that it may have been taken already.
`get` deletes the item before it returns: when the connection breaks during that, the same error
says that the item may be gone; and what the taker does not finish is lost. SUSPENDED and LOST need
nothing: items are not tied to a session, `get` goes on waiting with the next one.

Guarantee of WorkQueue: an item stays until it is acknowledged. Taking it creates an ephemeral
claim, so an item whose taker dies is handed out again: at least once, to one taker at a time. `ack`
removes item and claim in one transaction that is refused once the claim is not ours, so no item is
acknowledged twice. (An operator who deletes the claim of a taker that hangs hands its item on. If
the connection of that one breaks while it acknowledges what another has done, both are told so.)
On SUSPENDED the claim may still be ours: go on, ack tells. On LOST drop what
was taken, another has it by now.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    BadVersionError,
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
from zoo.client.transaction import Transaction
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


class Taken(NamedTuple, Generic[T]):
    """An item that is ours until it is acknowledged, put back, or our session ends."""

    data: T
    path: str
    claim: str
    taker: str
    token: int
    """Greater than that of every earlier taker of this item."""


class WorkQueue(Items[T]):
    """`item = await q.take(); ...; await q.ack(item)`; see the guarantee above."""

    async def put(self, item: T, priority: int = USUAL) -> str:
        """The item's path; 0 is the most urgent priority."""
        return await self._put_by_priority(item, priority)

    async def take(self, timeout: float | None = None) -> Taken[T]:
        """The first item that nobody works on. Raises OperationTimeoutError."""
        return await self._when_there_is(self._take_claim, timeout)

    async def _ready(self, wake: Wake) -> tuple[list[str], float | None]:
        claimed = set(await self._names(f"{self.path}/claims", wake))  # first: none is overlooked
        names, _ = await super()._ready(wake)
        return [name for name in names if name not in claimed], None

    def _forget(self, wake: Wake) -> None:
        super()._forget(wake)
        self._zk._forget(f"{self.path}/claims", wake)

    async def _take_claim(self, name: str, deadline: Deadline) -> Taken[T] | None:
        """The claim keeps others away; the taker, whose name is unique, says that it is ours."""
        claim, taker = f"{self.path}/claims/{name}", f"{name}.{outside().unique_name()}"
        taker = f"{self.path}/takers/{taker}"
        try:
            async with deadline.of_requests():
                token = await self._claim(name, claim, taker)
                if token is None:
                    return None
                node = await self._zk.get(f"{self.path}/{name}")
        except NoNodeError:
            take_back(self._zk, partial(self._drop, claim, taker))
            return None  # it was acknowledged just before
        except BaseException:
            take_back(self._zk, partial(self._drop, claim, taker))
            raise
        return Taken(node.data, node.path, claim, taker, token)

    async def _claim(self, name: str, claim: str, taker: str) -> int | None:
        """The taker's czxid, or None when another has the claim.

        Where nobody has it and there still is a taker of the item, an operator took the claim from
        it. That one's work is refused from now on: its taker goes in the same transaction.
        """
        is_in_doubt = False
        while True:
            takers = await self._names(f"{self.path}/takers")
            former = [each for each in takers if each.startswith(f"{name}.")]
            transaction = self._zk.with_data(BYTES).transaction()
            transaction.create(taker, ephemeral=True)
            transaction.create(claim, taker.encode(), ephemeral=True)
            for each in former:
                transaction.delete(f"{self.path}/takers/{each}")
            try:
                made: int = (await transaction.commit())[0].stat.czxid
                return made
            except TransactionFailedError as error:
                if error.code is Code.NODEEXISTS:
                    if is_in_doubt:
                        take_back(self._zk, partial(self._drop, claim, taker))
                    return None
                if error.code is not Code.NONODE:  # a former taker has gone by itself
                    raise
                await self._zk.ensure_path(f"{self.path}/claims")
            except ConnectionLossError:
                await self._zk.sync(self.path)
                stat = await self._zk.exists(taker)  # was it applied?
                if stat is not None:
                    return stat.czxid
                is_in_doubt = True  # an operator may have deleted it

    async def _drop(self, claim: str, taker: str) -> None:
        """Both of them, or what an operator left of them; no claim of another's."""
        raw = self._zk.with_data(BYTES)
        with contextlib.suppress(NoNodeError):
            await raw.delete(taker)
        with contextlib.suppress(NoNodeError, BadVersionError):
            node = await raw.get(claim)
            if node.data == taker.encode():
                await raw.delete(claim, version=node.version)

    def guarded(self, item: Taken[T]) -> Transaction[Any]:
        """A transaction that commits only while the item is ours."""
        transaction = self._zk.transaction()
        transaction.check(item.taker)
        return transaction

    def acking(self, item: Taken[T]) -> Transaction[Any]:
        """A transaction that acknowledges the item: what the work changes in this service, added to
        it, happens exactly once. Refused (NONODE) when the item was not ours any more. When its
        outcome is unknown (ConnectionLossError) `put_back`: that does nothing if it was applied."""
        return self._closing(item, is_done=True)

    async def ack(self, item: Taken[T]) -> bool:
        """It is done: remove it. False when it was not ours any more; another may do it again."""
        return await self._finish(item, is_done=True)

    async def put_back(self, item: Taken[T]) -> bool:
        """Let another take it. False when it was not ours any more."""
        return await self._finish(item, is_done=False)

    def _closing(self, item: Taken[T], is_done: bool) -> Transaction[Any]:
        transaction = self._zk.transaction()
        transaction.delete(item.taker)
        transaction.delete(item.claim)
        if is_done:
            transaction.delete(item.path)
        return transaction

    async def _finish(self, item: Taken[T], is_done: bool) -> bool:
        session_id, is_again = self._zk.session_id, False
        while True:
            try:
                await self._closing(item, is_done).commit()
                return True
            except ConnectionLossError:
                is_again = True  # the next try tells
            except TransactionFailedError as error:
                if error.code is not Code.NONODE:
                    raise
                take_back(self._zk, partial(self._drop, item.claim, item.taker))
                was_ours = is_again and self._zk.session_id == session_id
                return was_ours and not (is_done and await self._is_there(item))

    async def _is_there(self, item: Taken[T]) -> bool:
        """Then our taker went before it could acknowledge it: an operator has deleted it."""

        async def look() -> bool:
            await self._zk.sync(self.path)
            return await self._zk.exists(item.path) is not None

        return await self._zk.retrying(look)
