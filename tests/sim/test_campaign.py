"""Many seeds: the kind of world, the outcome of each, the same one after the other or together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zoo.sim.campaign import Plan, campaign, live
from zoo.sim.cluster import ClusterWorld
from zoo.sim.world import World
from zoo.sim.zab_world import ZabWorld

SHORT = Plan(300_000, servers=3, observers=0, zab=True)


def test_kinds_of_worlds() -> None:
    plan = Plan(1)
    assert type(plan.world(1)) is World
    assert type(replace(plan, servers=3).world(1)) is ClusterWorld
    assert type(replace(plan, servers=0, zab=True).world(1)) is ZabWorld


def test_the_size_is_what_was_asked_for_or_what_the_seed_draws() -> None:
    world = SHORT.world(1)
    assert isinstance(world, ZabWorld)
    assert (world.scenario.voters, world.scenario.observers) == (3, 0)
    sizes = set()
    for seed in range(20):
        drawn = Plan(1, 0, zab=True).world(seed)
        assert isinstance(drawn, ZabWorld)
        sizes.add((drawn.scenario.voters, drawn.scenario.observers))
    assert len(sizes) > 5


def test_options_of_a_replay() -> None:
    assert Plan(1_500_000).options() == "--duration 1500ms"
    assert SHORT.options() == "--duration 300ms --zab --servers 3 --observers 0"
    assert Plan(1_000, 0, zab=True).options() == "--duration 1ms --zab"


def test_an_outcome() -> None:
    outcome = live(SHORT, 5)
    assert (outcome.seed, outcome.failure) == (5, None)
    assert outcome.simulated_us > 300_000
    assert outcome.summary.startswith("seed 5: 3+0 members")


def test_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.zab.leader.Leader._establish", lambda self: 1 / 0)
    failure = live(SHORT, 5).failure
    assert failure is not None
    assert failure.startswith("ZeroDivisionError")


def test_jobs_change_nothing() -> None:
    alone = [outcome._replace(cpu_us=0) for outcome in campaign(SHORT, range(6), 1)]
    together = [outcome._replace(cpu_us=0) for outcome in campaign(SHORT, range(6), 2)]
    assert alone == together
