from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import Code, KeeperError
from zoo.jute.constants import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE
from zoo.jute.records import ACL
from zoo.tree.acl import (
    OPEN,
    OPEN_ACL,
    Acl,
    AclTable,
    Identity,
    Peer,
    UnknownAclError,
    check,
    fixup,
)

READ, WRITE, CREATE, DELETE, ADMIN, ALL = 1, 2, 4, 8, 16, 31
BOB: Acl = (ACL(ALL, "digest", "bob:h"),)
EVE: Acl = (ACL(READ, "digest", "eve:h"),)


class Provider:
    """Ids are valid if not empty; an expression may end in a star."""

    def __init__(self, scheme: str, is_authenticated: bool) -> None:
        self.scheme = scheme
        self.is_authenticated = is_authenticated

    def authenticate(self, token: bytes | None, peer: Peer) -> list[Identity]:
        return [Identity(self.scheme, peer.ip)]

    def is_valid(self, id: str) -> bool:
        return bool(id)

    def matches(self, identity: str, expression: str) -> bool:
        if expression.endswith("*"):
            return identity.startswith(expression[:-1])
        return identity == expression

    def user_name(self, identity: str) -> str:
        return identity


PROVIDERS = {"ip": Provider("ip", False), "digest": Provider("digest", True)}
HERE = Identity("ip", "10.0.0.1")
AS_BOB = Identity("digest", "bob:h")
AS_SUPER = Identity("super", "")


# --- the table


def test_ids_go_up_from_one_and_open_is_not_stored() -> None:
    table = AclTable()
    assert table.intern(OPEN_ACL_UNSAFE) == table.intern(None) == OPEN == -1
    assert (table.intern(BOB), table.intern(EVE), table.intern((*BOB,))) == (1, 2, 1)
    assert table.items() == ((1, BOB), (2, EVE))
    assert table.get(OPEN) is OPEN_ACL
    assert table.get(2) == EVE


def test_order_makes_another_list() -> None:
    table = AclTable()
    assert table.intern(BOB + EVE) != table.intern(EVE + BOB)


def test_the_last_release_removes_a_list_and_its_id_is_not_given_again() -> None:
    table = AclTable()
    for _ in range(2):
        table.intern(BOB)
    table.release(1)
    assert table.get(1) == BOB
    table.release(1)
    table.release(OPEN)
    assert len(table) == 0
    with pytest.raises(UnknownAclError, match="ACL id 1 "):
        table.get(1)
    assert table.intern(BOB) == 2


def test_items_do_not_follow_later_changes() -> None:
    table = AclTable()
    table.intern(BOB)
    items = table.items()
    table.intern(EVE)
    assert items == ((1, BOB),)


acls = st.sampled_from([OPEN_ACL, BOB, EVE, BOB + EVE, EVE + BOB, READ_ACL_UNSAFE])


@given(st.lists(st.tuples(st.booleans(), acls), max_size=60))
def test_the_table_holds_what_is_in_use(script: list[tuple[bool, Acl]]) -> None:
    table = AclTable()
    uses: Counter[Acl] = Counter()
    ids: dict[Acl, int] = {}
    for take, acl in script:
        if take:
            acl_id = table.intern(acl)
            assert table.get(acl_id) == acl
            assert uses[acl] == 0 or acl_id == ids[acl]
            ids[acl] = acl_id
            uses[acl] += 1
        elif uses[acl]:
            table.release(ids[acl])
            uses[acl] -= 1
        expected = {(ids[a], a) for a, n in uses.items() if n and a != OPEN_ACL}
        assert set(table.items()) == expected
    other = AclTable()
    other.load(table.items())
    for acl, n in uses.items():
        for _ in range(n):
            assert other.acquire(ids[acl]) == ids[acl]
    other.purge_unused()
    assert other.items() == table.items()
    other.require_defined()


# --- snapshots


def test_what_no_znode_uses_is_purged_and_ids_continue() -> None:
    table = AclTable()
    table.intern(READ_ACL_UNSAFE)
    table.load([(4, BOB), (9, EVE)])
    assert table.acquire(4) == 4
    table.purge_unused()
    assert table.items() == ((4, BOB),)
    assert table.intern(EVE) == 10
    table.release(4)
    assert table.items() == ((10, EVE),)


def test_the_open_list_under_a_positive_id_is_open() -> None:
    table = AclTable()
    table.load([(1, OPEN_ACL_UNSAFE), (2, BOB)])
    assert (table.acquire(1), table.acquire(-1), table.acquire(2)) == (OPEN, OPEN, 2)
    assert table.items() == ((2, BOB),)


def test_a_list_that_a_snapshot_has_twice_is_kept_once() -> None:
    table = AclTable()
    table.load([(1, BOB), (2, BOB)])
    assert table.acquire(2) == table.acquire(1) == 1
    table.release(1)
    table.purge_unused()
    assert table.items() == ((1, BOB),)


