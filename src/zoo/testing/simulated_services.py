"""Studies of what is shared out among processes: Partitioner, ServiceRegistry, ConsistentHash.

Checked of a partitioner: at most one owner believes so at any moment; guarded writes come in the
order of the tokens; shares are level, and move only from and to members that changed; in the end
every partition has its owner. Of a registry: in the end every finder knows exactly who is there.
Of consistent hashing: finders that know the same instances pick the same, and between any two
views keys move only from and to instances that are not in both, or not with the same weight.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.recipes import Instance, Partition, Partitioner, ServiceRegistry
from zoo.recipes.balancing import Balancer, ConsistentHash, RoundRobin
from zoo.recipes.registry import ServiceCache
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_study import Holders, Operator, keep_trying, still_held

PATH = "/shares"


class PartitionerStudy:
    NAME: ClassVar[str] = "Partitioner"
    members = 4
    partitions = tuple("abcdef")

    def __init__(self) -> None:
        folders = [f"{PATH}/members", *(f"{PATH}/owners/{name}" for name in self.partitions)]
        self.operator = Operator(*folders)
        self.holders = {name: Holders(1, self.operator.struck) for name in self.partitions}
        self.owned: Counter[str] = Counter()
        self.is_covered = False

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.members + [self.operator.program]

    async def program(self, process: Process) -> None:
        async with process.connect() as zk:
            for name in self.partitions:
                await keep_trying(process, zk, f"/ledger/{name}")
            while not process.is_ending:
                async with self.partitioner(process, zk):
                    await asyncio.sleep(process.rng.expovariate(0.2))
            async with self.partitioner(process, zk):
                while not self.is_covered:
                    await asyncio.sleep(0.1)
        process.note("ended")

    def partitioner(self, process: Process, zk: AsyncClient[bytes]) -> Partitioner:
        async def work(partition: Partition) -> None:
            await self.own(process, zk, partition)

        return Partitioner(zk, PATH, process.name, self.partitions, work)

    async def own(self, process: Process, zk: AsyncClient[bytes], partition: Partition) -> None:
        holders = self.holders[partition.name]
        holders.enter(process, partition.place)
        self.owned[partition.name] = process.number + 1
        if process.is_ending and len(+self.owned) == len(self.partitions):
            self.is_covered = True
        try:
            while await self.write(zk, partition):
                await asyncio.sleep(process.rng.uniform(0, 1))
        finally:
            holders.leave(partition.place)
            if self.owned[partition.name] == process.number + 1:
                self.owned[partition.name] = 0

    async def write(self, zk: AsyncClient[bytes], partition: Partition) -> bool:
        transaction = partition.guarded()
        transaction.set(f"/ledger/{partition.name}", b"%d" % partition.token)
        return await still_held(transaction)

    def check(self, run: Run) -> None:
        for name in self.partitions:
            tokens = [int(s.data or b"0") for _, s in run.versions(f"/ledger/{name}") if s]
            assert tokens == sorted(tokens), f"partition {name} was written by {tokens}"
        before: dict[str, str] = {}
        for zxid, state in run.versions(f"{PATH}/assignment"):
            if state is not None and state.data:
                owners = json.loads(state.data)["owners"]
                self.check_move(f"0x{zxid:x}", before, owners)
                before = owners

    def check_move(self, when: str, before: dict[str, str], after: dict[str, str]) -> None:
        """There are more partitions than members, so each member owns one at least."""
        shares = Counter(after.values()).values()
        assert after.keys() == set(self.partitions), f"{when}: {after}"
        assert max(shares) - min(shares) <= 1, f"{when}: {after} is not level"
        stayed = set(before.values()) & set(after.values())
        for name, owner in before.items():
            is_idle = owner != after[name] and owner in stayed and after[name] in stayed
            assert not is_idle, f"{when}: {name} moves among those who stay: {before} {after}"


class ServiceRegistryStudy:
    NAME: ClassVar[str] = "ServiceRegistry"
    offering = 3
    finding = 2

    def __init__(self) -> None:
        self.found = 0
        self.operator = Operator(f"{PATH}/service")

    def programs(self) -> Sequence[Program]:
        programs = [self.offer] * self.offering + [self.find] * self.finding
        return [*programs, self.rival, self.operator.program]

    async def offer(self, process: Process) -> None:
        me = Instance("service", process.name, 1, id=process.name, registered_ms=0)
        async with process.connect() as zk:
            while not process.is_ending:
                async with await ServiceRegistry(zk, PATH).register(me) as registration:
                    await asyncio.sleep(process.rng.expovariate(0.3))
                    await registration.update(weight=process.rng.uniform(1, 5))
            async with await ServiceRegistry(zk, PATH).register(me) as registration:
                while self.found < self.finding:
                    await asyncio.sleep(0.2)
                assert registration.instance.address == process.name
        process.note("ended")

    async def rival(self, process: Process) -> None:
        """Has the id and the address of p0, as one that is started while its former self lives."""
        me = Instance("service", "p0", 1, id="p0", registered_ms=0)
        async with process.connect() as zk:
            while not process.is_ending:
                async with await ServiceRegistry(zk, PATH).register(me):
                    await asyncio.sleep(process.rng.expovariate(0.5))
                await asyncio.sleep(process.rng.expovariate(0.5))
        process.note("ended")

    async def find(self, process: Process) -> None:
        async with process.connect() as zk:
            registry = ServiceRegistry(zk, PATH)
            async with registry.find("service", balancer=self.balancer()) as cache:
                while not process.is_ending:
                    await asyncio.sleep(process.rng.uniform(0, 1))
                    if cache.instances:
                        self.look(cache)
                while not (cache.is_current and len(cache.instances) == self.offering):
                    await asyncio.sleep(0.1)
                while not await self.is_equal(registry, cache.instances):
                    await asyncio.sleep(0.1)
        self.found += 1
        process.note("ended")

    def balancer(self) -> Balancer:
        return RoundRobin()

    def look(self, cache: ServiceCache) -> None:
        assert cache.pick() in cache.instances

    async def is_equal(self, registry: ServiceRegistry, cached: list[Instance]) -> bool:
        """Weights may be on their way at the first look."""
        try:
            return await registry.instances("service") == cached
        except ClientError:
            return False

    def check(self, run: Run) -> None:
        """The programs have waited until what they know is so."""
        assert self.found == self.finding


View = frozenset[tuple[str, float]]
"""The ids and weights of the instances that a finder knows."""


class ConsistentHashStudy(ServiceRegistryStudy):
    NAME: ClassVar[str] = "ConsistentHash"
    offering = 4
    keys = tuple(f"key {number}" for number in range(20))

    def __init__(self) -> None:
        super().__init__()
        self.picked: dict[View, dict[str, str]] = {}

    def balancer(self) -> Balancer:
        return ConsistentHash()

    def look(self, cache: ServiceCache) -> None:
        view = frozenset((each.id, each.weight) for each in cache.instances)
        picks = {key: cache.pick(key).id for key in self.keys}
        known = self.picked.setdefault(view, picks)
        assert picks == known, f"of {sorted(view)} one finder picks {known}, another {picks}"

    def check(self, run: Run) -> None:
        super().check(run)
        for (one, before), (other, after) in combinations(self.picked.items(), 2):
            changed = {name for name, _ in one ^ other}
            for key in self.keys:
                is_idle = before[key] != after[key] and changed.isdisjoint(
                    (before[key], after[key])
                )
                assert not is_idle, (
                    f"{key} moves from {before[key]} to {after[key]} when {sorted(changed)} change"
                )


SERVICES = (PartitionerStudy, ServiceRegistryStudy, ConsistentHashStudy)
