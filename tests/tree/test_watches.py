from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import Code, KeeperError
from zoo.jute.constants import WatcherType
from zoo.tree.watches import (
    NODE_CHILDREN_CHANGED,
    NODE_CREATED,
    NODE_DATA_CHANGED,
    NODE_DELETED,
    PERSISTENT,
    PERSISTENT_RECURSIVE,
    STANDARD,
    Watches,
    WatchManager,
)

MODES = [STANDARD, PERSISTENT, PERSISTENT_RECURSIVE]
PATHS = [b"/", b"/a", b"/a/b", b"/a/b/c", b"/ab", b"/d"]


class Naive:
    """The rules of one table, said as plainly as possible: a set of (path, watcher, mode)."""

    def __init__(self) -> None:
        self.held: set[tuple[bytes, str, int]] = set()

    def add(self, path: bytes, watcher: str, mode: int) -> bool:
        new = (path, watcher, mode) not in self.held
        self.held.add((path, watcher, mode))
        return new

    def contains(self, path: bytes, watcher: str, mode: int | None) -> bool:
        return any(h[:2] == (path, watcher) and (mode is None or h[2] == mode) for h in self.held)

    def remove(self, path: bytes, watcher: str, mode: int | None) -> bool:
        found = self.contains(path, watcher, mode)
        self.held = {h for h in self.held if h[:2] != (path, watcher) or mode not in (None, h[2])}
        return found

    def remove_watcher(self, watcher: str) -> None:
        self.held = {h for h in self.held if h[1] != watcher}

    def trigger(self, path: bytes, suppress: set[str]) -> set[str]:
        told = set()
        for where, watcher, mode in set(self.held):
            below = path.startswith(where.rstrip(b"/") + b"/")
            if where == path or (below and mode == PERSISTENT_RECURSIVE):
                told.add(watcher)
        self.held = {h for h in self.held if h[0] != path or h[2] != STANDARD}
        return told - suppress


paths = st.sampled_from(PATHS)
watchers = st.sampled_from(["w1", "w2", "w3"])
steps = st.one_of(
    st.tuples(st.just("add"), paths, watchers, st.sampled_from(MODES)),
    st.tuples(st.just("remove"), paths, watchers, st.sampled_from([None, *MODES])),
    st.tuples(st.just("contains"), paths, watchers, st.sampled_from([None, *MODES])),
    st.tuples(st.just("remove_watcher"), watchers),
    st.tuples(st.just("trigger"), paths, st.sets(watchers)),
)


@given(st.lists(steps, max_size=40))
@settings(max_examples=300)
def test_a_table_behaves_like_the_naive_model(script: list[tuple[Any, ...]]) -> None:
    table: WatchManager[str] = WatchManager()
    naive = Naive()
    for name, *args in script:
        if name == "trigger":
            path, suppress = args
            told = table.trigger(path, dict.fromkeys(sorted(suppress)))
            assert set(told) == naive.trigger(path, suppress)
        else:
            assert getattr(table, name)(*args) == getattr(naive, name)(*args)
        pairs = {h[:2] for h in naive.held}
        assert len(table) == len(pairs)
        assert {(p, w) for p, ws in table.by_path() for w in ws} == pairs
        assert {(p, w) for w, ps in table.by_watcher() for p in ps} == pairs
        assert set(table.paths) == {p for p, _ in pairs}
        recursive = {h[0] for h in naive.held if h[2] == PERSISTENT_RECURSIVE}
        assert set(table.recursive) == recursive
        assert table.summary() == (len({w for _, w in pairs}), len(table.paths), len(pairs))


def test_a_standard_watch_fires_once_and_a_persistent_one_stays() -> None:
    table: WatchManager[str] = WatchManager()
    table.add(b"/a", "once")
    table.add(b"/a", "both", STANDARD)
    table.add(b"/a", "both", PERSISTENT)
    assert list(table.trigger(b"/a")) == ["once", "both"]
    assert list(table.trigger(b"/a")) == ["both"]
    assert not table.contains(b"/a", "both", STANDARD)
    assert table.contains(b"/a", "both", PERSISTENT)


