from __future__ import annotations

from collections.abc import Sequence

import pytest

from zoo.client.async_client import AsyncClient
from zoo.recipes import Instance, Partition, Partitioner
from zoo.recipes.balancing import Balancer, C
from zoo.recipes.places import take_place
from zoo.testing.simulated import Process, Violation, simulate
from zoo.testing.simulated_services import (
    SERVICES,
    ConsistentHashStudy,
    PartitionerStudy,
    ServiceRegistryStudy,
)

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", SERVICES, ids=lambda study: study.NAME)
def test_shares_and_services(study: type[PartitionerStudy | ServiceRegistryStudy]) -> None:
    one = study()
    programs = one.programs()
    run = simulate(programs, seed=2, servers=0, duration=12, check=one.check)
    assert len(run.noted("ended")) == len(programs)


class NoElection(Partitioner):
    """Begins as soon as it is assigned, whoever may still be at work."""

    async def _hold(self, name: str) -> None:
        place = await take_place(self._zk, f"{self.path}/owners/{name}", "latch-", b"")
        await self._own(Partition(name, place))


def test_an_owner_beside_another_is_seen() -> None:
    class Study(PartitionerStudy):
        def partitioner(self, process: Process, zk: Zk) -> Partitioner:
            async def work(partition: Partition) -> None:
                await self.own(process, zk, partition)

            return NoElection(zk, "/shares", process.name, self.partitions, work)

    for seed in range(12):
        study = Study()
        try:
            simulate(study.programs(), seed=seed, duration=10, faults=False, check=study.check)
        except Violation as violation:
            if "and so do" in str(violation):
                return
    pytest.fail("no seed shows it")


def test_moves_among_those_who_stay_are_seen() -> None:
    study = PartitionerStudy()
    before = dict(zip("abcdef", "112233", strict=True))
    study.check_move("0x1", before, dict(zip("abcdef", "112211", strict=True)) | {"e": "2"})
    for after, problem in (("121233", "among those who stay"), ("111123", "not level")):
        with pytest.raises(AssertionError, match=problem):
            study.check_move("0x1", before, dict(zip("abcdef", after, strict=True)))
    with pytest.raises(AssertionError):
        study.check_move("0x1", before, {})


def test_a_finder_that_does_not_learn_is_seen() -> None:
    class Deaf(ServiceRegistryStudy):
        async def is_equal(self, registry: object, cached: list[Instance]) -> bool:
            return False

    study = Deaf()
    with pytest.raises(Violation, match="Liveness"):
        simulate(study.programs(), seed=2, duration=2, faults=False, check=study.check)


class Modulo(Balancer):
    """As most write it by hand: one instance more, and nearly all keys move."""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        return candidates[sum(key.encode()) % len(candidates)]


class Wandering(Balancer):
    """What it picks depends on what it has picked before, as a round robin's does."""

    def __init__(self) -> None:
        self._turn = 0

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        self._turn += 1
        return candidates[self._turn % len(candidates)]


@pytest.mark.parametrize(
    ("wrong", "seen"), [(Modulo, "moves from"), (Wandering, "one finder picks")]
)
def test_keys_that_move_without_need_are_seen(wrong: type[Balancer], seen: str) -> None:
    class Study(ConsistentHashStudy):
        def balancer(self) -> Balancer:
            return wrong()

    study = Study()
    with pytest.raises(Violation, match=seen):
        simulate(study.programs(), seed=2, duration=20, faults=False, check=study.check)
