"""A lock that many readers share and one writer has alone.

Guarantee: while a writer holds it nobody else does; requests are served in the order in which they
came, so neither side starves. SUSPENDED, LOST, `token` and `guarded` are as for Lock. The znodes
are named as Curator's InterProcessReadWriteLock names them.
"""

from __future__ import annotations

from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.recipes.lock import Lock
from zoo.recipes.places import Contender, Place, right_ahead, stand_in_line

READERS = frozenset({"READ", "rlock"})  # kazoo's reader is __rlock__, its writer __lock__
KINDS = (*sorted(READERS), "WRIT", "lock")


def last_writer_ahead(line: list[Contender], mine: int) -> Contender | None:
    """Readers wait for the nearest writer that came before them."""
    return next((each for each in reversed(line[:mine]) if each.kind not in READERS), None)


class ReadLock(Lock):
    async def _stand_in_line(self, timeout: float | None) -> Place:
        return await stand_in_line(
            self._zk, self.path, "__READ__", KINDS, last_writer_ahead, self._data, timeout
        )


class WriteLock(Lock):
    async def _stand_in_line(self, timeout: float | None) -> Place:
        return await stand_in_line(
            self._zk, self.path, "__WRIT__", KINDS, right_ahead, self._data, timeout
        )


class RWLock:
    """`async with rw.read: ...` and `async with rw.write: ...`; each a Lock of its own."""

    def __init__(self, zk: AsyncClient[Any], path: str, *, name: str = "") -> None:
        self.path = path
        self.read = ReadLock(zk, path, name=name)
        self.write = WriteLock(zk, path, name=name)

    def __repr__(self) -> str:
        return f"<RWLock {self.path} read {self.read.is_held} write {self.write.is_held}>"
