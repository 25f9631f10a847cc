"""The simulated net: what is blocked, slowed and mended."""

from __future__ import annotations

from random import Random

from zoo.sim.reach import Reach


def test_one_way_and_both_ways() -> None:
    reach = Reach(Random(1))
    reach.block([1], [2, "c"])
    assert not reach.is_open(1, 2)
    assert reach.is_open(2, 1)
    reach.split([3], [1, 2, 3])
    assert not reach.is_open(3, 1)
    assert not reach.is_open(2, 3)
    assert reach.is_open(3, 3)
    assert not reach.is_whole


def test_healing_opens_everything_and_says_so() -> None:
    reach = Reach(Random(1), (100, 100))
    opened: list[bool] = []
    reach.on_change(lambda: opened.append(reach.is_whole))
    reach.split([1], [2])
    reach.slow_down(1, 2, 50)
    assert reach.delay(1, 2) == 5_000
    assert reach.delay(2, 1) == 100
    reach.heal()
    assert opened == [True]
    assert reach.is_open(1, 2)
    assert reach.delay(1, 2) == 100


def test_a_large_message_takes_longer() -> None:
    reach = Reach(Random(1), (100, 100))
    assert reach.delay(1, 2, 1_000_000) == 10_100