def test_the_answer_of_trigger_is_the_callers_to_keep() -> None:
    table: WatchManager[str] = WatchManager()
    for watcher in ("w1", "w2"):
        table.add(b"/a", watcher, PERSISTENT)
    table.add(b"/", "root", PERSISTENT_RECURSIVE)
    assert list(table.trigger(b"/a")) == ["w1", "w2", "root"]
    assert list(table.trigger(b"/a")) == ["w1", "w2", "root"]
    assert not table.contains(b"/a", "root")


def test_ten_thousand_watchers_of_one_path_each_hear_once() -> None:
    watches: Watches[int] = Watches()
    for watcher in range(10_000):
        watches.data.add(b"/a", watcher)
    assert watches.data_changed(b"/a") == [
        (watcher, NODE_DATA_CHANGED, b"/a") for watcher in range(10_000)
    ]
    assert watches.data_changed(b"/a") == []
    assert len(watches) == 0


def test_events_of_a_creation() -> None:
    watches: Watches[str] = Watches()
    watches.children.add(b"/a", "parent")
    watches.data.add(b"/a/b", "node")
    watches.add_watch(b"/", "all", 1)
    assert watches.node_created(b"/a/b", b"/a") == [
        ("node", NODE_CREATED, b"/a/b"),
        ("all", NODE_CREATED, b"/a/b"),
        ("parent", NODE_CHILDREN_CHANGED, b"/a"),
    ]
    assert watches.node_created(b"/a/b", b"/a") == [("all", NODE_CREATED, b"/a/b")]


def test_events_of_a_deletion_reach_each_watcher_once_per_path() -> None:
    watches: Watches[str] = Watches()
    watches.data.add(b"/a/b", "w")
    watches.children.add(b"/a/b", "w")
    watches.children.add(b"/a/b", "lister")
    watches.children.add(b"/a", "w")
    assert watches.node_deleted(b"/a/b", b"/a") == [
        ("w", NODE_DELETED, b"/a/b"),
        ("lister", NODE_DELETED, b"/a/b"),
        ("w", NODE_CHILDREN_CHANGED, b"/a"),
    ]
    assert len(watches) == 0  # the suppressed one was used up as well


def test_a_deletion_told_by_a_recursive_watch_is_not_told_again_by_a_child_watch() -> None:
    watches: Watches[str] = Watches()
    watches.add_watch(b"/a", "w", 1)
    watches.children.add(b"/a/b", "w")
    assert watches.node_deleted(b"/a/b", b"/a") == [("w", NODE_DELETED, b"/a/b")]


def test_a_recursive_watch_never_hears_of_a_child_list() -> None:  # ZOOKEEPER-4475
    watches: Watches[str] = Watches()
    watches.add_watch(b"/a", "recursive", 1)
    watches.add_watch(b"/a", "persistent", 0)
    assert watches.node_created(b"/a/b", b"/a") == [
        ("recursive", NODE_CREATED, b"/a/b"),
        ("persistent", NODE_CHILDREN_CHANGED, b"/a"),
    ]
    assert watches.data_changed(b"/a/b") == [("recursive", NODE_DATA_CHANGED, b"/a/b")]
    assert watches.data_changed(b"/ab") == []


def test_an_unknown_watch_mode_is_refused() -> None:
    watches: Watches[str] = Watches()
    with pytest.raises(KeeperError) as refusal:
        watches.add_watch(b"/a", "w", 2)
    assert refusal.value.code is Code.MARSHALLINGERROR
    assert len(watches) == 0


# What is set, what is asked or removed -> is it there, and how many of the watches remain.
TYPES = [
    ("data", WatcherType.DATA, True, 0),
    ("data", WatcherType.CHILDREN, False, 1),
    ("data", WatcherType.PERSISTENT, False, 1),
    ("data", WatcherType.PERSISTENT_RECURSIVE, False, 1),
    ("data", WatcherType.ANY, True, 0),
    ("child", WatcherType.CHILDREN, True, 0),
    ("child", WatcherType.DATA, False, 1),
    ("child", WatcherType.ANY, True, 0),
    ("persistent", WatcherType.PERSISTENT, True, 0),
    ("persistent", WatcherType.DATA, False, 2),
    ("persistent", WatcherType.CHILDREN, False, 2),
    ("persistent", WatcherType.ANY, True, 0),
    ("recursive", WatcherType.PERSISTENT_RECURSIVE, True, 0),
    ("recursive", WatcherType.PERSISTENT, False, 1),
    ("recursive", WatcherType.ANY, True, 0),
]


