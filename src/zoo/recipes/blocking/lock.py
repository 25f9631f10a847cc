"""The blocking twins of the locks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from zoo.client.blocking import Client
from zoo.client.blocking_parts import BlockingTransaction
from zoo.recipes import lock
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.blocking.places import Place, blocking
from zoo.recipes.layouts import CURATOR, Layout


class Lock(Twin[lock.Lock], of=lock.Lock):
    """`with Lock(zk, "/locks/a") as place: ...`; see `zoo.recipes.Lock`."""

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        *,
        name: str = "",
        reentrant: bool = False,
        layout: Layout = CURATOR,
    ) -> None:
        super().__init__(self._twin(zk, path, name, layout))
        self._reentrant = reentrant
        self._owner: int | None = None

    def _twin(self, zk: Client[Any], path: str, name: str, layout: Layout) -> lock.Lock:
        return lock.Lock(zk._client, path, name=name, layout=layout)

    @property
    def path(self) -> str:
        return self._recipe.path

    @property
    def is_held(self) -> bool:
        return self._recipe.is_held

    @property
    def token(self) -> int:
        return self._recipe.token

    def guarded(self) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded())

    def acquire(self, timeout: float | None = None) -> Place:
        if self._reentrant and self._owner == threading.get_ident():
            return Place(self._recipe._again())
        place = run(self._recipe.acquire(timeout))
        self._owner = threading.get_ident()
        return Place(place)

    def release(self) -> None:
        if self._recipe._depth == 1:
            self._owner = None
        run(self._recipe.release())

    def contenders(self) -> list[str]:
        return run(self._recipe.contenders())

    def __enter__(self) -> Place:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class MultiLock(Twin[lock.MultiLock], of=lock.MultiLock):
    """See `zoo.recipes.MultiLock`."""

    def __init__(
        self,
        zk: Client[Any],
        paths: Iterable[str],
        *,
        name: str = "",
        layout: Layout = CURATOR,
    ) -> None:
        super().__init__(lock.MultiLock(zk._client, paths, name=name, layout=layout))

    @property
    def is_held(self) -> bool:
        return self._recipe.is_held

    def guarded(self) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded())

    def acquire(self, timeout: float | None = None) -> list[Place]:
        return [Place(place) for place in run(self._recipe.acquire(timeout))]

    def release(self) -> None:
        run(self._recipe.release())

    def __enter__(self) -> list[Place]:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
