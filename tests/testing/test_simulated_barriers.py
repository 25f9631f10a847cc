from __future__ import annotations

from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.recipes import DoubleBarrier
from zoo.recipes.places import Place
from zoo.recipes.waiting import Wake
from zoo.testing.simulated import simulate
from zoo.testing.simulated_barriers import BARRIERS, BarrierStudy, DoubleBarrierStudy

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", BARRIERS, ids=lambda study: study.NAME)
def test_barriers(study: Any) -> None:
    one = study()
    run = simulate(one.programs(), seed=1, servers=0, duration=8, check=one.check)
    assert len(run.noted("ended")) == len(one.programs())


def test_who_passes_a_closed_barrier_is_seen() -> None:
    class Study(BarrierStudy):
        async def wait(self, zk: Zk) -> None:
            await zk.exists("/barrier")

    check_that_it_fails(Study, "it is closed since", faults=False)


class Early(DoubleBarrier):
    """Any opening counts, of whichever round."""

    async def _until_open(self, place: Place, opened: Wake) -> None:
        if (await self._zk.get(self.path)).version == 0:
            await super()._until_open(place, opened)


class Alone(DoubleBarrier):
    """Does not wait for the others to leave."""

    async def _leave(self, place: Place) -> None:
        await self._close()


class Generous(DoubleBarrier):
    """Begins when one is still missing."""

    def __init__(self, zk: Zk, path: str, members: int) -> None:
        super().__init__(zk, path, members - 1)


@pytest.mark.parametrize(
    ("kind", "match"),
    [(Early, "never were 3 inside"), (Alone, "still works"), (Generous, "never were 3 inside")],
)
def test_double_barriers_that_are_wrong_are_seen(kind: type[DoubleBarrier], match: str) -> None:
    class Study(DoubleBarrierStudy):
        def make(self, zk: Zk) -> DoubleBarrier:
            return kind(zk, "/barrier", self.members)

    check_that_it_fails(Study, match, duration=10)
