from __future__ import annotations

import pytest

from zoo.sim.checking import Violation
from zoo.testing.simulated import Run
from zoo.testing.simulated_locks import LockStudy
from zoo.testing.simulated_recipes import STUDIES, RecipePlan, StudyWorld


def test_each_study_has_its_recipes_name() -> None:
    assert "Lock" in STUDIES
    assert all(name == study.NAME for name, study in STUDIES.items())


def test_a_plan_makes_worlds_and_says_how_to_replay_them() -> None:
    plan = RecipePlan(2_000_000, "Lock", 3)
    assert plan.options() == "--recipes Lock --duration 2000ms --servers 3"
    world = plan.world(4)
    world.run(plan.duration_us)
    assert "seed 4: 3+" in world.summary()


def test_a_check_that_fails_is_a_violation() -> None:
    class Unsatisfied(LockStudy):
        def check(self, run: Run) -> None:
            assert not run.notes, "there are notes"

    with pytest.raises(Violation, match="Lock: there are notes"):
        StudyWorld(1, Unsatisfied(), 3).run(2_000_000)
