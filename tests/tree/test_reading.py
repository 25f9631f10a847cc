from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.tree.model import Leader, Operation
from zoo.tree.data_tree import QUOTA_NODE


def create(path: bytes, data: bytes = b"") -> Operation:
    return ("create", path, data, 0, 0)


def commit(leader: Leader, ops: Sequence[Operation]) -> None:
    for op in ops:
        assert leader.write(op), op
        leader.commit()


CHANGES: dict[str, list[Operation]] = {
    "a node is made": [create(b"/new"), create(b"/a/new"), ("set", b"/a/new", b"changed")],
    "a node is made and goes again": [create(b"/a/new"), ("delete", b"/a/new")],
    "the first child of a leaf": [create(b"/a/x/new"), ("set", b"/a/x/new", b"changed")],
    "a node goes": [("delete", b"/a/x")],
    "the last child goes": [("delete", b"/b/y/z")],
    "a node and its parent go": [("delete", b"/b/y/z"), ("delete", b"/b/y"), ("delete", b"/b")],
    "a node goes and comes back": [("delete", b"/a/x"), create(b"/a/x", b"another")],
    "and its child": [
        ("delete", b"/b/y/z"),
        ("delete", b"/b/y"),
        create(b"/b/y", b"another"),
        create(b"/b/y/z", b"another"),
        create(b"/b/y/new"),
    ],
    "it comes back and goes": [("delete", b"/a/x"), create(b"/a/x"), ("delete", b"/a/x")],
    "data": [("set", b"/", b"1"), ("set", b"/a/x", b"1"), ("set", b"/a/x", b"2")],
    "an ACL": [("acl", b"/b/y/z", 2), ("acl", b"/a", 3)],
}


@pytest.mark.parametrize("taken", range(11))
@pytest.mark.parametrize("ops", CHANGES.values(), ids=CHANGES)
def test_what_is_read_is_what_was_at_the_beginning(ops: list[Operation], taken: int) -> None:
    leader = Leader()
    commit(leader, [create(b"/" + path) for path in (b"a", b"a/x", b"b", b"b/y", b"b/y/z", b"c")])
    tree = leader.tree
    before = {path: (record, tree.acls.get(path, -1)) for path, record in tree.nodes.items()}
    assert len(before) == 10
    nodes = tree.begin_snapshot()
    read = [next(nodes) for _ in range(taken)]
    commit(leader, ops)
    read += nodes
    assert {path: (record, acl) for path, record, acl in read} == before
    paths = [path for path, *_ in read]
    assert len(paths) == len(before)
    for number, path in enumerate(paths[1:], 1):
        assert (path[: path.rfind(b"/")] or b"/") in paths[:number]
    assert not tree.is_being_read


def test_children_come_in_the_order_in_which_they_were_made() -> None:
    leader = Leader()
    commit(leader, [create(b"/" + name) for name in (b"z", b"a", b"m")])
    read = [path for path, *_ in leader.tree.begin_snapshot()]
    tops = [path for path in read if path.count(b"/") == 1][1:]
    assert tops == [b"/zookeeper", b"/z", b"/a", b"/m"]
    assert read.index(QUOTA_NODE) == read.index(b"/zookeeper") + 1
