from __future__ import annotations

import pytest

from tests.tree.model import (
    ACLS,
    CONTAINER,
    TTL_OWNER,
    Leader,
    Operation,
    assert_consistent,
    assert_same,
    blob,
    encoded,
    new_tree,
    restored,
    state,
)
from zoo.jute.constants import AddWatchMode, EventType
from zoo.tree import changes
from zoo.tree.acl import OPEN_ACL
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.record import data_of, new_record, stat_of

OPEN, ALSO_OPEN, READ_ONLY, PRIVATE = ACLS


def create(path: bytes, data: bytes | None = b"", acl: int = 0, owner: int = 0) -> Operation:
    return ("create", path, data, acl, owner)


def grown(*ops: Operation) -> Leader:
    """A leader that has committed these operations."""
    leader = Leader()
    for op in ops:
        assert leader.write(op), op
    leader.commit()
    assert_consistent(leader.tree)
    assert_same(leader.tree, leader.settled)
    return leader


def then(leader: Leader, *ops: Operation) -> None:
    for op in ops:
        assert leader.write(op), op
        leader.commit()
        assert_consistent(leader.tree)
        assert_same(leader.tree, leader.settled)


# --- as Java's DataTree, driven by hand in a JVM


def test_an_empty_tree_is_javas() -> None:
    tree = new_tree()
    assert tree.digest == 1371985504
    assert tree.data_size == 44
    assert len(tree.nodes) + 1 == 5  # Java counts the root under both its names
    stats = {path: tuple(stat_of(record)) for path, record in tree.nodes.items()}
    assert stats == {
        b"/": (0, 0, 0, 0, 0, -1, 0, 0, 0, 1, 0),
        b"/zookeeper": (0, 0, 0, 0, 0, -2, 0, 0, 0, 2, 0),
        b"/zookeeper/quota": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        b"/zookeeper/config": (0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0),
    }
    assert [p for p in tree.nodes if tree.acl_of(p) != OPEN_ACL] == [b"/zookeeper/config"]
    assert tree.acl_of(b"/zookeeper/config") == READ_ONLY
    assert len(tree.acl_table) == 1
    assert_consistent(tree)


def test_a_history_ends_in_javas_tree() -> None:
    tree = new_tree()
    view = Outstanding(tree)
    edits = [
        changes.create(view, b"/a", blob(b"x"), OPEN, 0, 1, 1, 1000),
        changes.create(view, b"/a/b", blob(None), READ_ONLY, 0x55, 1, 2, 1001),
        changes.set_data(view, b"/a", blob(b"yy"), 1, 3, 1002),
        changes.set_acl(view, b"/a", READ_ONLY, 1),
        changes.create(view, b"/c", blob(b""), OPEN, CONTAINER, 2, 5, 1003),
        changes.create(view, b"/a/d", blob(bytes(5)), OPEN, 0, 2, 6, 1004),
        changes.delete(view, b"/a/b", 7),
        changes.set_data(view, b"/", blob(None), 1, 8, 1005),
        changes.set_data(view, b"/zookeeper", blob(b"z"), 1, 9, 1006),
        changes.create(view, b"/zookeeper/q", blob(b"z"), OPEN, 0, 1, 10, 1007),
    ]
    for zxid, edit in enumerate(edits, 1):
        tree.commit(zxid, (edit,))
        view.committed((edit,))
    tree.digest = view.digest
    assert (tree.digest, tree.data_size) == (14222243747, 73)
    shown = {path: tuple(stat_of(tree.shown_stat(r))) for path, r in tree.nodes.items()}
    assert shown[b"/"] == (0, 8, 0, 1005, 1, 1, 0, 0, 0, 3, 5)
    assert shown[b"/a"] == (1, 3, 1000, 1002, 1, 3, 1, 0, 2, 1, 7)
    assert shown[b"/a/d"] == (6, 6, 1004, 1004, 0, 0, 0, 0, 5, 0, 6)
    assert shown[b"/c"] == (5, 5, 1003, 1003, 0, 0, 0, 0, 0, 0, 5)
    assert shown[b"/zookeeper"] == (0, 9, 0, 1006, 1, -1, 0, 0, 1, 3, 10)
    assert shown[b"/zookeeper/q"] == (10, 10, 1007, 1007, 0, 0, 0, 0, 1, 0, 10)
    assert data_of(tree.nodes[b"/"]) is None
    assert_consistent(tree)


