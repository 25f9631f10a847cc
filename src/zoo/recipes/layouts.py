"""The names of znodes by which contenders of other libraries know each other.

Members of a mixed fleet exclude each other when all see the same znodes as contenders. Our recipes
see those of Apache Curator and of kazoo; which of the two sees ours is chosen by `layout`. (Those
two do not see each other's: a fleet of both is beyond help.)
"""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """What stands before the number in the name of a contender, and where a semaphore's are."""

    lock: str
    reader: str
    writer: str
    candidate: str
    turns: str
    """Of a semaphore at "{}": where its users line up."""
    leases: str
    """Of a semaphore at "{}": the parent of the leases."""


CURATOR = Layout("lock-", "__READ__", "__WRIT__", "latch-", "{}/locks", "{}/leases")
"""InterProcessMutex, InterProcessReadWriteLock, LeaderLatch, InterProcessSemaphoreV2."""
KAZOO = Layout("__lock__", "__rlock__", "__lock__", "__lock__", "{}-__lock__", "{}")
"""Lock, ReadLock and WriteLock, Election, Semaphore."""
