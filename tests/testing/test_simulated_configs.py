from __future__ import annotations

from typing import Any

import pytest

from tests.testing.mutations import check_that_it_fails
from zoo.client.async_client import AsyncClient
from zoo.client.errors import ConnectionLossError, NoNodeError
from zoo.recipes import Config
from zoo.testing.simulated import Faults, simulate
from zoo.testing.simulated_configs import ConfigStudy, Limits, in_order

Zk = AsyncClient[bytes]


def test_config() -> None:
    study = ConfigStudy()
    run = simulate(study.programs(), seed=1, servers=0, duration=8, check=study.check)
    assert len(run.noted("ended")) >= study.writers + 1 + study.readers
    assert len(study.told) > 5
    assert all(study.seen.values())


def test_a_revision_that_was_forgotten_is_not_made_again() -> None:
    """Its answer was lost, and by then others had written and kept nothing older."""
    study = ConfigStudy()
    faults = Faults(servers=0, processes=0.7)
    run = simulate(study.programs(), seed=6, duration=20, faults=faults, check=study.check)
    assert len(run.noted("ended")) >= study.writers + 1 + study.readers


class Heedless(Config[Limits]):
    """Whatever came between is lost unseen."""

    async def set(self, value: Limits, *, why: str = "", revision: int | None = None) -> int:
        return await super().set(value, why=why)


class InTwoSteps(Config[Limits]):
    """First the settings, then the history."""

    async def _write(self, node: Any, document: Any, forgotten: list[int]) -> int:
        stat = await self._zk.set(self.path, document.stored(), version=node.version)
        copy = f"{self.path}/history/{document.revision:010}"
        await self._zk.create(copy, document.stored(), make_parents=True)
        return stat.mzxid


class Again(Config[Limits]):
    """Does not look whether it was made when the answer was lost."""

    async def _write(self, node: Any, document: Any, forgotten: list[int]) -> int:
        transaction = self._zk.transaction()
        transaction.set(self.path, document.stored(), version=node.version)
        transaction.create(f"{self.path}/history/{document.revision:010}", document.stored())
        try:
            return int((await transaction.commit())[0].mzxid)
        except ConnectionLossError:
            return 0


class Credulous(Config[Limits]):
    """Shows what it reads."""

    def _checked(self, settings: dict[str, Any]) -> Limits:
        return Limits(**settings)


class Partial(Config[Limits]):
    """What goes back takes the rest along as it is."""

    async def rollback(self, revision: int, *, why: str = "") -> int:
        if not revision:
            raise NoNodeError("there is none", operation="rollback", path=self.path)
        return await self.update(why=why, note="back")


@pytest.mark.parametrize(
    ("kind", "match", "how"),
    [
        (Heedless, " is made of ", {"faults": False}),
        (InTwoSteps, " is None, not", {"faults": False}),
        (Again, "made twice", {"faults": Faults(servers=0, processes=0.7)}),
        (Credulous, "is above", {"faults": False}),
        (Partial, " of {", {"faults": False}),
    ],
)
def test_configs_that_are_wrong_are_seen(kind: type[Config[Limits]], match: str, how: Any) -> None:
    class Study(ConfigStudy):
        def make(self, zk: Zk, name: str) -> Config[Limits]:
            return kind(zk, "/settings", Limits, validate=in_order, by=name, keep=5)

    check_that_it_fails(Study, match, range(60), **how)
