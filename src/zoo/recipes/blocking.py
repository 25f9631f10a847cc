"""The recipes for the blocking client: same names, same guarantees, same znodes.

Each wraps its asyncio twin, whose docstring states the guarantee and what to do when the session is
suspended or lost. Any thread may use them; a reentrant Lock belongs to a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from zoo.client.blocking import Client
from zoo.client.blocking_parts import BlockingTransaction
from zoo.client.converters import Converter
from zoo.client.portal import portal
from zoo.client.results import Node
from zoo.client.transaction import Transaction
from zoo.recipes import (
    barrier,
    cache,
    counter,
    election,
    group,
    lock,
    places,
    queues,
    rwlock,
    semaphore,
)
from zoo.recipes.queues import Taken

T = TypeVar("T")
R = TypeVar("R")


def _run(work: Coroutine[Any, Any, R]) -> R:
    return portal().run(work)


def _blocking(transaction: Transaction[Any]) -> BlockingTransaction[Any]:
    twin = BlockingTransaction(transaction._client)
    twin._items, twin._paths = transaction._items, transaction._paths
    return twin


class Place:
    """See `zoo.recipes.Place`."""

    def __init__(self, place: places.Place) -> None:
        self._place = place

    def __repr__(self) -> str:
        return repr(self._place)

    @property
    def path(self) -> str:
        return self._place.path

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier holder."""
        return self._place.token

    @property
    def is_held(self) -> bool:
        return self._place.is_held

    def guarded(self) -> BlockingTransaction[Any]:
        return _blocking(self._place.guarded())

    def wait_until_lost(self, timeout: float | None = None) -> bool:
        """False after `timeout` seconds, when it is still ours."""

        async def wait() -> None:
            async with asyncio.timeout(timeout):
                await self._place.lost.wait()

        try:
            _run(wait())
        except TimeoutError:
            return False
        return True

    def leave(self) -> None:
        _run(self._place.leave())


class Lock:
    """`with Lock(zk, "/locks/a") as place: ...`; see `zoo.recipes.Lock`."""

    def __init__(
        self, zk: Client[Any], path: str, *, name: str = "", reentrant: bool = False
    ) -> None:
        self._lock = self._twin(zk, path, name)
        self._reentrant = reentrant
        self._owner: int | None = None
        self._depth = 0

    def _twin(self, zk: Client[Any], path: str, name: str) -> lock.Lock:
        return lock.Lock(zk._client, path, name=name)

    def __repr__(self) -> str:
        return repr(self._lock)

    @property
    def path(self) -> str:
        return self._lock.path

    @property
    def is_held(self) -> bool:
        return self._lock.is_held

    @property
    def token(self) -> int:
        return self._lock.token

    def guarded(self) -> BlockingTransaction[Any]:
        return _blocking(self._lock.guarded())

    def acquire(self, timeout: float | None = None) -> Place:
        if self._reentrant and self._owner == threading.get_ident():
            self._depth += 1
            return Place(self._lock._mine())
        place = _run(self._lock.acquire(timeout))
        self._owner, self._depth = threading.get_ident(), 1
        return Place(place)

    def release(self) -> None:
        if self._depth > 1:
            self._depth -= 1
            return
        self._owner, self._depth = None, 0
        _run(self._lock.release())

    def contenders(self) -> list[str]:
        return _run(self._lock.contenders())

    def __enter__(self) -> Place:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class ReadLock(Lock):
    def _twin(self, zk: Client[Any], path: str, name: str) -> lock.Lock:
        return rwlock.ReadLock(zk._client, path, name=name)


class WriteLock(Lock):
    def _twin(self, zk: Client[Any], path: str, name: str) -> lock.Lock:
        return rwlock.WriteLock(zk._client, path, name=name)


class RWLock:
    """`with rw.read: ...`, `with rw.write: ...`; see `zoo.recipes.RWLock`."""

    def __init__(self, zk: Client[Any], path: str, *, name: str = "") -> None:
        self.path = path
        self.read = ReadLock(zk, path, name=name)
        self.write = WriteLock(zk, path, name=name)