@pytest.mark.parametrize(("kind", "watcher_type", "found", "left"), TYPES)
def test_check_and_remove_by_watcher_type(
    kind: str, watcher_type: int, found: bool, left: int
) -> None:
    watches: Watches[str] = Watches()
    if kind == "data":
        watches.data.add(b"/a", "w")
    elif kind == "child":
        watches.children.add(b"/a", "w")
    else:
        watches.add_watch(b"/a", "w", 0 if kind == "persistent" else 1)
    assert watches.contains(b"/a", "w", watcher_type) is found
    assert watches.contains(b"/a", "other", watcher_type) is False
    assert watches.remove(b"/a", "w", watcher_type) is found
    assert len(watches) == left
    assert watches.remove(b"/a", "w", watcher_type) is False


@pytest.mark.parametrize("operation", ["contains", "remove"])
@pytest.mark.parametrize("watcher_type", [0, 6, -1])
def test_an_unknown_watcher_type_is_refused(operation: str, watcher_type: int) -> None:
    watches: Watches[str] = Watches()
    with pytest.raises(KeeperError) as refusal:
        getattr(watches, operation)(b"/a", "w", watcher_type)
    assert refusal.value.code is Code.MARSHALLINGERROR


def test_remove_watcher_empties_both_tables_of_it() -> None:
    watches: Watches[str] = Watches()
    for path in PATHS:
        watches.data.add(path, "w")
        watches.add_watch(path, "w", 1)
        watches.children.add(path, "w")
    watches.data.add(b"/a", "other")
    watches.remove_watcher("w")
    assert watches.data.by_path() == [(b"/a", ["other"])]
    assert (len(watches), watches.data.recursive) == (1, {})


def test_set_watches_tells_what_was_missed_and_arms_the_rest() -> None:
    tree = {b"/old": (5, 5), b"/written": (9, 5), b"/parent": (5, 9)}
    watches: Watches[str] = Watches()
    missed = watches.set_watches(
        "w",
        7,
        tree.get,
        data=[b"/gone", b"/written", b"/parent"],
        exist=[b"/old", b"/never"],
        child=[b"/parent", b"/gone", b"/written"],
        persistent=[b"/p"],
        recursive=[b"/r"],
    )
    assert missed == [
        (NODE_DELETED, b"/gone"),
        (NODE_DATA_CHANGED, b"/written"),
        (NODE_CREATED, b"/old"),
        (NODE_CHILDREN_CHANGED, b"/parent"),
        (NODE_DELETED, b"/gone"),
    ]
    assert watches.data.by_watcher() == [("w", [b"/parent", b"/never", b"/p", b"/r"])]
    assert watches.children.by_watcher() == [("w", [b"/written", b"/p"])]
    assert watches.contains(b"/p", "w", WatcherType.PERSISTENT)
    assert watches.contains(b"/r", "w", WatcherType.PERSISTENT_RECURSIVE)


def test_texts_of_the_four_letter_words() -> None:
    watches: Watches[int] = Watches()
    assert watches.wchs() == "0 connections watching 0 paths\nTotal watches:0"
    assert watches.wchp(int) == watches.wchc(int) == ""
    watches.data.add(b"/a", 0x10)
    watches.data.add(b"/a", -1)
    watches.data.add(b"/\xff", 0x10)
    watches.children.add(b"/c", 0x10)
    assert watches.wchs() == "2 connections watching 2 paths\nTotal watches:3"
    assert watches.wchp(int) == "/a\n\t0x10\n\t0xffffffffffffffff\n/\ufffd\n\t0x10\n"
    assert watches.wchc(int) == "0x10\n\t/a\n\t/\ufffd\n0xffffffffffffffff\n\t/a\n"
