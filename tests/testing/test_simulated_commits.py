from __future__ import annotations

import pytest

from tests.sim.virtual import wait
from zoo.testing.simulated import Process, Violation, simulate
from zoo.testing.simulated_commits import CommitStudy, Disk


def test_all_or_nothing_and_everybody_is_told_the_same() -> None:
    study = CommitStudy()
    run = simulate(study.programs(), seed=4, servers=0, duration=15, check=study.check)
    assert len(run.noted("ended")) == study.tellers + len(study.participants)
    assert len(study.told) > 5
    assert set(study.told.values()) == {True, False}


def check_that_it_fails(study: type[CommitStudy], match: str) -> None:
    """One of a few seeds must show it."""
    for seed in range(12):
        one = study()
        try:
            simulate(one.programs(), seed=seed, duration=20, check=one.check)
        except Violation as violation:
            if match in str(violation):
                return
    pytest.fail(f"no seed says {match!r}")


# --- resources that are wrong: the checks must see it


class Volatile(Disk):
    """What was promised is gone with the process."""

    life = 0

    async def commit(self, txid: str) -> None:
        if self.process.life != self.life:
            self.life = self.process.life
            self.noted.clear()
        await super().commit(txid)


class Repeats(Disk):
    """A commit is applied as often as it is asked for."""

    async def commit(self, txid: str) -> None:
        self.applied[txid] += 1
        self.noted.pop(txid, None)
        await wait(self.process.rng.uniform(0, 2))


class Eager(Disk):
    """Applied before it is decided."""

    async def prepare(self, txid: str, part: bytes) -> None:
        await super().prepare(txid, part)
        self.applied[txid] += 1
        self.noted.pop(txid)


@pytest.mark.parametrize("kind", [Volatile, Repeats, Eager])
def test_resources_that_break_their_word_are_seen(kind: type[Disk]) -> None:
    class Study(CommitStudy):
        def new_disk(self, process: Process) -> Disk:
            return kind(process)

    check_that_it_fails(Study, "times, not")