class MultiLock:
    """See `zoo.recipes.MultiLock`."""

    def __init__(self, zk: Client[Any], paths: Iterable[str], *, name: str = "") -> None:
        self._lock = lock.MultiLock(zk._client, paths, name=name)

    @property
    def is_held(self) -> bool:
        return self._lock.is_held

    def guarded(self) -> BlockingTransaction[Any]:
        return _blocking(self._lock.guarded())

    def acquire(self, timeout: float | None = None) -> list[Place]:
        return [Place(place) for place in _run(self._lock.acquire(timeout))]

    def release(self) -> None:
        _run(self._lock.release())

    def __enter__(self) -> list[Place]:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Semaphore:
    """See `zoo.recipes.Semaphore`."""

    def __init__(self, zk: Client[Any], path: str, leases: int, *, name: str = "") -> None:
        self._semaphore = semaphore.Semaphore(zk._client, path, leases, name=name)

    def acquire(self, timeout: float | None = None) -> Place:
        return Place(_run(self._semaphore.acquire(timeout)))

    def release(self) -> None:
        _run(self._semaphore.release())

    def holders(self) -> int:
        return _run(self._semaphore.holders())

    def __enter__(self) -> Place:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Election:
    """See `zoo.recipes.Election`. A function that `run` calls cannot be cancelled: it must look at
    `leadership.is_held`, and write through `leadership.guarded()`."""

    def __init__(self, zk: Client[Any], path: str, *, name: str = "") -> None:
        self._election = election.Election(zk._client, path, name=name)

    @property
    def is_leader(self) -> bool:
        return self._election.is_leader

    def lead(self, timeout: float | None = None) -> Place:
        return Place(_run(self._election.lead(timeout)))

    def resign(self) -> None:
        _run(self._election.resign())

    def run(self, function: Callable[[Place], R]) -> R:
        """Call it once, in this thread, as soon as we lead."""
        with self as leadership:
            return function(leadership)

    def candidates(self) -> list[str]:
        return _run(self._election.candidates())

    def leader(self) -> str | None:
        return _run(self._election.leader())

    def __enter__(self) -> Place:
        return self.lead()

    def __exit__(self, *_: object) -> None:
        self.resign()


class LeaderLatch:
    """See `zoo.recipes.LeaderLatch`."""

    def __init__(self, zk: Client[Any], path: str, *, name: str = "") -> None:
        self._latch = election.LeaderLatch(zk._client, path, name=name)

    @property
    def is_leader(self) -> bool:
        return self._latch.is_leader

    @property
    def leadership(self) -> Place | None:
        place = self._latch.leadership
        return None if place is None else Place(place)

    def start(self) -> None:
        _run(self._latch.start())

    def wait_until_leader(self, timeout: float | None = None) -> Place:
        return Place(_run(self._latch.wait_until_leader(timeout)))

    def stop(self) -> None:
        _run(self._latch.stop())

    def __enter__(self) -> LeaderLatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Barrier:
    """See `zoo.recipes.Barrier`."""

    def __init__(self, zk: Client[Any], path: str) -> None:
        self._barrier = barrier.Barrier(zk._client, path)

    def create(self) -> bool:
        return _run(self._barrier.create())

    def remove(self) -> bool:
        return _run(self._barrier.remove())

    def wait(self, timeout: float | None = None) -> None:
        _run(self._barrier.wait(timeout))


class AtomicValue(Generic[T]):
    """See `zoo.recipes.AtomicValue`. `change` is called in the caller's thread."""

    def __init__(self, zk: Client[Any], path: str, converter: Converter[T], initial: T) -> None:
        self._value = counter.AtomicValue(zk._client, path, converter, initial)

    def get(self) -> T:
        return _run(self._value.get())

    def update(self, change: Callable[[T], T]) -> T:
        while True:
            node = _run(self._value._read())
            value = change(self._value._initial if node is None else node.data)
            if _run(self._value._write(node, value)):
                return value

    def compare_and_set(self, expected: T, value: T) -> bool:
        return _run(self._value.compare_and_set(expected, value))


class Counter(AtomicValue[int]):
    """See `zoo.recipes.Counter`."""

    def __init__(self, zk: Client[Any], path: str, initial: int = 0) -> None:
        super().__init__(zk, path, counter.NUMBER, initial)

    def add(self, amount: int = 1) -> int:
        return _run(self._value.update(lambda value: value + amount))


