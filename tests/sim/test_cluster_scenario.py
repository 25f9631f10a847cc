"""What is drawn for a world, and what its members' zoo.cfg says."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from zoo.config import config_from
from zoo.sim.cluster_scenario import ClusterScenario, SessionKind, adjusted, settings_of

SEEDS = range(400)


def test_what_came_later_shifts_no_earlier_draw() -> None:
    for seed in SEEDS:
        first = ClusterScenario.drawn(Random(seed))
        more = first.extended(seed)
        usual = ClusterScenario()
        later = ("sessions", "read_only", "rot_every")
        assert replace(more, **{name: getattr(usual, name) for name in later}) == first


def test_each_of_it_is_in_about_one_of_four_worlds() -> None:
    drawn = [ClusterScenario().extended(seed) for seed in SEEDS]
    kinds = [one.sessions for one in drawn]
    assert {*kinds} == {*SessionKind}
    for count in (
        len(SEEDS) - kinds.count(SessionKind.GLOBAL),
        sum(one.read_only for one in drawn),
    ):
        assert 60 < count < 140
    rotten = [ClusterScenario.drawn(Random(seed)).extended(seed).rot_every > 0 for seed in SEEDS]
    assert 60 < sum(rotten) < 140


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        (ClusterScenario(), (False, False, False)),
        (ClusterScenario(sessions=SessionKind.LOCAL), (True, False, False)),
        (ClusterScenario(sessions=SessionKind.UPGRADING), (True, True, False)),
        (ClusterScenario(read_only=True), (False, False, True)),
    ],
)
def test_it_stands_in_the_configuration(
    scenario: ClusterScenario, expected: tuple[bool, bool, bool]
) -> None:
    alone = {**settings_of(scenario), "standaloneEnabled": "true"}
    config = adjusted(config_from(alone), scenario)
    assert expected == (
        config.local_sessions_enabled,
        config.local_sessions_upgrading_enabled,
        config.read_only_mode_enabled,
    )
    assert config.purge_interval_ms == scenario.purge_every_ms
