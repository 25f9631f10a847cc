"""What operations return."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from zoo.jute.records import Stat

T = TypeVar("T")


class Node(NamedTuple, Generic[T]):
    """A znode: its path, its data as the client's converter gives it, its Stat."""

    path: str
    data: T
    stat: Stat

    @property
    def version(self) -> int:
        """What set, delete and check compare."""
        return self.stat.version

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_ephemeral(self) -> bool:
        """Does it go with its session?"""
        return self.stat.ephemeral_owner != 0  # servers show none for containers and TTL nodes

    @property
    def created(self) -> datetime:
        return datetime.fromtimestamp(self.stat.ctime / 1000, UTC)

    @property
    def modified(self) -> datetime:
        return datetime.fromtimestamp(self.stat.mtime / 1000, UTC)


class Transferred(NamedTuple):
    """Who leads now, how many seconds writes stood still, and why it is not the server that was
    asked for, if it is not.
    """

    leader: int
    held: float
    reason: str | None


class Children(NamedTuple):
    """The names of a znode's children, sorted, and the znode's own Stat."""

    names: list[str]
    stat: Stat
