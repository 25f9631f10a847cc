"""Random histories, committed in any rhythm: overlay, tree, snapshots and replay all agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tree.model import (
    ACLS,
    Leader,
    assert_consistent,
    assert_same,
    assert_view_same,
    encoded,
    new_tree,
    restored,
    state,
)
from tests.tree.strategies import PLAIN, QUOTAS, STATS, operations
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.replay import replay

Nodes = Iterator[tuple[bytes, bytes, int]]

writes = operations([*PLAIN, *QUOTAS])
multis = st.tuples(
    st.just("multi"), st.lists(operations(PLAIN), min_size=1, max_size=6), st.booleans()
)
commits = st.tuples(st.just("commit"), st.integers(1, 5))
# Half of the histories begin with every path there, so that there is something to take away.
GROWN: list[tuple[Any, ...]] = [
    *(("create", path, b"seed", at % len(ACLS), 0) for at, path in enumerate(PLAIN)),
    ("commit", len(PLAIN)),
]
beginnings = st.sampled_from([[], GROWN])


def histories(*steps: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.builds(list.__add__, beginnings, st.lists(st.one_of(*steps), max_size=60))


rhythm = histories(writes, writes, writes, multis, commits)


def step(leader: Leader, action: tuple[Any, ...]) -> None:
    if action[0] == "commit":
        leader.commit(action[1])
    elif action[0] == "multi":
        leader.multi(action[1], action[2])
    else:
        leader.write(action)


def replayed(log: list[tuple[int, bytes]], tree: DataTree) -> list[int]:
    """Replay what is newer than the tree; the zxids after which the digest was not the leader's."""
    view = Outstanding(tree)
    wrong = []
    for zxid, entry in log:
        if zxid > tree.last_zxid and replay(view, entry).digest_ok is False:
            wrong.append(zxid)
    assert (view.records, view.acls, view.deleted) == ({}, {}, {})
    tree.acl_table.require_defined()
    return wrong


@settings(deadline=None, max_examples=150)
@given(rhythm)
def test_overlay_and_tree_are_those_of_the_model(actions: list[tuple[Any, ...]]) -> None:
    leader = Leader()
    paths = [*PLAIN, *QUOTAS]
    for action in actions:
        step(leader, action)
        assert_view_same(leader.view, leader.newest, paths)
        assert_same(leader.tree, leader.settled)
    leader.commit()
    assert (leader.view.records, leader.view.acls, leader.view.deleted) == ({}, {}, {})
    assert_same(leader.tree, leader.settled)
    assert_consistent(leader.tree)


@settings(deadline=None, max_examples=100)
@given(rhythm)
def test_replay_of_the_log_makes_the_same_tree(actions: list[tuple[Any, ...]]) -> None:
    leader = Leader()
    for action in actions:
        step(leader, action)
    leader.commit()
    tree = new_tree()
    assert replayed(leader.log, tree) == []
    assert list(tree.nodes.items()) == list(leader.tree.nodes.items())
    assert [(p, list(kids)) for p, kids in tree.children.items()] == [
        (p, list(kids)) for p, kids in leader.tree.children.items()
    ]
    assert (tree.acls, tree.acl_table.items()) == (leader.tree.acls, leader.tree.acl_table.items())
    assert state(tree) == state(leader.tree)
    assert_consistent(tree)


@settings(deadline=None, max_examples=100)
@given(rhythm, rhythm, st.lists(st.integers(0, 4)))
def test_a_snapshot_is_of_its_beginning_whatever_commits_meanwhile(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], pace: list[int]
) -> None:
    leader = Leader()
    for action in before:
        step(leader, action)
    tree, zxid = leader.tree, leader.tree.last_zxid
    now = {path: (record, tree.acls.get(path, -1)) for path, record in tree.nodes.items()}
    was, acls = state(tree), tree.acl_table.items()
    nodes = tree.begin_snapshot()
    taken = []
    actions = iter(after)
    for count in pace:
        for action in islice(actions, count):
            step(leader, action)
            leader.commit(1)
        taken += list(islice(nodes, 1))
        if len(taken) == len(now):
            break
    for action in actions:
        step(leader, action)
        leader.commit(1)
    taken += nodes
    assert {path: rest for path, *rest in taken} == {path: [*rest] for path, rest in now.items()}
    assert len(taken) == len(now)
    leader.commit()
    assert_same(tree, leader.settled)
    again = restored(encoded(acls, taken, zxid))
    assert without_statistics(state(again)) == without_statistics(was)
    assert replayed(leader.log, again) == []
    assert without_statistics(state(again)) == without_statistics(state(tree))


def without_statistics(held: dict[str, Any]) -> dict[str, Any]:
    """Restoring counts quotas anew, as Java does; where they nest, or where the statistics were
    there before the limits, that is another number than before."""
    nodes = held["nodes"]
    bare = {path: record[-68:-16] for path, record in nodes.items() if path in STATS}
    return held | {"nodes": nodes | bare, "data_size": None}


def fuzzy(tree: DataTree) -> Nodes:
    """The nodes as Java's serializeNode meets them: a parent's children are those of its moment,
    and each node has whatever it has when its turn comes."""
    stack = [b"/"]
    while stack:
        path = stack.pop()
        record = tree.nodes.get(path)
        if record is not None:
            kids = list(tree.children.get(path, ()))
            yield path, record, tree.acls.get(path, -1)
            stack += kids[::-1]


plain_writes = operations(PLAIN)
plain_rhythm = histories(plain_writes, plain_writes, multis)


@settings(deadline=None, max_examples=300)
@given(plain_rhythm, plain_rhythm, st.lists(st.integers(0, 6), min_size=3, max_size=12))
def test_replay_over_a_fuzzy_snapshot_comes_to_the_same_tree(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], pace: list[int]
) -> None:
    leader = Leader()
    for action in before:
        step(leader, action)
    leader.commit()
    zxid, acls = leader.tree.last_zxid, leader.tree.acl_table.items()
    nodes = fuzzy(leader.tree)
    taken = []
    actions = iter(after)
    for count in pace:
        taken += list(islice(nodes, 1))
        for action in islice(actions, count):
            step(leader, action)
            leader.commit()
    taken += nodes
    calm = leader.zxid  # from here on the log's digests must be met
    for action in actions:
        step(leader, action)
    leader.commit()
    tree = restored(encoded(acls, taken, zxid))
    assert [z for z in replayed(leader.log, tree) if z >= calm] == []
    assert state(tree) == state(leader.tree)
    assert_consistent(tree)