def test_quota_statistics_are_javas() -> None:
    def stats(path: bytes) -> bytes | None:
        return data_of(leader.tree.nodes[b"/zookeeper/quota" + path + b"/zookeeper_stats"])

    leader = grown(
        create(b"/q", b"12345"),
        create(b"/q/x", b"123"),
        create(b"/zookeeper/quota/q", None),
        create(b"/zookeeper/quota/q/zookeeper_limits", b"count=9,bytes=9"),
        create(b"/zookeeper/quota/q/zookeeper_stats"),
    )
    assert stats(b"/q") == b"count=2,bytes=8"  # though the data came before the quota
    stat = stat_of(leader.tree.nodes[b"/zookeeper/quota/q/zookeeper_stats"])
    assert (stat.version, stat.mzxid, stat.data_length) == (0, 5, 15)
    then(leader, create(b"/q/y", b"1234567"))
    assert stats(b"/q") == b"count=3,bytes=15"
    then(leader, ("set", b"/q/y", None))
    assert stats(b"/q") == b"count=3,bytes=8"
    then(leader, create(b"/qq", b"1234567"))
    assert stats(b"/q") == b"count=3,bytes=8"
    inner = b"/zookeeper/quota/q/x"
    then(leader, create(inner, None), create(inner + b"/zookeeper_limits", b"count=9,bytes=9"))
    then(leader, ("set", b"/q/x", b"1"))  # the inner quota has nowhere to count yet
    assert stats(b"/q") == b"count=3,bytes=8"
    then(leader, create(inner + b"/zookeeper_stats", None))
    assert stats(b"/q/x") == b"count=1,bytes=1"
    then(leader, ("set", b"/q/x", b"123456"), ("delete", b"/q/y"))
    assert (stats(b"/q"), stats(b"/q/x")) == (b"count=2,bytes=8", b"count=1,bytes=6")
    then(leader, ("delete", inner + b"/zookeeper_limits"), ("set", b"/q/x", None))
    assert (stats(b"/q"), stats(b"/q/x")) == (b"count=2,bytes=2", b"count=1,bytes=6")
    assert leader.tree.quotas.paths() == [b"/q"]


def test_statistics_outlive_changes_prepared_before_they_moved() -> None:
    """They change at commit and outside of any transaction, under records prepared earlier."""
    node = b"/zookeeper/quota/q/zookeeper_stats"
    leader = grown(
        create(b"/q"),
        create(b"/zookeeper/quota/q"),
        create(b"/zookeeper/quota/q/zookeeper_limits"),
        create(node),
    )
    leader.write(create(b"/q/x", b"123"))
    leader.write(("acl", node, 2))
    leader.write(create(node + b"/x"))
    leader.write(create(b"/q/y", b"123"))
    leader.write(("delete", node + b"/x"))
    while leader.queue:
        leader.commit(1)
        assert_consistent(leader.tree)
        assert_same(leader.tree, leader.settled)
    assert data_of(leader.tree.nodes[node]) == b"count=3,bytes=6"
    assert leader.tree.acl_of(node) == READ_ONLY


# --- tables beside the nodes


def test_acl_uses_return_to_zero() -> None:
    leader = grown(create(b"/a", acl=3), create(b"/b", acl=3), create(b"/c", acl=1))
    tree = leader.tree
    assert len(tree.acl_table) == 2
    assert b"/c" not in tree.acls  # equal to the open list is open
    then(leader, ("acl", b"/a", 2), ("acl", b"/a", 3), ("acl", b"/a", 0), ("acl", b"/a", 1))
    then(leader, ("delete", b"/b"), ("delete", b"/a"), ("acl", b"/zookeeper/config", 0))
    assert len(tree.acl_table) == 0
    assert (tree.acls, tree.veiled) == ({}, {})


