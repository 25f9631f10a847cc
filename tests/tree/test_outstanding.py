from __future__ import annotations

import pytest

from tests.tree.model import ACLS, Leader, assert_consistent, assert_view_same, state
from tests.tree.strategies import PLAIN
from zoo.tree import changes, outstanding
from zoo.tree.acl import OPEN_ACL
from zoo.tree.outstanding import Outstanding
from zoo.tree.record import data_of, stat_of

READ_ONLY = ACLS[2]


def create(path: bytes, acl: int = 0, owner: int = 0) -> tuple[object, ...]:
    return ("create", path, b"d", acl, owner)


def check(leader: Leader) -> None:
    assert_view_same(leader.view, leader.newest, PLAIN)
    assert_consistent(leader.tree)


def test_a_prepared_change_shows_in_the_overlay_and_not_in_the_tree() -> None:
    leader = Leader()
    leader.write(create(b"/a"))
    leader.write(("set", b"/a", b"two"))
    record = leader.view.get(b"/a")
    assert record is not None
    assert (data_of(record), stat_of(record).version) == (b"two", 1)
    assert b"/a" not in leader.tree.nodes
    leader.commit()
    assert leader.tree.nodes[b"/a"] is record
    assert leader.view.records == {}


def test_a_commit_takes_out_only_its_own() -> None:
    leader = Leader()
    for data in (b"1", b"2", b"3"):
        leader.write(("set", b"/", data))
    leader.commit(1)
    assert data_of(leader.tree.nodes[b"/"]) == b"1"
    newest = leader.view.get(b"/")
    assert newest is not None
    assert data_of(newest) == b"3"
    leader.commit(1)
    assert leader.view.get(b"/") is newest
    leader.commit(1)
    assert leader.view.records == {}
    assert leader.tree.nodes[b"/"] is newest


HISTORIES = {
    "a delete that is older than another": [
        create(b"/a"), ("delete", b"/a"), create(b"/a"), ("delete", b"/a"), create(b"/a"),
        ("delete", b"/a"),
    ],
    "created again open": [create(b"/a", acl=2), ("delete", b"/a"), create(b"/a")],
    "created again open after setACL": [
        create(b"/a"), ("acl", b"/a", 2), ("delete", b"/a"), create(b"/a"), ("set", b"/a", b"x"),
    ],
    "an ACL that returns": [
        create(b"/a"), ("acl", b"/a", 0), ("acl", b"/a", 2), ("acl", b"/a", 0), ("acl", b"/a", 2),
    ],
    "an ACL under later sets": [create(b"/a"), ("acl", b"/a", 3), ("set", b"/a", b"x")],
    "an ACL on a parent": [create(b"/a"), ("acl", b"/a", 3), create(b"/a/x"), create(b"/a/y")],
    "another session's namesake": [
        create(b"/a", owner=1), ("delete", b"/a"), create(b"/a", owner=2), ("close", 1),
    ],
    "both sessions close": [
        create(b"/a", owner=1), create(b"/b", owner=2), ("close", 1), create(b"/a", owner=2),
        ("close", 2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("settled", range(4))
@pytest.mark.parametrize("name", HISTORIES)
def test_the_overlay_shows_the_newest_state_at_every_commit(name: str, settled: int) -> None:
    """With the first `settled` operations committed before the others are prepared."""
    leader = Leader()
    history = HISTORIES[name]
    for at, op in enumerate(history):
        leader.write(op)
        if at + 1 == settled:
            leader.commit()
        check(leader)
    while leader.queue:
        leader.commit(1)
        check(leader)
    assert (leader.view.records, leader.view.acls, leader.view.deleted) == ({}, {}, {})


def test_a_rollback_restores_everything() -> None:
    leader = Leader()
    leader.write(create(b"/a", acl=2, owner=1))
    leader.commit()
    leader.write(("delete", b"/a"))
    leader.write(create(b"/b", acl=3))
    leader.write(("acl", b"/b", 2))
    view = leader.view
    before = (dict(view.records), dict(view.acls), dict(view.deleted), view.digest)
    ops = [
        create(b"/a"), ("set", b"/a", b"new"), create(b"/a/x"), ("delete", b"/a/x"),
        ("delete", b"/a"), ("set", b"/b", b"new"), ("delete", b"/b"), create(b"/b", acl=2),
    ]  # fmt: skip
    leader.multi(ops, fail=True)
    assert (view.records, view.acls, view.deleted, view.digest) == before
    check(leader)
    leader.multi(ops)
    assert view.digest != before[3]
    check(leader)
    while leader.queue:
        leader.commit(1)
        check(leader)
    assert leader.tree.acl_of(b"/b") == READ_ONLY


def test_the_digest_survives_a_full_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outstanding, "_DIGEST_CACHE_LIMIT", 2)
    leader = Leader()
    for path in PLAIN:
        leader.write(create(path))
        leader.write(("set", b"/a", path))
        assert leader.view.digest == leader.newest.digest()
    leader.commit()
    assert_consistent(leader.tree)


def test_without_digests_nothing_is_digested() -> None:
    leader = Leader()
    leader.view.digest_enabled = False
    leader.write(create(b"/a"))
    leader.write(("delete", b"/a"))
    assert leader.view.digest == leader.tree.digest
    assert leader.view.digests == {}


def test_discard_forgets_all_that_has_not_committed() -> None:
    leader = Leader()
    leader.write(create(b"/a"))
    leader.commit()
    before = state(leader.tree)
    leader.write(("acl", b"/a", 2))
    leader.write(("delete", b"/a"))
    leader.view.begin()
    leader.view.discard()
    assert leader.view.digest == leader.tree.digest
    assert leader.view.acl(b"/a") == OPEN_ACL
    assert leader.view.get(b"/a") == leader.tree.nodes[b"/a"]
    assert leader.view.deleted == {}
    assert state(leader.tree) == before


def test_a_new_overlay_starts_where_the_tree_is() -> None:
    leader = Leader()
    leader.write(create(b"/a"))
    leader.commit()
    view = Outstanding(leader.tree)
    edit = changes.delete(view, b"/a", 9)
    leader.tree.commit(9, (edit,))
    view.committed((edit,))
    leader.tree.digest = view.digest
    assert_consistent(leader.tree)
