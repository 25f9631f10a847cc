from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.recipes.ring import MAX_WEIGHT, HashRing

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


def loads(assigned: dict[str, str], members: list[str]) -> list[int]:
    return [list(assigned.values()).count(member) for member in members]


memberships = st.lists(
    st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=10, unique=True),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(memberships, st.integers(0, 40))
def test_rebalanced_is_level_and_moves_only_between_who_changed(
    history: list[list[str]], count: int
) -> None:
    keys, assigned, before = KEYS[:count], dict[str, str](), set[str]()
    for members in history:
        after = HashRing(members, points=16).rebalance(keys, assigned)
        assert after.keys() == set(keys)
        assert max(loads(after, members)) - min(loads(after, members)) <= 1
        for key in assigned:
            stays = after[key] == assigned[key]
            assert stays or after[key] not in before or assigned[key] not in members, key
        assigned, before = after, set(members)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 1, 1.5, 3]), min_size=1),
    st.dictionaries(st.sampled_from(KEYS[:20]), st.sampled_from("abcdefgh")),
)
def test_rebalanced_by_weight_from_any_state(
    weights: dict[str, float], previous: dict[str, str]
) -> None:
    after = HashRing(weights, points=16).rebalance(KEYS[:20], previous)
    for member, weight in weights.items():
        share = 20 * weight / sum(weights.values())
        assert math.floor(share + 1e-6) <= loads(after, [member])[0] <= math.ceil(share - 1e-6)
    assert HashRing(weights, points=16).rebalance(KEYS[:20], after) == after


def test_fewest_moves() -> None:
    keys = KEYS[:60]
    two = HashRing(["a", "b"]).rebalance(keys, {})
    three = HashRing(["a", "b", "c"]).rebalance(keys, two)
    assert sum(two[key] != three[key] for key in keys) == 20
    assert HashRing(["a", "b"]).rebalance(keys, three).items() >= {
        item for item in three.items() if item[1] != "c"
    }
    assert HashRing().rebalance([], {}) == {}
    with pytest.raises(LookupError):
        HashRing().rebalance(keys, {})


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
    for weight in (MAX_WEIGHT + 1, 1e300, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="'a' must be positive, 1000 at most"):
            HashRing({"a": weight})
    with pytest.raises(ValueError, match="at least one point"):
        HashRing(["a"], points=0)
    with pytest.raises(ValueError, match="balance"):
        HashRing(["a"]).assign(["k"], 0.5)
    assert "a" in repr(HashRing(["a"]))


EXPECTED = ["b", "a", "c", "c"]
