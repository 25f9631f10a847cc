from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.recipes.balancing import Balancer, ConsistentHash, LeastUsed, RoundRobin, Weighted


class Server(NamedTuple):
    id: str
    weight: float = 1.0


ids = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)
whole_weights = st.dictionaries(
    st.text("abc", min_size=1, max_size=2), st.integers(1, 5), min_size=1, max_size=5
)


def servers(names: list[str]) -> list[Server]:
    return [Server(name) for name in sorted(names)]


@settings(max_examples=40)
@given(ids, st.integers(0, 5))
def test_round_robin_gives_each_one_turn(names: list[str], before: int) -> None:
    balancer, all_of_them = RoundRobin(), servers(names)
    for _ in range(before):
        balancer.pick(all_of_them)
    picked = [balancer.pick(all_of_them).id for _ in names]
    assert sorted(picked) == sorted(names)


@settings(max_examples=40)
@given(ids, st.data())
def test_round_robin_goes_on_where_it_was_when_instances_come_and_go(
    names: list[str], data: st.DataObject
) -> None:
    balancer = RoundRobin()
    last = balancer.pick(servers(names)).id
    left = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    following = [name for name in sorted(left) if name > last]
    assert balancer.pick(servers(left)).id == (following or sorted(left))[0]


@settings(max_examples=40)
@given(whole_weights, st.integers(1, 3))
def test_weighted_gives_each_its_weight(weights: dict[str, int], rounds: int) -> None:
    balancer = Weighted()
    candidates = [Server(name, weight) for name, weight in sorted(weights.items())]
    for _ in range(rounds):
        picked = Counter(balancer.pick(candidates).id for _ in range(sum(weights.values())))
        assert picked == weights


def test_weighted_interleaves_and_forgets_who_left() -> None:
    balancer = Weighted()
    pair = [Server("a", 2), Server("b", 1)]
    assert "".join(balancer.pick(pair).id for _ in range(6)) == "abaaba"
    assert balancer.pick(pair[1:]).id == "b"
    assert balancer.pick(pair).id == "a"


@settings(max_examples=40)
@given(ids, st.lists(st.booleans(), max_size=40))
def test_least_used_keeps_the_requests_under_way_level(names: list[str], ends: list[bool]) -> None:
    balancer, candidates = LeastUsed(), servers(names)
    under_way: list[Server] = []
    for is_end in ends:
        if is_end and under_way:
            balancer.finished(under_way.pop())
            continue
        chosen = balancer.pick(candidates)
        assert balancer.in_use(chosen) == min(map(balancer.in_use, candidates))
        balancer.started(chosen)
        under_way.append(chosen)
    assert {each: balancer.in_use(each) for each in candidates if balancer.in_use(each)} == Counter(
        under_way
    )


def test_least_used_minds_weights_and_takes_turns() -> None:
    balancer = LeastUsed()
    pair = [Server("a", 2), Server("b", 1)]
    for _ in range(6):
        balancer.started(balancer.pick(pair))
    assert [balancer.in_use(each) for each in pair] == [4, 2]
    idle = servers(["x", "y", "z"])
    assert sorted(balancer.pick(idle).id for _ in range(3)) == ["x", "y", "z"]


@settings(max_examples=8)
@given(ids, st.text("xyz", min_size=1, max_size=3))
def test_consistent_hashing_moves_keys_only_to_who_came(names: list[str], new: str) -> None:
    keys = [f"key-{n}" for n in range(60)]
    balancer = ConsistentHash()
    before = {key: balancer.pick(servers(names), key).id for key in keys}
    after = {key: balancer.pick(servers([*names, new]), key).id for key in keys}
    assert {after[key] for key in keys if after[key] != before[key]} <= {new}
    assert {key: balancer.pick(servers(names), key).id for key in keys} == before
    assert {key: ConsistentHash().pick(servers(names), key).id for key in keys} == before


def test_consistent_hashing_needs_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        ConsistentHash().pick([Server("a")])


def test_the_plain_balancer_prefers_the_first() -> None:
    balancer = Balancer()
    chosen = balancer.pick(servers(["b", "a"]))
    balancer.started(chosen)
    balancer.finished(chosen)
    assert chosen.id == "a"
