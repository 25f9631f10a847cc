"""Recipes of coordination, asyncio first; `zoo.recipes.blocking` has their blocking twins."""

from __future__ import annotations

from zoo.recipes import blocking
from zoo.recipes.balancing import Balancer, ConsistentHash, LeastUsed, RoundRobin, Weighted
from zoo.recipes.barrier import Barrier
from zoo.recipes.cache import NodeCache, TreeCache
from zoo.recipes.config import Config, Revision
from zoo.recipes.counter import AtomicValue, Counter
from zoo.recipes.delay_queue import DelayQueue
from zoo.recipes.double_barrier import DoubleBarrier
from zoo.recipes.election import Election, LeaderLatch
from zoo.recipes.group import Group
from zoo.recipes.instances import Health, Instance
from zoo.recipes.layouts import CURATOR, KAZOO, Layout
from zoo.recipes.lease import Lease
from zoo.recipes.lock import Lock, MultiLock, NotHeldError
from zoo.recipes.participant import Participant, Refused, Resource
from zoo.recipes.partitioner import Partition, Partitioner
from zoo.recipes.persistent_node import PersistentNode
from zoo.recipes.places import Place
from zoo.recipes.queues import PriorityQueue, Queue
from zoo.recipes.registry import NoInstanceError, Registration, ServiceCache, ServiceRegistry
from zoo.recipes.ring import HashRing
from zoo.recipes.rwlock import RWLock
from zoo.recipes.semaphore import Semaphore
from zoo.recipes.two_phase import Coordinator, Decision, InDoubtError
from zoo.recipes.typed import BadSettingsError
from zoo.recipes.work_queue import Taken, WorkQueue

__all__ = [
    "CURATOR",
    "KAZOO",
    "AtomicValue",
    "BadSettingsError",
    "Balancer",
    "Barrier",
    "Config",
    "ConsistentHash",
    "Coordinator",
    "Counter",
    "Decision",
    "DelayQueue",
    "DoubleBarrier",
    "Election",
    "Group",
    "HashRing",
    "Health",
    "InDoubtError",
    "Instance",
    "Layout",
    "LeaderLatch",
    "Lease",
    "LeastUsed",
    "Lock",
    "MultiLock",
    "NoInstanceError",
    "NodeCache",
    "NotHeldError",
    "Participant",
    "Partition",
    "Partitioner",
    "PersistentNode",
    "Place",
    "PriorityQueue",
    "Queue",
    "RWLock",
    "Refused",
    "Registration",
    "Resource",
    "Revision",
    "RoundRobin",
    "Semaphore",
    "ServiceCache",
    "ServiceRegistry",
    "Taken",
    "TreeCache",
    "Weighted",
    "WorkQueue",
    "blocking",
]
