"""The operator of a simulated ensemble: what is asked for, who is told what."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.sim.zab_scenarios import CHANGING, ROUGH
from zoo.config_ensemble import OBSERVER, Ensemble
from zoo.jute.client_records import ReconfigRequest
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.operator import Operator, initial, listed, request_of
from zoo.sim.zab_world import ZabWorld
from zoo.zab.configurations import configuration_of

CALM = replace(CHANGING, crash_chance=0.0, faults=FaultMix(every=0), reconfig_every=SECOND // 2)


class Desk:
    """An operator whose requests go nowhere, over a calm ensemble."""

    def __init__(self) -> None:
        self.world = ZabWorld(1, scenario=replace(CALM, reconfig_every=1))
        for server in self.world.servers[:3]:
            server.start()
        self.run(2)
        self.requests: list[ReconfigRequest] = []
        self.lines: list[str] = []
        self.operator = Operator(
            self.world.schedule,
            Random(1),
            self.world.servers,
            SECOND // 10,
            self.requests.append,
            self.lines.append,
        )

    def run(self, seconds: int) -> None:
        self.world.schedule.run_until(self.world.schedule.now + seconds * SECOND)


def test_all_kinds_are_asked_for() -> None:
    desk = Desk()
    desk.operator.begin()
    desk.run(60)
    joining = [one.joining_servers or "" for one in desk.requests]
    leaving = [one.leaving_servers for one in desk.requests]
    assert any(join and leave for join, leave in zip(joining, leaving, strict=True))
    assert any(leave and not join for join, leave in zip(joining, leaving, strict=True))
    for part in ("server.4", "observer", ":2895:", "server.99"):
        assert any(part in join for join in joining), part
    listings = [one.new_members for one in desk.requests if one.new_members is not None]
    assert any("group." in text for text in listings)
    assert any("group." not in text for text in listings)
    assert {one.cur_config_id for one in desk.requests} >= {-1, 1 << 32}
    assert desk.operator.asked == len(desk.requests)
    desk.operator.stopped = True
    desk.run(10)
    assert desk.operator.asked == len(desk.requests)


def test_requests() -> None:
    request = request_of([listed(4, OBSERVER, 7)], [2, 3], 9)
    assert request.joining_servers == "server.4=10.0.0.4:2895:3895:observer;0.0.0.0:2181"
    assert (request.leaving_servers, request.new_members, request.cur_config_id) == ("2,3", None, 9)
    assert request_of([], [], -1, "server.1=x").joining_servers is None


def test_a_joiner_is_told_the_members_and_itself() -> None:
    desk = Desk()
    joiner = desk.world.servers[3]
    assert not joiner.is_prepared
    known = desk.world.ensemble.configuration
    desk.operator._introduce(joiner, known)
    assert joiner.is_up
    assert joiner.configurations.committed.version == 0
    assert sorted(joiner.configurations.committed.ensemble.servers) == [1, 2, 3, 4]
    desk.run(3)
    assert joiner.is_serving
    assert sorted(joiner.configurations.committed.ensemble.servers) == [1, 2, 3]
    desk.operator._introduce(joiner, known)  # as if it had been removed
    mine = joiner.configurations.committed
    assert mine.version == known.version > 0
    assert mine.quorum.observers == (4,)


def test_who_cannot_find_out_is_told() -> None:
    desk = Desk()
    outdated, well = desk.world.servers[3], desk.world.servers[0]
    elsewhere = {4: listed(4), 5: listed(5, place=3)}
    outdated.prepare(configuration_of(Ensemble(elsewhere)))
    outdated.start()
    down = desk.world.servers[4]
    down.prepare(initial([1, 2, 3], []))
    down.start()
    assert not down.is_up, "it is not listed"
    holds = initial([1, 2, 3, 4, 5], []).with_version(1 << 33)
    desk.operator.repair(holds)
    assert {"s4", "s5"} == {line.split()[3] for line in desk.lines}
    for server in (outdated, down):
        assert server.is_up
        assert server.configurations.committed.version == 1 << 33
    assert well.configurations.committed.version == 1 << 32


def test_a_calm_ensemble_changes_and_loses_nothing() -> None:
    world = ZabWorld(3, scenario=CALM)
    world.run(20 * SECOND)
    assert world.ensemble.changes > 5
    assert world.clients.answered > 0.9 * world.clients.asked
    fixed = ZabWorld(3, scenario=replace(ROUGH, faults=FaultMix(every=0)))
    fixed.run(SECOND)
    assert (fixed.operator.asked, fixed.ensemble.changes) == (0, 0)