def test_who_owns_what() -> None:
    leader = grown(
        create(b"/e", owner=1),
        create(b"/f", owner=1),
        create(b"/g", owner=2),
        create(b"/c", owner=CONTAINER),
        create(b"/t", owner=TTL_OWNER, acl=2),
        create(b"/c/e", owner=1),
    )
    tree = leader.tree
    assert {owner: list(paths) for owner, paths in tree.ephemerals.items()} == {
        1: [b"/e", b"/f", b"/c/e"],
        2: [b"/g"],
    }
    assert (list(tree.containers), list(tree.ttls)) == ([b"/c"], [b"/t"])
    assert list(tree.veiled) == [b"/zookeeper/config", b"/c", b"/t"]
    assert tree.ephemeral_count() == 4
    then(leader, ("acl", b"/t", 0), ("acl", b"/c", 3), ("close", 1))
    assert {owner: list(paths) for owner, paths in tree.ephemerals.items()} == {2: [b"/g"]}
    then(leader, ("delete", b"/c"), ("delete", b"/t"), ("close", 2))
    assert (tree.ephemerals, tree.containers, tree.ttls) == ({}, {}, {})


@pytest.mark.parametrize(
    ("owner", "extended", "shown"),
    [
        (0, True, 0),
        (5, True, 5),
        (CONTAINER, False, 0),
        (TTL_OWNER, True, 0),
        (TTL_OWNER, False, TTL_OWNER),
        (-5 << 56, True, -5 << 56),
    ],
)
def test_owners_that_are_no_sessions_are_not_shown(owner: int, extended: bool, shown: int) -> None:
    tree = DataTree(lambda *event: None, extended_types=extended)
    record = new_record(blob(b"d"), 1, 2, owner)
    assert stat_of(tree.shown_stat(record)) == stat_of(record)._replace(ephemeral_owner=shown)


def test_descendants_are_counted() -> None:
    tree = grown(create(b"/a"), create(b"/a/b"), create(b"/a/b/c"), create(b"/ab")).tree
    counts = [tree.count_below(path) for path in (b"/", b"/a", b"/a/b", b"/ab", b"/zookeeper")]
    assert counts == [7, 2, 1, 0, 2]


# --- watches

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
CHANGED, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED


def test_watchers_hear_of_each_edit_with_the_acl_of_the_node_it_is_about() -> None:
    leader = grown(create(b"/p", acl=2))
    watches = leader.tree.watches

    def watch() -> None:
        for path in (b"/p", b"/p/n"):
            watches.data.add(path, "data")
            watches.children.add(path, "child")

    def told() -> list[tuple[object, ...]]:
        events, leader.events[:] = list(leader.events), []
        return list(events)

    watch()
    watches.add_watch(b"/p", "all", AddWatchMode.PERSISTENT_RECURSIVE)
    then(leader, create(b"/p/n", acl=3))
    assert told() == [
        ("data", CREATED, b"/p/n", 2, PRIVATE),
        ("all", CREATED, b"/p/n", 2, PRIVATE),
        ("child", CHILDREN, b"/p", 2, READ_ONLY),
    ]
    watch()
    then(leader, ("set", b"/p/n", b"x"))
    assert told() == [("data", CHANGED, b"/p/n", 3, PRIVATE), ("all", CHANGED, b"/p/n", 3, PRIVATE)]
    then(leader, ("acl", b"/p/n", 1))
    assert told() == []
    watch()
    then(leader, ("delete", b"/p/n"))
    assert told() == [
        ("data", DELETED, b"/p/n", 5, OPEN_ACL),
        ("all", DELETED, b"/p/n", 5, OPEN_ACL),
        ("child", DELETED, b"/p/n", 5, OPEN_ACL),
        ("child", CHILDREN, b"/p", 5, READ_ONLY),
    ]
    then(leader, create(b"/p/o"))
    assert told() == [("all", CREATED, b"/p/o", 6, OPEN_ACL)]


