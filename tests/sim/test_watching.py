"""The book of watches, by ZooKeeper's rules."""

from __future__ import annotations

import pytest

from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.constants import AddWatchMode, EventType
from zoo.jute.operations import Op
from zoo.sim.watching import WatchBook

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
CHANGED, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED


def book(op: Op, record: object, err: int = 0) -> WatchBook:
    made = WatchBook()
    made.register(op, record, err)
    return made


DATA = (Op.getData, c.GetDataRequest(b"/a", True))
KIDS = (Op.getChildren, c.GetChildrenRequest(b"/a", True))
PERSISTENT = (Op.addWatch, c.AddWatchRequest(b"/a", AddWatchMode.PERSISTENT))
RECURSIVE = (Op.addWatch, c.AddWatchRequest(b"/a", AddWatchMode.PERSISTENT_RECURSIVE))


@pytest.mark.parametrize(
    ("watch", "event", "path", "caught", "left"),
    [
        (DATA, CHANGED, b"/a", True, False),
        (DATA, DELETED, b"/a", True, False),
        (DATA, CHILDREN, b"/a", False, True),
        (DATA, CHANGED, b"/a/b", False, True),
        (KIDS, CHILDREN, b"/a", True, False),
        (KIDS, DELETED, b"/a", True, False),
        (KIDS, CHANGED, b"/a", False, True),
        (PERSISTENT, CHANGED, b"/a", True, True),
        (PERSISTENT, CHILDREN, b"/a", True, True),
        (PERSISTENT, CHANGED, b"/a/b", False, True),
        (RECURSIVE, CREATED, b"/a/b/c", True, True),
        (RECURSIVE, CHILDREN, b"/a", False, True),
        (RECURSIVE, CREATED, b"/ab", False, True),
    ],
)
def test_catches(
    watch: tuple[Op, object], event: int, path: bytes, caught: bool, left: bool
) -> None:
    made = book(*watch)
    assert made.catches(event, path) is caught
    assert made.is_empty() is not left


def test_only_answered_requests_register() -> None:
    assert book(*DATA, Code.NONODE).is_empty()
    assert book(Op.getData, c.GetDataRequest(b"/a", False)).is_empty()
    assert not book(Op.exists, c.ExistsRequest(b"/a", True), Code.NONODE).is_empty()
    assert book(Op.exists, c.ExistsRequest(b"/a", True), Code.NOAUTH).is_empty()


def test_remove_watches() -> None:
    made = book(*DATA)
    made.register(*PERSISTENT, 0)
    made.register(Op.removeWatches, c.RemoveWatchesRequest(b"/a", 3), 0)
    assert made.is_empty()


def test_as_request() -> None:
    made = book(*DATA)
    made.register(Op.exists, c.ExistsRequest(b"/e", True), Code.NONODE)
    for watch in (KIDS, PERSISTENT, RECURSIVE):
        made.register(*watch, 0)
    assert made.as_request(9) == c.SetWatches2(9, [b"/a"], [b"/e"], [b"/a"], [b"/a"], [b"/a"])
