from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tree.model import ACLS, blob, new_tree
from zoo.errors import Code, KeeperError
from zoo.tree import changes
from zoo.tree.acl import OPEN_ACL
from zoo.tree.outstanding import CREATE, DELETE, PARENT, SET, SET_ACL, Outstanding
from zoo.tree.record import MAX_INT32, data_of, stat_of, with_new_child


@pytest.fixture
def view() -> Outstanding:
    return Outstanding(new_tree())


def make(view: Outstanding, path: bytes, zxid: int, creates: int = -1) -> None:
    changes.create(view, path, blob(b"d"), OPEN_ACL, 0, creates, zxid, 100 + zxid)


def stat(view: Outstanding, path: bytes) -> dict[str, int]:
    record = view.get(path)
    assert record is not None
    return stat_of(record)._asdict()


@pytest.mark.parametrize(
    ("path", "parent"), [(b"/a", b"/"), (b"/a/b", b"/a"), (b"/a/b/c", b"/a/b"), (b"/", b"/")]
)
def test_parents(path: bytes, parent: bytes) -> None:
    assert changes.parent_of(path) == parent


def test_create_changes_node_and_parent(view: Outstanding) -> None:
    before = stat(view, b"/")
    edit = changes.create(view, b"/a", blob(b"xy"), OPEN_ACL, 7, 1, 5, 105)
    assert edit[:2] == (CREATE, b"/a")
    assert edit[3:] == (b"/", view.get(b"/"), OPEN_ACL, 7)
    assert tuple(stat(view, b"/a").values()) == (5, 5, 105, 105, 0, 0, 0, 7, 2, 0, 5)
    after = {"cversion": before["cversion"] + 1, "num_children": 2, "pzxid": 5}
    assert stat(view, b"/") == before | after
    assert view.acls == {}


def test_create_counts_by_itself_for_old_logs(view: Outstanding) -> None:
    for zxid, path in enumerate((b"/a", b"/a/1", b"/a/2", b"/a/3"), 1):
        make(view, path, zxid)
    assert stat_of(view.records[b"/a"] or b"").creates == 3


def test_a_parents_creates_stop_at_the_largest_number(view: Outstanding) -> None:
    make(view, b"/a", 1)
    old = view.get(b"/a")
    assert old is not None
    view.replace(b"/a", old, with_new_child(old, MAX_INT32, 1))
    make(view, b"/a/b", 2)
    assert stat(view, b"/a")["cversion"] == -4
    assert stat(view, b"/a")["pzxid"] == 1  # the count did not go up, so Java keeps this as well


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda view: make(view, b"/none/x", 9), Code.NONODE),
        (lambda view: make(view, b"/a", 9), Code.NODEEXISTS),
        (lambda view: changes.delete(view, b"/none", 9), Code.NONODE),
        (lambda view: changes.delete(view, b"/none/x", 9), Code.NONODE),
        (lambda view: changes.set_data(view, b"/none", blob(b""), 1, 9, 9), Code.NONODE),
        (lambda view: changes.set_acl(view, b"/none", OPEN_ACL, 1), Code.NONODE),
        (lambda view: changes.adopt_acl(view, b"/none", OPEN_ACL), Code.NONODE),
    ],
)
def test_refusals_leave_no_trace(
    view: Outstanding, build: Callable[[Outstanding], object], code: Code
) -> None:
    make(view, b"/a", 1)
    before = (dict(view.records), dict(view.acls), view.digest)
    with pytest.raises(KeeperError) as refusal:
        build(view)
    assert refusal.value.code == code
    assert (view.records, view.acls, view.digest) == before


def test_delete_changes_the_parent(view: Outstanding) -> None:
    make(view, b"/a", 1)
    make(view, b"/a/b", 2)
    edit = changes.delete(view, b"/a/b", 3)
    assert edit == (DELETE, b"/a/b", None, b"/a", view.get(b"/a"))
    assert view.get(b"/a/b") is None
    after = {"cversion": 2, "num_children": 0, "pzxid": 3, "mzxid": 1, "version": 0}
    assert stat(view, b"/a") | after == stat(view, b"/a")


@pytest.mark.parametrize("path", [b"/", b"/a", b"/zookeeper", b"/zookeeper/quota"])
@pytest.mark.parametrize("digest", [True, False])
def test_set_data(view: Outstanding, path: bytes, digest: bool) -> None:
    """Short ways and long ways make the same record."""
    view.digest_enabled = digest
    make(view, b"/a", 1)
    before = stat(view, path)
    edit = changes.set_data(view, path, blob(b"data"), 4, 8, 108)
    assert edit == (SET, path, view.get(path))
    changed = {"version": 4, "mzxid": 8, "mtime": 108, "data_length": 4}
    assert stat(view, path) == before | changed
    assert data_of(view.records[path] or b"") == b"data"


def test_set_acl(view: Outstanding) -> None:
    make(view, b"/a", 1)
    before = stat(view, b"/a")
    edit = changes.set_acl(view, b"/a", ACLS[3], 1)
    assert edit == (SET_ACL, b"/a", view.get(b"/a"), ACLS[3])
    assert stat(view, b"/a") == before | {"aversion": 1}
    assert view.acl(b"/a") == ACLS[3]


def test_adopt_acl_leaves_the_stat(view: Outstanding) -> None:
    make(view, b"/a", 1)
    record, digest = view.get(b"/a"), view.digest
    edit = changes.adopt_acl(view, b"/a", ACLS[3])
    assert edit == (SET_ACL, b"/a", record, ACLS[3])
    assert view.acl(b"/a") == ACLS[3]
    assert view.digest == digest


@pytest.mark.parametrize(
    ("creates", "zxid", "expected"),
    [
        (1, 9, None),  # the snapshot knows of as many
        (2, 9, (2, 9)),
        (2, 1, (2, 1)),  # whatever the zxid: the count decides, as in Java's setCversionPzxid
        (-1, 9, (1, 9)),  # a delete
        (-1, 2, None),
    ],
)
def test_what_a_parent_is_owed(
    view: Outstanding, creates: int, zxid: int, expected: tuple[int, int] | None
) -> None:
    make(view, b"/a", 1)
    make(view, b"/a/b", 2)
    edits = changes.touch_parent(view, b"/a/x", creates, zxid)
    if expected is None:
        assert edits == ()
        return
    (edit,) = edits
    assert edit == (PARENT, b"/a", view.get(b"/a"))
    after = stat_of(view.records[b"/a"] or b"")
    assert (after.creates, after.pzxid) == expected
    assert after.num_children == 1


def test_nobody_is_owed_anything_without_a_parent(view: Outstanding) -> None:
    assert changes.touch_parent(view, b"/none/x", 3, 3) == ()
