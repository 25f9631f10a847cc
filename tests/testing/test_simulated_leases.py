from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.client.transaction import Transaction
from zoo.recipes import Lease
from zoo.recipes.waiting import Wake
from zoo.testing.simulated import Faults, Process, simulate
from zoo.testing.simulated_leases import LeaseStudy

Zk = AsyncClient[bytes]


def test_leases() -> None:
    study = LeaseStudy()
    run = simulate(study.programs(), seed=1, servers=0, duration=15, check=study.check)
    assert len(run.noted("had it at last")) == study.processes
    assert len(study.tokens) > 2


class Impolite(Lease):
    """Takes it whoever has it."""

    async def _try(self, wake: Wake | None = None) -> float:
        await self._zk.ensure_path(self.path)
        return 0.0 if await self._take(await self._look(wake)) else 1.0


class Optimistic(Lease):
    """Counts from the answer, not from the question."""

    def _extend(self, began: float) -> None:
        super()._extend(asyncio.get_running_loop().time() + 0.5)


class Unfenced(Lease):
    """Who wakes too late writes all the same."""

    def guarded(self) -> Transaction[Any]:
        transaction = self._zk.transaction()
        transaction.check(self.path)
        return transaction


class Forgotten(Lease):
    """A restart makes a stranger of its holder."""

    async def _try(self, wake: Wake | None = None) -> float:
        holder = await self.current_holder()
        return 1.0 if holder else await super()._try(wake)


@pytest.mark.parametrize(
    ("kind", "match", "how"),
    [
        (Impolite, "and so do", {"faults": False}),
        (Optimistic, "and so do", {"faults": Faults(servers=0, processes=1)}),
        (Unfenced, "after the holder", {"faults": Faults(servers=0, processes=1)}),
        (Forgotten, "and does not get it", {"faults": Faults(servers=0, processes=2)}),
    ],
)
def test_leases_that_are_wrong_are_seen(kind: type[Lease], match: str, how: Any) -> None:
    class Study(LeaseStudy):
        def make(self, process: Process, zk: Zk) -> Lease:
            duration = process.rng.choice((1.0, 3.0))
            return kind(zk, "/lease", duration, holder=process.name, skew=0.05)

    check_that_it_fails(Study, match, range(24), duration=15, **how)
