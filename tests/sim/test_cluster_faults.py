"""Faults: each does what it says, and at the end everything is mended."""

from __future__ import annotations

from dataclasses import fields, replace
from random import Random

import pytest

from tests.sim.zab_scenarios import ROUGH, only
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.zab_world import ZabWorld

KINDS = [field.name for field in fields(FaultMix)[1:]]


def world(mix: FaultMix, trace: list[str] | None = None) -> ZabWorld:
    scenario = replace(ROUGH, crash_chance=0.0, faults=mix)
    return ZabWorld(2, scenario=scenario, trace=None if trace is None else trace.append)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_in_the_mix_strikes(kind: str) -> None:
    it = world(only(SECOND // 4, **{kind: 1}))
    it.run(4 * SECOND)
    assert it.faults.counts.keys() == {kind}
    assert it.reach.is_calm
    assert all(server.is_up for server in it.servers)


def test_no_faults_at_all() -> None:
    it = world(FaultMix(every=0))
    it.run(2 * SECOND)
    assert it.faults.counts == {}


def test_who_listens_hears_of_each_strike_and_each_mending() -> None:
    it = world(only(SECOND, isolate=1))
    heard: list[int] = []
    it.faults.on_strike = lambda: heard.append(it.schedule.now)
    it.run(4 * SECOND)
    assert len(heard) > it.faults.counts["isolate"] > 0


def test_one_restart_is_planned_for_one_crash() -> None:
    it = world(FaultMix(every=0))
    for server in it.servers:
        server.start()
    it.schedule.run_until(SECOND)
    victim = it.servers[0]
    it.faults.crash(victim, power=True)
    victim.on_stop()
    assert not victim.is_up
    it.schedule.run_until(12 * SECOND)
    assert victim.is_up
    assert victim.life == 1


def test_a_disk_that_was_about_to_fail_is_mended_at_the_end() -> None:
    it = world(FaultMix(every=0))
    it.servers[0].break_disk(Random(1))
    it.faults.end()
    trouble = it.servers[0].disk.trouble
    assert trouble.writes_until_failure is trouble.syncs_until_failure is None


def test_drawn_mixes_differ() -> None:
    assert len({FaultMix.drawn(Random(seed)) for seed in range(20)}) > 15


def test_a_crasher_ends_its_server_until_all_is_quiet() -> None:
    it = world(FaultMix(every=0), lines := [])
    victim = it.servers[0]
    victim.start()
    crash_here = it.faults.crasher(victim, Random(1), 0.5)
    asked = [crash_here("append") for _ in range(20)]
    assert set(asked) == {True, False}
    assert sum("s1 crashes before append" in line for line in lines) == sum(asked)
    it.faults.end()
    assert not any(crash_here("append") for _ in range(20))
