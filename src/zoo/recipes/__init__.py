"""Recipes of coordination, asyncio first; `zoo.recipes.blocking` has their blocking twins."""

from __future__ import annotations

from zoo.recipes import blocking
from zoo.recipes.barrier import Barrier
from zoo.recipes.cache import NodeCache, TreeCache
from zoo.recipes.counter import AtomicValue, Counter
from zoo.recipes.election import Election, LeaderLatch
from zoo.recipes.group import Group
from zoo.recipes.lock import Lock, MultiLock, NotHeldError
from zoo.recipes.places import Place
from zoo.recipes.queues import PriorityQueue, Queue, Taken, WorkQueue
from zoo.recipes.ring import HashRing
from zoo.recipes.rwlock import RWLock
from zoo.recipes.semaphore import Semaphore

__all__ = [
    "AtomicValue",
    "Barrier",
    "Counter",
    "Election",
    "Group",
    "HashRing",
    "LeaderLatch",
    "Lock",
    "MultiLock",
    "NodeCache",
    "NotHeldError",
    "Place",
    "PriorityQueue",
    "Queue",
    "RWLock",
    "Semaphore",
    "Taken",
    "TreeCache",
    "WorkQueue",
    "blocking",
]