def test_the_root_is_a_parent_like_any_other() -> None:
    leader = grown()
    leader.tree.watches.children.add(b"/", "child")
    leader.tree.watches.data.add(b"/", "data")
    then(leader, create(b"/a"), ("set", b"/", b"x"))
    assert leader.events == [
        ("child", CHILDREN, b"/", 1, OPEN_ACL),
        ("data", CHANGED, b"/", 2, OPEN_ACL),
    ]


def test_an_event_is_told_before_the_next_part_of_a_multi() -> None:
    leader = grown()
    leader.tree.watches.add_watch(b"/", "all", AddWatchMode.PERSISTENT_RECURSIVE)
    leader.multi([create(b"/a", acl=2), ("set", b"/a", b"x"), ("delete", b"/a")])
    leader.commit()
    assert [event[1:] for event in leader.events] == [
        (CREATED, b"/a", 1, READ_ONLY),
        (CHANGED, b"/a", 1, READ_ONLY),
        (DELETED, b"/a", 1, READ_ONLY),
    ]


@pytest.mark.parametrize("zxid", [0, 1, 2])
def test_transactions_come_in_order(zxid: int) -> None:
    leader = grown(create(b"/a"), create(b"/b"))
    with pytest.raises(AssertionError, match="after 0x2"):
        leader.tree.commit(zxid, ())
    with pytest.raises(AssertionError, match="after 0x2"):
        leader.tree.commit_set(zxid, b"/a", leader.tree.nodes[b"/a"])


# --- snapshots


def test_a_snapshot_restores_the_tree() -> None:
    leader = grown(
        create(b"/a", None, acl=2),
        create(b"/a/e", b"x", owner=7, acl=3),
        create(b"/a/c", owner=CONTAINER),
        create(b"/a/c/t", owner=TTL_OWNER),
        ("delete", b"/a/c/t"),
        ("set", b"/", b"root"),
        create(b"/zookeeper/quota/a"),
        create(b"/zookeeper/quota/a/zookeeper_limits", b"count=3,bytes=-1"),
        create(b"/zookeeper/quota/a/zookeeper_stats"),
        create(b"/a/f"),
    )
    snapshot = encoded(leader.tree.acl_table.items(), leader.tree.begin_snapshot(), leader.zxid)
    tree = restored(snapshot)
    assert state(tree) == state(leader.tree)
    assert_consistent(tree)
    # A second time over what it holds: nothing is left of the first.
    tree.restore((), [(b"/", new_record(blob(b""), 0, 0, 0), -1)], 1)
    assert list(tree.nodes) == [b"/"]
    assert (tree.acls, tree.ephemerals, tree.quotas.paths(), tree.children) == ({}, {}, [], {})
    assert_consistent(tree)


def test_a_node_that_comes_twice_counts_once() -> None:
    record, other = new_record(blob(b""), 1, 2, 0), new_record(blob(b"other"), 2, 2, 0)
    tree = new_tree()
    tree.restore((), [(b"/", record, -1), (b"/a", record, -1), (b"/a", other, -1)], 1)
    assert tree.nodes[b"/a"] == other
    assert_consistent(tree)


def test_a_snapshot_without_a_parent_or_a_root_is_refused() -> None:
    record = new_record(blob(b""), 1, 2, 0)
    with pytest.raises(ValueError, match="'/a/b' comes before its parent"):
        new_tree().restore((), [(b"/", record, -1), (b"/a/b", record, -1)], 1)
    with pytest.raises(ValueError, match="no root"):
        new_tree().restore((), [], 1)


@pytest.mark.parametrize("taken", [0, 1, 2, 100])
def test_a_snapshot_that_is_given_up_stops_the_saving(taken: int) -> None:
    leader = grown(create(b"/a"))
    tree = leader.tree
    nodes = tree.begin_snapshot()
    with pytest.raises(AssertionError, match="taken already"):
        tree.begin_snapshot()
    for _ in zip(range(taken), nodes, strict=False):
        pass
    nodes.close()  # type: ignore[attr-defined]
    assert not tree.is_being_read
    then(leader, ("set", b"/a", b"x"))
    assert {p: r for p, r, _ in tree.begin_snapshot()} == tree.nodes
