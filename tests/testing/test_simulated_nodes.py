from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.recipes import Group, PersistentNode
from zoo.recipes.waiting import Wake
from zoo.testing.simulated import Process, simulate
from zoo.testing.simulated_nodes import NODES, GroupStudy, PersistentNodeStudy

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", NODES, ids=lambda study: study.NAME)
def test_nodes(study: Any) -> None:
    one = study()
    programs = one.programs()
    run = simulate(programs, seed=1, servers=0, duration=8, check=one.check)
    assert len(run.results) == len(programs)


def test_a_member_that_is_not_listed_is_seen() -> None:
    class Study(GroupStudy):
        async def listed(self, group: Group[bytes]) -> list[str]:
            return [name for name in await super().listed(group) if name != "p1"]

    check_that_it_fails(Study, "Liveness", faults=False, servers=1)


class Careless(PersistentNode[bytes]):
    """Whatever is there is ours."""

    async def _is_ours(self, wake: Wake) -> bool:
        await super()._is_ours(wake)
        return True

    def _owns(self, stat: Any) -> bool:
        return True


class Once(PersistentNode[bytes]):
    """Not kept."""

    async def _keep(self) -> None:
        await asyncio.Event().wait()


class Forgetful(PersistentNode[bytes]):
    """New data are for the next znode only."""

    async def set_data(self, data: bytes) -> None:
        self.data = data


class Lasting(PersistentNode[bytes]):
    async def _delete(self) -> None:
        """Leaves it to the session's end."""
        await self._zk.sync(self.path)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (Careless, "writes there"),
        (Once, "Liveness"),
        (Forgetful, "Liveness"),
        (Lasting, "has stopped, and"),
    ],
)
def test_nodes_that_are_wrong_are_seen(kind: type[PersistentNode[bytes]], match: str) -> None:
    class Study(PersistentNodeStudy):
        def make(self, process: Process, zk: Zk) -> PersistentNode[bytes]:
            name = self.paths[process.number]
            data = f"{process.name} {process.now:.6f}".encode()
            return kind(zk, f"/nodes/{name}", data, ephemeral=name != "lasting")

    check_that_it_fails(Study, match, duration=12)
