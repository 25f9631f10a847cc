from __future__ import annotations

import time
from random import Random

import pytest

from zoo.client.outside import Outside, outside, replaced_by


def test_the_real_one() -> None:
    real = outside()
    assert real.unique_name() != real.unique_name()
    assert len(real.unique_name()) == 36
    assert real.random().random() != real.random().random()
    assert abs(real.wall_time() - time.time()) < 60


class Still(Outside):
    def random(self) -> Random:
        return Random(1)

    def wall_time(self) -> float:
        return 7.0


def test_another_takes_its_place_for_a_while() -> None:
    real = outside()
    with replaced_by(Still()):
        assert outside().wall_time() == 7.0
        assert outside().random().random() == Random(1).random()
    assert outside() is real


def test_the_real_one_comes_back_after_an_error() -> None:
    real = outside()
    with pytest.raises(KeyError), replaced_by(Still()):
        raise KeyError
    assert outside() is real
