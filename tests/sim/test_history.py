"""The second arithmetic: what the log's transactions make, and what they made at any zxid."""

from __future__ import annotations

import pytest

from tests.sim.entries import SESSION, TIME, closed, created, data_set, deleted, multi, opened
from zoo.errors import Code
from zoo.jute import txn_records as t
from zoo.jute.constants import EventType
from zoo.jute.operations import Op
from zoo.sim.history import History, is_session, parent_of
from zoo.tree.data_tree import DataTree


def grown() -> History:
    history = History()
    for entry in (
        opened(1),
        created(2, b"/a", 1),
        created(3, b"/a/e", 1, ephemeral=True),
        data_set(4, b"/a", 1),
        deleted(5, b"/a/e"),
    ):
        history.append(entry)
    return history


def test_it_begins_as_a_tree_does() -> None:
    history, tree = History(), DataTree(lambda *event: None)
    assert history.tree().keys() == tree.nodes.keys()
    assert history.digests[0] == tree.digest


def test_every_version_is_kept() -> None:
    history = grown()
    assert history.at(b"/a", 1) is None
    born, changed = history.at(b"/a", 2), history.at(b"/a", 4)
    assert born is not None
    assert changed is not None
    assert (born.data, born.version, born.stat.num_children) == (b"d", 0, 0)
    assert (changed.data, changed.version, changed.mtime) == (b"4", 1, TIME + 4)
    assert changed.children == {b"e"}
    last = history.now(b"/a")
    assert last is not None
    assert (last.stat.cversion, last.stat.num_children, last.pzxid) == (2, 0, 5)
    child = history.at(b"/a/e", 4)
    assert child is not None
    assert child.owner == SESSION
    assert history.paths_at(3).keys() - history.paths_at(5).keys() == {b"/a/e"}


def test_events_and_sessions() -> None:
    history = grown()
    assert history.events_between(2, 4) == [
        (3, EventType.NODE_CREATED, b"/a/e"),
        (3, EventType.NODE_CHILDREN_CHANGED, b"/a"),
        (4, EventType.NODE_DATA_CHANGED, b"/a"),
    ]
    assert history.live_sessions() == {SESSION: 4_000}
    assert not history.was_open(SESSION, 1)
    assert history.was_open(SESSION, 2)


def test_a_power_failure_takes_the_end_back() -> None:
    whole, cut = grown(), grown()
    for entry in (created(6, b"/b", 2, ephemeral=True), closed(7, [b"/b"])):
        cut.append(entry)
    assert cut.live_sessions() == {}
    assert cut.ephemerals_of(SESSION) == []
    assert cut.truncate(5) == [6, 7]
    assert cut.tree() == whole.tree()
    assert cut.live_sessions() == whole.live_sessions()
    assert cut.events == whole.events
    cut.append(created(6, b"/b", 2))
    whole.append(created(6, b"/b", 2))
    assert cut.digests == whole.digests


def test_multis_are_all_or_nothing() -> None:
    history = grown()
    create = (Op.delete, t.DeleteTxn(b"/a"))
    history.append(multi(6, create, (Op.error, t.ErrorTxn(Code.NONODE))))
    assert history.now(b"/a") is not None
    history.append(multi(7, create, (Op.check, t.CheckVersionTxn(b"/", 1))))
    assert history.now(b"/a") is None


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (data_set(7, b"/a", 2), "logged after"),
        (data_set(5, b"/a", 2), "logged after"),
        (data_set(6, b"/none", 2), "does not exist"),
        (created(6, b"/a", 2), "exists"),
        (created(6, b"/none/x", 2), "does not exist"),
        (deleted(6, b"/zookeeper"), "has children"),
    ],
)
def test_impossible_transactions_are_seen(entry: bytes, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        grown().append(entry)


def test_helpers() -> None:
    assert [parent_of(path) for path in (b"/a/b", b"/a")] == [b"/a", b"/"]
    assert [is_session(owner) for owner in (5, -(1 << 63), -(1 << 56) + 5)] == [True, False, False]
