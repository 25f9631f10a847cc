"""Exercises of the registry, the partitioner and two-phase commit for test_members_killed.py."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial

from tests.recipes.tally import Tally, Zk, settled
from tests.recipes.two_phase_parts import PATH, Disk, Fuse, Store
from zoo.recipes import (
    Coordinator,
    InDoubtError,
    Instance,
    Participant,
    Partition,
    Partitioner,
    ServiceCache,
    ServiceRegistry,
)


async def registry(clients: list[Zk], tally: Tally) -> None:
    """Sessions live, so nobody goes missing, and whoever changes is heard of."""
    async with contextlib.AsyncExitStack() as stack:
        mine = []
        for n, zk in enumerate(clients):
            instance = Instance("s", "h", n, id=str(n))
            mine.append(
                await stack.enter_async_context(await ServiceRegistry(zk).register(instance))
            )
        found = await stack.enter_async_context(ServiceRegistry(clients[0]).find("s"))
        await found.wait_for(3)
        for turn in itertools.count(3):
            await mine[turn % 3].update(port=turn)
            await settled(partial(sees, found, turn), "the change is seen")
            assert [each.id for each in found.instances] == ["0", "1", "2"]
            if tally.over.is_set():
                break
        assert [each.times for each in mine] == [1, 1, 1]


async def sees(found: ServiceCache, port: int) -> bool:
    return port in [each.port for each in found.instances]


async def partitioner(clients: list[Zk], tally: Tally) -> None:
    """One owner at a time, while a member comes and goes; all are owned in the end."""

    async def work(partition: Partition) -> None:
        with tally.alone(partition.name, partition.place):
            try:
                await asyncio.Event().wait()
            finally:
                tally.done += 1

    members = [Partitioner(zk, "/p", f"m{n}", 6, work) for n, zk in enumerate(clients)]
    async with members[0], members[1]:
        while not tally.over.is_set():
            async with members[2]:
                await settled(partial(share, members), "it has its share")
        await settled(partial(share, members[:2]), "the two have all")
    assert tally.done > 0


async def share(members: list[Partitioner]) -> bool:
    return sum(len(each.owned) for each in members) == 6 and all(each.owned for each in members)


async def two_phase(clients: list[Zk], tally: Tally) -> None:
    """What is committed is done by both, once, and nothing else is."""
    disks = [Disk(), Disk()]
    stores = [Store(disk, Fuse()) for disk in disks]
    teller = Coordinator(clients[2], PATH, "teller")
    committed = []
    async with (
        Participant(clients[0], PATH, "a", stores[0]),
        Participant(clients[1], PATH, "b", stores[1]),
    ):
        while not tally.over.is_set():
            with contextlib.suppress(InDoubtError):
                decision = await teller.execute({"a": b"1", "b": b"1"}, timeout=60)
                committed += [decision.txid] if decision.committed else []
        await teller.recover()

        async def is_settled() -> bool:
            return not any(disk.prepared for disk in disks)

        await settled(is_settled, "nothing is left")
    done = [[txid for txid, _ in disk.done] for disk in disks]
    assert sorted(done[0]) == sorted(done[1])
    assert len(set(done[0])) == len(done[0])
    assert set(committed) <= set(done[0])
    assert committed
