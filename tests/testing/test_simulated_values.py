from __future__ import annotations

from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.client.converters import TEXT
from zoo.client.errors import ConnectionLossError
from zoo.client.results import Node
from zoo.recipes import AtomicValue, Counter
from zoo.testing.simulated import Faults, simulate
from zoo.testing.simulated_values import VALUES, AtomicValueStudy, CounterStudy

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", VALUES, ids=lambda study: study.NAME)
def test_values(study: Any) -> None:
    one = study()
    run = simulate(one.programs(), seed=1, servers=0, duration=8, check=one.check)
    assert len(run.noted("ended")) == len(one.programs())


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


class Blind(AtomicValue[str]):
    """Writes whatever came between."""

    async def _write(self, node: Node[str] | None, value: str) -> bool:
        if node is None:
            return await super()._write(node, value)
        await self._zk.set(self.path, value)
        return True


class Persistent(AtomicValue[str]):
    """Compares again when it does not know: by then it may compare with what it wrote itself."""

    async def compare_and_set(self, expected: str, value: str) -> bool:
        while True:
            try:
                return await super().compare_and_set(expected, value)
            except ConnectionLossError:
                continue


@pytest.mark.parametrize(
    ("kind", "match", "how"),
    [
        (Blind, ", where it was", {"faults": False}),
        (Persistent, "refused, and written", {"faults": Faults(processes=1)}),
    ],
)
def test_values_that_are_wrong_are_seen(kind: type[AtomicValue[str]], match: str, how: Any) -> None:
    class Study(AtomicValueStudy):
        def make(self, zk: Zk) -> AtomicValue[str]:
            return kind(zk, "/value", TEXT, "")

    check_that_it_fails(Study, match, range(20), **how)
