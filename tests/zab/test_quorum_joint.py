from __future__ import annotations

from itertools import combinations

from zoo.zab.quorum import Hierarchical, Majority, QuorumVerifier
from zoo.zab.quorum_joint import Joint


def test_both_must_agree() -> None:
    joint = Joint(Majority([1, 2, 3], version=4), Majority([3, 4, 5], version=9))
    assert joint.voters == (1, 2, 3, 4, 5)
    assert joint.version == 4
    assert not joint.contains_quorum([1, 2, 3])
    assert not joint.contains_quorum([3, 4, 5])
    assert joint.contains_quorum([1, 3, 4])
    assert joint.quorum_zxid({1: 9, 2: 8, 3: 7, 4: 5, 5: 4}) == 5
    assert joint.quorum_zxid({1: 9, 2: 8, 3: 7}) == 0


def test_whoever_counts_in_one_may_be_voted_for() -> None:
    joint = Joint(Majority([1, 2]), Majority([2, 3]))
    assert [joint.weight(sid) for sid in (1, 2, 3, 4)] == [1, 1, 1, 0]


def test_an_observer_that_is_to_vote_votes_and_observes() -> None:
    joint = Joint(Majority([1, 2, 3], [4]), Majority([1, 2, 3, 4]))
    assert 4 in joint.voters
    assert joint.observers == (4,)


def test_a_joint_quorum_meets_every_quorum_of_either() -> None:
    groups = Hierarchical({1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}, {})
    for old, new in ((Majority([1, 2, 3]), Majority([3, 4, 5, 6])), (groups, Majority([5, 6]))):
        joint = Joint(old, new)
        subsets = [set(s) for n in range(7) for s in combinations(range(1, 7), n)]

        def quorums(of: QuorumVerifier, among: list[set[int]] = subsets) -> list[set[int]]:
            return [each for each in among if of.contains_quorum(each)]

        for both in quorums(joint):
            assert all(both & other for other in quorums(old))
            assert all(both & other for other in quorums(new))
