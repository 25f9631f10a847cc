"""Verifiers by definition, against Java's answers, and against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.config_ensemble import parse_ensemble_text
from zoo.zab.quorum import Hierarchical, Majority, QuorumVerifier, quorum_of

NINE = {sid: (sid - 1) // 3 + 1 for sid in range(1, 10)}


class Joint(QuorumVerifier):
    """Both of two: the shape that a change of configuration asks for."""

    def __init__(self, old: QuorumVerifier, new: QuorumVerifier) -> None:
        self.both = old, new
        self.voters = tuple(sorted({*old.voters, *new.voters}))
        self.observers = ()
        self.version = new.version

    def contains_quorum(self, acks: Collection[int]) -> bool:
        return all(one.contains_quorum(acks) for one in self.both)

    def quorum_zxid(self, acked: Mapping[int, int]) -> int:
        return min(one.quorum_zxid(acked) for one in self.both)

    def weight(self, sid: int) -> int:
        return max(one.weight(sid) for one in self.both)


@pytest.mark.parametrize(
    ("size", "least"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)]
)
def test_a_majority_is_more_than_half(size: int, least: int) -> None:
    quorum = Majority(range(1, size + 1), observers=[10])
    assert quorum.contains_quorum(range(1, least + 1))
    assert not quorum.contains_quorum(range(1, least))
    assert not quorum.contains_quorum([*range(1, least), 10, 99])
    assert (quorum.weight(1), quorum.weight(10), quorum.weight(99)) == (1, 0, 0)


def test_nobody_is_no_quorum() -> None:
    assert not Majority([]).contains_quorum([])
    assert Majority([]).quorum_zxid({1: 5}) == 0
    assert not Hierarchical({1: 1}, {1: 0}).contains_quorum([1])
    assert Hierarchical({1: 1}, {1: 0}).quorum_zxid({1: 5}) == 0


@pytest.mark.parametrize(
    ("weights", "count", "digest"),
    [
        # QuorumHierarchical of ZooKeeper 3.9.5 on every subset of nine servers in three groups:
        # how many are quorums, and the start of the SHA-256 of its 512 answers as 0 and 1.
        ([1, 1, 1, 1, 1, 1, 1, 1, 1], 256, "e1f3f1e7aed2855f"),
        ([2, 1, 1, 0, 1, 1, 0, 0, 0], 48, "a352d22281e47137"),
        ([3, 1, 0, 1, 1, 0, 0, 0, 5], 192, "513a61ac9ccf86fc"),
        ([0, 0, 0, 0, 0, 0, 1, 1, 2], 192, "5f2589c335e72054"),
    ],
)
def test_hierarchical_answers_as_java_does(weights: list[int], count: int, digest: str) -> None:
    quorum = Hierarchical(NINE, dict(zip(NINE, weights)))
    answers = [
        quorum.contains_quorum([sid for sid in NINE if mask >> (sid - 1) & 1])
        for mask in range(512)
    ]
    assert sum(answers) == count
    text = "".join("01"[answer] for answer in answers)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_hierarchical_counts_voters_only() -> None:
    quorum = Hierarchical({1: 1, 2: 1, 3: 1}, {3: 0}, observers=[4])
    assert not quorum.contains_quorum([1, 3, 4, 99])
    assert quorum.contains_quorum([1, 2])
    assert [quorum.weight(sid) for sid in (1, 2, 3, 4, 99)] == [1, 1, 0, 0, 0]


def verifiers() -> st.SearchStrategy[QuorumVerifier]:
    majority = st.integers(1, 7).map(lambda size: Majority(range(1, size + 1)))
    hierarchical = st.builds(
        lambda weights, groups: Hierarchical(dict(zip(NINE, groups)), dict(zip(NINE, weights))),
        st.lists(st.integers(0, 3), min_size=9, max_size=9),
        st.lists(st.integers(1, 3), min_size=9, max_size=9),
    )
    single = st.one_of(majority, hierarchical)
    return st.one_of(single, st.builds(Joint, single, single))


ACKED = st.dictionaries(st.integers(1, 12), st.integers(0, 6))


@given(verifiers(), ACKED)
def test_quorum_zxid_is_the_highest_that_a_quorum_has(
    quorum: QuorumVerifier, acked: dict[int, int]
) -> None:
    def has(zxid: int) -> bool:
        return quorum.contains_quorum([sid for sid in acked if acked[sid] >= zxid])

    assert quorum.quorum_zxid(acked) == max((z for z in acked.values() if has(z)), default=0)


@given(verifiers(), st.sets(st.integers(1, 9)))
def test_two_quorums_meet(quorum: QuorumVerifier, acks: set[int]) -> None:
    rest = set(range(1, 10)) - acks
    assert not (quorum.contains_quorum(acks) and quorum.contains_quorum(rest))


def test_the_configuration_decides() -> None:
    servers = "".join(f"server.{n}=h{n}:1:2:participant\n" for n in (3, 1, 2))
    observer = "server.9=h9:1:2:observer\n"
    majority = quorum_of(parse_ensemble_text(servers + observer + "version=1f"))
    assert isinstance(majority, Majority)
    assert (majority.voters, majority.observers, majority.version) == ((1, 2, 3), (9,), 0x1F)
    groups = "group.1=1:2\ngroup.2=3\nweight.2=3\n"
    hierarchical = quorum_of(parse_ensemble_text(servers + observer + groups + "version=2"))
    assert isinstance(hierarchical, Hierarchical)
    assert hierarchical.voters == (1, 2, 3)
    assert hierarchical.observers == (9,)
    assert [hierarchical.weight(sid) for sid in (1, 2, 3, 9)] == [1, 3, 1, 0]
    assert hierarchical.contains_quorum([2, 3])
    assert not hierarchical.contains_quorum([1, 3])
    assert "version=0x2" in repr(hierarchical)
    assert "version=0x1f" in repr(majority)