class PriorityQueue(Generic[T]):
    """See `zoo.recipes.PriorityQueue`."""

    def __init__(self, zk: Client[T], path: str) -> None:
        self._queue: queues.PriorityQueue[T] = self._twin(zk, path)

    def _twin(self, zk: Client[T], path: str) -> queues.PriorityQueue[T]:
        return queues.PriorityQueue(zk._client, path)

    def put(self, item: T, priority: int = 500) -> str:
        return _run(self._queue.put(item, priority))

    def get(self, timeout: float | None = None) -> T:
        return _run(self._queue.get(timeout))

    def size(self) -> int:
        return _run(self._queue.size())


class Queue(PriorityQueue[T]):
    """See `zoo.recipes.Queue`."""

    def _twin(self, zk: Client[T], path: str) -> queues.PriorityQueue[T]:
        return queues.Queue(zk._client, path)


class WorkQueue(Generic[T]):
    """See `zoo.recipes.WorkQueue`."""

    def __init__(self, zk: Client[T], path: str) -> None:
        self._queue = queues.WorkQueue(zk._client, path)

    def put(self, item: T, priority: int = 500) -> str:
        return _run(self._queue.put(item, priority))

    def size(self) -> int:
        return _run(self._queue.size())

    def take(self, timeout: float | None = None) -> Taken[T]:
        return _run(self._queue.take(timeout))

    def ack(self, item: Taken[T]) -> bool:
        return _run(self._queue.ack(item))

    def put_back(self, item: Taken[T]) -> bool:
        return _run(self._queue.put_back(item))


class Group(Generic[T]):
    """See `zoo.recipes.Group`."""

    def __init__(
        self, zk: Client[T], path: str, name: str | None = None, data: T | None = None
    ) -> None:
        self._group = group.Group(zk._client, path, name, data)

    def join(self) -> None:
        _run(self._group.join())

    def leave(self) -> None:
        _run(self._group.leave())

    def set_data(self, data: T) -> None:
        _run(self._group.set_data(data))

    def members(self) -> dict[str, T]:
        return _run(self._group.members())

    def changes(self) -> Iterator[dict[str, T]]:
        """The members now, and again after each change; blocks meanwhile."""
        changes = self._group.changes()

        async def following() -> dict[str, T] | None:
            return await anext(changes, None)

        while (members := _run(following())) is not None:
            yield members

    def __enter__(self) -> Group[T]:
        self.join()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class TreeCache(Generic[T]):
    """See `zoo.recipes.TreeCache`. The listener is called in the client's thread for callbacks."""

    def __init__(self, zk: Client[T], path: str, listener: cache.Listener | None = None) -> None:
        def forward(path: str, node: Node[T] | None) -> None:
            if listener is not None:
                zk._dispatcher.call(lambda: listener(path, node))

        self._cache = self._twin(zk, path, forward)

    def _twin(self, zk: Client[T], path: str, listener: cache.Listener) -> cache.TreeCache[T]:
        return cache.TreeCache(zk._client, path, listener)

    def __repr__(self) -> str:
        return repr(self._cache)

    def __len__(self) -> int:
        return len(self._cache)

    @property
    def is_current(self) -> bool:
        return self._cache.is_current

    def get(self, path: str) -> Node[T] | None:
        return self._cache.get(path)

    def children(self, path: str) -> list[str]:
        return self._on_loop(lambda: self._cache.children(path))

    def snapshot(self) -> dict[str, Node[T]]:
        """Path -> node, by path; of one moment."""
        return self._on_loop(self._cache.snapshot)

    def _on_loop(self, read: Callable[[], R]) -> R:
        async def run() -> R:
            return read()

        return _run(run())

    def wait_for(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """`condition` is called on the portal's thread: it may look at the cache and no more."""
        _run(self._cache.wait_for(condition, timeout))

    def start(self, timeout: float | None = 30.0) -> None:
        _run(self._cache.start(timeout))

    def stop(self) -> None:
        _run(self._cache.stop())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class NodeCache(TreeCache[T]):
    """See `zoo.recipes.NodeCache`."""

    def _twin(self, zk: Client[T], path: str, listener: cache.Listener) -> cache.TreeCache[T]:
        return cache.NodeCache(zk._client, path, listener)

    @property
    def node(self) -> Node[T] | None:
        return self._cache.get(self._cache.path)
