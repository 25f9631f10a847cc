"""Every expected value here was printed by java.util.Random itself (jshell, Java 17)."""

from __future__ import annotations

import pytest

from zoo.session.java_random import JavaRandom


def test_ints_are_javas() -> None:
    random = JavaRandom(-7)
    assert [random.next_int() for _ in range(3)] == [1155869324, -423064701, -1403676116]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, ""),
        (1, "35"),
        (2, "359d"),
        (3, "359d41"),
        (4, "359d41ba"),
        (5, "359d41baf7"),
        (7, "359d41baf78afe"),
        (8, "359d41baf78afe0d"),
    ],
)
def test_bytes_are_javas(length: int, expected: str) -> None:
    assert JavaRandom(42).next_bytes(length).hex() == expected


def test_seed_is_a_java_long_signed_or_not() -> None:
    assert JavaRandom(-7).next_int() == JavaRandom((1 << 64) - 7).next_int()


def test_bytes_go_on_where_the_last_call_ended() -> None:
    random = JavaRandom(42)
    assert (random.next_bytes(4) + random.next_bytes(4)).hex() == "359d41baf78afe0d"
