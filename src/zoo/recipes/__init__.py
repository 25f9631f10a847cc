"""Recipes of coordination, asyncio first; `zoo.recipes.blocking` has their blocking twins."""

from __future__ import annotations

from zoo.recipes.election import Election, LeaderLatch
from zoo.recipes.lock import Lock, MultiLock, NotHeldError
from zoo.recipes.places import Place
from zoo.recipes.rwlock import RWLock
from zoo.recipes.semaphore import Semaphore

__all__ = [
    "Election",
    "LeaderLatch",
    "Lock",
    "MultiLock",
    "NotHeldError",
    "Place",
    "RWLock",
    "Semaphore",
]