def test_an_unknown_id_is_never_given_to_another_list() -> None:  # ZOOKEEPER-3306, -4846
    table = AclTable()
    table.load([(1, BOB)])
    assert (table.acquire(1), table.acquire(2), table.acquire(2)) == (1, 2, 2)
    table.purge_unused()
    assert table.intern(EVE) == 3
    assert table.undefined() == {2: 2}
    with pytest.raises(UnknownAclError, match="ACL id 2 "):
        table.get(2)
    with pytest.raises(UnknownAclError, match=r"defines: 2 \(2 znodes\)"):
        table.require_defined()


def test_an_unknown_id_is_forgotten_once_the_log_has_given_its_znodes_a_list() -> None:
    table = AclTable()
    table.load([])
    table.acquire(7)
    table.release(7)
    table.require_defined()
    assert table.undefined() == {}


# --- the check

CHECKS: list[tuple[Acl | None, int, list[Identity], bool]] = [
    (None, ALL, [], True),
    ((), ALL, [], True),
    (OPEN_ACL, ALL, [], True),
    (READ_ACL_UNSAFE, READ, [HERE], True),
    (READ_ACL_UNSAFE, WRITE, [HERE], False),
    (READ_ACL_UNSAFE, READ | ADMIN, [HERE], True),
    (READ_ACL_UNSAFE, WRITE, [HERE, AS_SUPER], True),
    (BOB, READ, [HERE], False),
    (BOB, READ, [HERE, AS_BOB], True),
    (EVE, READ, [HERE, AS_BOB], False),
    (EVE + BOB, DELETE, [AS_BOB], True),
    ((ACL(ALL, "ip", "10.*"),), CREATE, [HERE], True),
    ((ACL(ALL, "ip", "10.*"),), CREATE, [Identity("digest", "10.0")], False),
    ((ACL(ALL, "digest", "bob:h"),), CREATE, [Identity("ip", "bob:h")], False),
    ((ACL(ALL, "world", "somebody"),), READ, [Identity("world", "somebody")], False),
    ((ACL(ALL, "gone", "bob"),), READ, [Identity("gone", "bob")], False),
    ((ACL(0, "world", "anyone"),), READ, [HERE], False),
    ((ACL(READ, "world", "anyone"), ACL(WRITE, "ip", "10.0.0.1")), WRITE, [HERE], True),
]


@pytest.mark.parametrize(("acl", "perm", "identities", "allowed"), CHECKS)
def test_check(acl: Acl | None, perm: int, identities: list[Identity], allowed: bool) -> None:
    assert check(acl, perm, identities, PROVIDERS) is allowed


# --- the completion of lists from clients

WORLD = OPEN_ACL[0]
FIXED: list[tuple[Acl, list[Identity], Acl]] = [
    (OPEN_ACL, [], OPEN_ACL),
    ((WORLD, WORLD), [], OPEN_ACL),
    (EVE + BOB + EVE, [], EVE + BOB),
    (CREATOR_ALL_ACL, [HERE, AS_BOB], BOB),
    ((ACL(READ, "auth", "ignored"),), [AS_SUPER, AS_BOB], (ACL(READ, "digest", "bob:h"),)),
    (
        CREATOR_ALL_ACL,
        [AS_BOB, Identity("digest", "eve:h")],
        (*BOB, ACL(ALL, "digest", "eve:h")),
    ),
    (BOB + CREATOR_ALL_ACL, [AS_BOB], BOB + BOB),
    ((ACL(READ, "ip", "10.*"), WORLD), [HERE], (ACL(READ, "ip", "10.*"), WORLD)),
]


@pytest.mark.parametrize(("sent", "identities", "stored"), FIXED)
def test_fixup(sent: Acl, identities: list[Identity], stored: Acl) -> None:
    assert fixup(sent, identities, PROVIDERS) == stored
    assert fixup(list(sent), identities, PROVIDERS) == stored


INVALID: list[tuple[Acl, list[Identity], str]] = [
    ((), [AS_BOB], "empty"),
    (CREATOR_ALL_ACL, [HERE], "not authenticated"),
    (CREATOR_ALL_ACL, [HERE, AS_SUPER], "not authenticated"),
    ((WORLD, *CREATOR_ALL_ACL), [], "not authenticated"),
    ((ACL(ALL, "world", "somebody"),), [AS_BOB], "'world'"),
    ((ACL(ALL, "super", ""),), [AS_SUPER], "'super'"),
    ((ACL(ALL, "", ""),), [AS_BOB], "scheme ''"),
    ((WORLD, ACL(ALL, "digest", "")), [AS_BOB], "not an id of scheme digest"),
]


@pytest.mark.parametrize(("sent", "identities", "reason"), INVALID)
def test_lists_that_are_refused(sent: Acl, identities: list[Identity], reason: str) -> None:
    with pytest.raises(KeeperError, match=reason) as refusal:
        fixup(sent, identities, PROVIDERS)
    assert refusal.value.code is Code.INVALIDACL
