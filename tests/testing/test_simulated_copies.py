from __future__ import annotations

from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.client.results import Node
from zoo.recipes import NodeCache, TreeCache
from zoo.testing.simulated import simulate
from zoo.testing.simulated_copies import COPIES, Listener, NodeCacheStudy, TreeCacheStudy

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", COPIES, ids=lambda study: study.NAME)
def test_copies(study: Any) -> None:
    one = study()
    programs = one.programs()
    run = simulate(programs, seed=1, servers=0, duration=8, check=one.check)
    assert len(run.results) == len(programs)
    assert all(one.copies.values())


class Stale(TreeCache[bytes]):
    async def _apply(self, event: Any) -> None:
        """Follows nothing."""


def test_a_copy_that_does_not_follow_is_seen() -> None:
    class Study(TreeCacheStudy):
        def make(self, zk: Zk, listener: Listener) -> Any:
            return Stale(zk, "/value", listener)

    check_that_it_fails(Study, "Liveness", faults=False, servers=1)


def test_a_copy_with_states_that_never_were_is_seen() -> None:
    class Study(TreeCacheStudy):
        def make(self, zk: Zk, listener: Listener) -> Any:
            def wrong(path: str, node: Node[Any] | None) -> None:
                listener(path, None if node is None else node._replace(data=b"never"))

            return super().make(zk, wrong)

    check_that_it_fails(Study, "has b'never' in", faults=False)


class Deaf(NodeCache[bytes]):
    """Does not look what it has missed while it was not connected."""

    async def _load(self) -> None:
        if self._in_step.is_set() or not self._nodes:
            await super()._load()
        self._in_step.set()


def test_a_copy_that_does_not_catch_up_is_seen() -> None:
    class Study(NodeCacheStudy):
        def make(self, zk: Zk, listener: Listener) -> NodeCache[bytes]:
            return Deaf(zk, "/value", listener)

    check_that_it_fails(Study, "Liveness", range(20))
