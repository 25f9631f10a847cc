"""The recipes for the blocking client: same names, same guarantees, same znodes.

Each wraps its asyncio twin, in the module of the same name, whose docstring states the guarantee
and what to do when the session is suspended or lost. Any thread may use them; a reentrant Lock
belongs to a thread.
"""

from __future__ import annotations

from zoo.recipes.blocking.barrier import Barrier
from zoo.recipes.blocking.cache import NodeCache, TreeCache
from zoo.recipes.blocking.config import Config
from zoo.recipes.blocking.counter import AtomicValue, Counter
from zoo.recipes.blocking.delay_queue import DelayQueue
from zoo.recipes.blocking.double_barrier import DoubleBarrier
from zoo.recipes.blocking.election import Election, LeaderLatch
from zoo.recipes.blocking.group import Group
from zoo.recipes.blocking.lease import Lease
from zoo.recipes.blocking.lock import Lock, MultiLock
from zoo.recipes.blocking.participant import Participant, Resource
from zoo.recipes.blocking.partitioner import Partition, Partitioner
from zoo.recipes.blocking.persistent_node import PersistentNode
from zoo.recipes.blocking.places import Place
from zoo.recipes.blocking.queues import PriorityQueue, Queue, WorkQueue
from zoo.recipes.blocking.registry import Registration, ServiceCache, ServiceRegistry
from zoo.recipes.blocking.rwlock import ReadLock, RWLock, WriteLock
from zoo.recipes.blocking.semaphore import Semaphore
from zoo.recipes.blocking.two_phase import Coordinator

__all__ = [
    "AtomicValue",
    "Barrier",
    "Config",
    "Coordinator",
    "Counter",
    "DelayQueue",
    "DoubleBarrier",
    "Election",
    "Group",
    "LeaderLatch",
    "Lease",
    "Lock",
    "MultiLock",
    "NodeCache",
    "Participant",
    "Partition",
    "Partitioner",
    "PersistentNode",
    "Place",
    "PriorityQueue",
    "Queue",
    "RWLock",
    "ReadLock",
    "Registration",
    "Resource",
    "Semaphore",
    "ServiceCache",
    "ServiceRegistry",
    "TreeCache",
    "WorkQueue",
    "WriteLock",
]
