from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.recipes.ring import HashRing

KEYS = [f"key-{n}" for n in range(500)]
names = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@settings(max_examples=25, deadline=None)
@given(names, st.text("xyz", min_size=1, max_size=3))
def test_keys_move_only_to_and_from_the_member_that_changes(members: list[str], new: str) -> None:
    ring = HashRing(members, points=16)
    before = {key: ring.owner(key) for key in KEYS}
    ring.add(new)
    after = {key: ring.owner(key) for key in KEYS}
    assert {after[key] for key in KEYS if after[key] != before[key]} <= {new}
    ring.remove(new)
    assert {key: ring.owner(key) for key in KEYS} == before


@settings(max_examples=25, deadline=None)
@given(names, st.floats(1, 2))
def test_the_load_is_bounded(members: list[str], balance: float) -> None:
    ring = HashRing(members, points=16)
    result = ring.assign(KEYS, balance)
    assert result.keys() == set(KEYS)
    assert result == ring.assign(reversed(KEYS), balance)
    bound = math.ceil(len(KEYS) / len(members) * balance)
    assert max(list(result.values()).count(member) for member in members) <= bound


def test_weights_and_spread() -> None:
    ring = HashRing({"big": 3, "small": 1})
    share = sum(ring.owner(key) == "big" for key in KEYS) / len(KEYS)
    assert 0.6 < share < 0.9
    assert ring.members == ["big", "small"]
    assert set(ring.owners("a", 5)) == {"big", "small"}


def test_the_answer_is_the_same_everywhere() -> None:
    ring = HashRing(["a", "b", "c"])
    assert [ring.owner(key) for key in ("x", "y", "z", "w")] == EXPECTED


def test_impossible_rings() -> None:
    with pytest.raises(LookupError):
        HashRing().owner("a")
    with pytest.raises(ValueError, match="positive"):
        HashRing({"a": 0})
    with pytest.raises(ValueError, match="at least one point"):
        HashRing(["a"], points=0)
    with pytest.raises(ValueError, match="balance"):
        HashRing(["a"]).assign(["k"], 0.5)
    assert "a" in repr(HashRing(["a"]))


EXPECTED = ["b", "a", "c", "c"]
