"""The blocking twin of the lock of many readers or one writer."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking import Client
from zoo.recipes import lock, rwlock
from zoo.recipes.blocking.lock import Lock
from zoo.recipes.layouts import CURATOR, Layout


class ReadLock(Lock):
    def _twin(self, zk: Client[Any], path: str, name: str, layout: Layout) -> lock.Lock:
        return rwlock.ReadLock(zk._client, path, name=name, layout=layout)


class WriteLock(Lock):
    def _twin(self, zk: Client[Any], path: str, name: str, layout: Layout) -> lock.Lock:
        return rwlock.WriteLock(zk._client, path, name=name, layout=layout)


class RWLock:
    """`with rw.read: ...`, `with rw.write: ...`; see `zoo.recipes.RWLock`."""

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        *,
        name: str = "",
        reentrant: bool = False,
        layout: Layout = CURATOR,
    ) -> None:
        self.path = path
        self.read = ReadLock(zk, path, name=name, reentrant=reentrant, layout=layout)
        self.write = WriteLock(zk, path, name=name, reentrant=reentrant, layout=layout)

    def __repr__(self) -> str:
        return f"<RWLock {self.path} read {self.read.is_held} write {self.write.is_held}>"
