from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ConnectionLossError
from zoo.client.results import Node
from zoo.recipes import Counter, Group, TreeCache
from zoo.testing.simulated import Faults, Violation, simulate
from zoo.testing.simulated_values import (
    VALUES,
    BarrierStudy,
    CounterStudy,
    GroupStudy,
    TreeCacheStudy,
)

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", VALUES, ids=lambda study: study.NAME)
def test_values(study: Any) -> None:
    one = study()
    programs = one.programs()
    run = simulate(programs, seed=1, servers=0, duration=8, check=one.check)
    assert len(run.results) == len(programs)


def check_that_it_fails(study: Any, match: str, **how: Any) -> None:
    for seed in range(6):
        one = study()
        try:
            simulate(one.programs(), seed=seed, duration=8, check=one.check, **how)
        except Violation as violation:
            if match in str(violation):
                return
    pytest.fail(f"no seed says {match!r}")


def test_additions_that_are_lost_or_made_twice_are_seen() -> None:
    class Unchecked(CounterStudy):
        """Does not compare versions."""

        async def add(self, zk: Zk) -> int:
            value = (
                int((await zk.get("/value")).data or b"0") + 1 if await zk.exists("/value") else 1
            )
            if value == 1:
                await zk.ensure_path("/value")
            await zk.set("/value", b"%d" % value)
            return value

    class Again(CounterStudy):
        """Adds again when it does not know."""

        async def add(self, zk: Zk) -> int:
            while True:
                try:
                    return await Counter(zk, "/value").add(2)
                except ConnectionLossError:
                    continue

    check_that_it_fails(Unchecked, "'s and p", faults=False)
    check_that_it_fails(Again, "the counter is", faults=Faults(processes=1))


class Stale(TreeCache[bytes]):
    async def _apply(self, event: Any) -> None:
        """Follows nothing."""


def test_a_copy_that_does_not_follow_is_seen() -> None:
    class Study(TreeCacheStudy):
        def make(self, zk: Zk, listener: Callable[[str, Node[Any] | None], None]) -> Any:
            return Stale(zk, "/value", listener)

    check_that_it_fails(Study, "Liveness", faults=False, servers=1)


def test_a_copy_with_states_that_never_were_is_seen() -> None:
    class Study(TreeCacheStudy):
        def make(self, zk: Zk, listener: Callable[[str, Node[Any] | None], None]) -> Any:
            def wrong(path: str, node: Node[Any] | None) -> None:
                listener(path, None if node is None else node._replace(data=b"never"))

            return super().make(zk, wrong)

    check_that_it_fails(Study, "has b'never' in", faults=False)


def test_a_member_that_is_not_listed_is_seen() -> None:
    class Study(GroupStudy):
        async def listed(self, group: Group[bytes]) -> list[str]:
            return [name for name in await super().listed(group) if name != "p1"]

    check_that_it_fails(Study, "Liveness", faults=False, servers=1)


def test_who_passes_a_closed_barrier_is_seen() -> None:
    class Study(BarrierStudy):
        async def wait(self, zk: Zk) -> None:
            await zk.exists("/value")

    check_that_it_fails(Study, "it is closed since", faults=False)
