"""A lock that many readers share and one writer has alone.

Guarantee: while a writer holds it nobody else does; requests are served in the order in which they
came, so neither side starves. SUSPENDED, LOST, `token` and `guarded` are as for Lock. Who holds one
of the two must not wait for the other: that would be waiting for oneself. The znodes are named as
Curator's InterProcessReadWriteLock names them, or as kazoo's (`layout=KAZOO`).
"""

from __future__ import annotations

from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.lock import Lock
from zoo.recipes.places import Contender, Place, right_ahead, stand_in_line

READERS = frozenset({"READ", "rlock"})  # kazoo's reader is __rlock__, its writer __lock__
KINDS = (*sorted(READERS), "WRIT", "lock")


def last_writer_ahead(line: list[Contender], mine: int) -> Contender | None:
    """Readers wait for the nearest writer that came before them."""
    return next((each for each in reversed(line[:mine]) if each.kind not in READERS), None)


class ReadLock(Lock):
    _kinds = KINDS

    async def _stand_in_line(self, timeout: float | None) -> Place:
        stem = self._layout.reader
        return await stand_in_line(
            self._zk, self.path, stem, KINDS, last_writer_ahead, self._data, timeout
        )


class WriteLock(Lock):
    _kinds = KINDS

    async def _stand_in_line(self, timeout: float | None) -> Place:
        stem = self._layout.writer
        return await stand_in_line(
            self._zk, self.path, stem, KINDS, right_ahead, self._data, timeout
        )


class RWLock:
    """`async with rw.read: ...` and `async with rw.write: ...`; each a Lock of its own."""

    def __init__(
        self,
        zk: AsyncClient[Any],
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
