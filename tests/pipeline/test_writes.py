"""What each write checks, in ZooKeeper's order: where several errors apply, the first one wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.rig import ADMIN_ONLY, OPEN, Requester, Rig
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.ephemeral import CONTAINER_OWNER, MAX_TTL, ttl_owner
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Id
from zoo.tree.record import MAX_INT32, creates_of, owner_of, stat_of, with_new_child

DIGEST = Id("digest", "joe:hash")
NOBODY = [ACL(31, "digest", "nobody:x")]


def create(path: bytes, flags: int = 0, acl: Any = OPEN, data: bytes | None = b"d") -> Any:
    return c.CreateRequest(path, data, list(acl), flags)


@pytest.fixture
def rig() -> Rig:
    """/a (1 child, version 2), /a/b, /guarded (no right but ADMIN) with /guarded/kid, /eph."""
    rig = Rig()
    for record in (
        create(b"/a"),
        create(b"/a/b"),
        create(b"/guarded"),
        create(b"/guarded/kid"),
        create(b"/eph", 1),
    ):
        assert rig.do(Op.create, record).err == 0
    for _ in range(2):
        assert rig.do(Op.setData, c.SetDataRequest(b"/a", b"x", -1)).err == 0
    assert rig.do(Op.setACL, c.SetACLRequest(b"/guarded", ADMIN_ONLY, -1)).err == 0
    return rig


BAD = Code.BADARGUMENTS
CASES: list[tuple[Op, Any, int]] = [
    # create: mode, session, path, ACL, parent, permission, name, existence, ephemeral parent
    (Op.create, create(b"bad", 99), BAD),
    (Op.create, create(b"/x", 5), BAD),
    (Op.create, create(b"no-slash", acl=[]), BAD),
    (Op.create, create(b"/nul\0", acl=[]), BAD),
    (Op.create, create(b"/none/x", acl=[]), Code.INVALIDACL),
    (Op.create, create(b"/x", acl=[ACL(31, "auth", "")]), Code.INVALIDACL),
    (Op.create, create(b"/x", acl=[ACL(31, "nope", "x")]), Code.INVALIDACL),
    (Op.create, create(b"/none/x"), Code.NONODE),
    (Op.create, create(b"/none//"), Code.NONODE),
    (Op.create, create(b"/guarded/kid"), Code.NOAUTH),
    (Op.create, create(b"/guarded/"), Code.NOAUTH),
    (Op.create, create(b"/a/"), BAD),
    (Op.create, create(b"/a/."), BAD),
    (Op.create, create(b"/"), Code.NODEEXISTS),
    (Op.create, create(b"/a"), Code.NODEEXISTS),
    (Op.create, create(b"/eph/x"), Code.NOCHILDRENFOREPHEMERALS),
    (Op.create2, create(b"/a"), Code.NODEEXISTS),
    (Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 0), BAD),
    (Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, MAX_TTL + 1), BAD),
    (Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 0, 5), BAD),
    # delete: path, parent, permission on the parent, existence, version, children
    (Op.delete, c.DeleteRequest(b"/", -1), BAD),
    (Op.delete, c.DeleteRequest(b"/zookeeper", -1), BAD),
    (Op.delete, c.DeleteRequest(b"none", -1), BAD),
    (Op.delete, c.DeleteRequest(b"/none/x", -1), Code.NONODE),
    (Op.delete, c.DeleteRequest(b"/guarded/none", 7), Code.NOAUTH),
    (Op.delete, c.DeleteRequest(b"/none", 7), Code.NONODE),
    (Op.delete, c.DeleteRequest(b"/a", 7), Code.BADVERSION),
    (Op.delete, c.DeleteRequest(b"/a", 2), Code.NOTEMPTY),
    # setData: path, existence, permission, version
    (Op.setData, c.SetDataRequest(b"none", b"", 7), BAD),
    (Op.setData, c.SetDataRequest(b"/none", b"", 7), Code.NONODE),
    (Op.setData, c.SetDataRequest(b"/guarded", b"", 7), Code.NOAUTH),
    (Op.setData, c.SetDataRequest(b"/a", b"", 1), Code.BADVERSION),
    # setACL: path, ACL, existence, permission, aversion
    (Op.setACL, c.SetACLRequest(b"none", [], 7), BAD),
    (Op.setACL, c.SetACLRequest(b"/none", [], 7), Code.INVALIDACL),
    (Op.setACL, c.SetACLRequest(b"/none", OPEN, 7), Code.NONODE),
    (Op.setACL, c.SetACLRequest(b"/guarded", OPEN, 7), Code.BADVERSION),
    (Op.setACL, c.SetACLRequest(b"/a", OPEN, 1), Code.BADVERSION),
    (Op.reconfig, c.ReconfigRequest("", "", "", -1), Code.RECONFIGDISABLED),
]


@pytest.mark.parametrize(("op", "record", "code"), CASES)
def test_the_first_check_that_fails_decides(rig: Rig, op: Op, record: Any, code: int) -> None:
    before = dict(rig.tree.nodes), rig.tree.digest
    answer = rig.do(op, record)
    assert answer.err == code
    assert answer.body == b""
    assert (dict(rig.tree.nodes), rig.tree.digest) == before
    assert answer.txn.header.type == Op.error
    assert answer.txn.record.err == code


@pytest.mark.parametrize(("op", "record", "code"), CASES)
def test_a_closed_or_moved_session_is_told_so_first(
    rig: Rig, op: Op, record: Any, code: int
) -> None:
    if op == Op.reconfig or (op in (Op.create, Op.createTTL) and record.flags in (5, 99)):
        pytest.skip("decided before the session is looked at")
    if op == Op.createTTL:
        pytest.skip("decided before the session is looked at")
    rig.me.session.closing = True
    assert rig.do(op, record).err == Code.SESSIONEXPIRED
    rig.me.session.closing = False
    rig.me.session.owner = Requester()
    assert rig.do(op, record).err == Code.SESSIONMOVED


def test_guarded_acl_changes_need_admin(rig: Rig) -> None:
    assert rig.do(Op.setACL, c.SetACLRequest(b"/guarded", NOBODY, -1)).err == 0
    assert rig.do(Op.setACL, c.SetACLRequest(b"/guarded", OPEN, -1)).err == Code.NOAUTH
    rig.me.identities.append(Id("super", ""))
    assert rig.do(Op.setACL, c.SetACLRequest(b"/guarded", OPEN, -1)).err == 0


def test_check_needs_read(rig: Rig) -> None:
    def check(path: bytes, version: int) -> int:
        results = rig.do(Op.multi, [(Op.check, c.CheckVersionRequest(path, version))]).results()
        return int(getattr(results[0][1], "err", 0))

    assert check(b"/a", 2) == check(b"/a", -1) == 0
    assert check(b"/a", 1) == Code.BADVERSION
    assert check(b"/none", 1) == Code.NONODE
    assert check(b"/guarded", 7) == Code.NOAUTH
    assert check(b"bad", 1) == BAD


@pytest.mark.parametrize(
    ("flags", "name"), [(2, b"/a/n-0000000001"), (3, b"/a/n-0000000001"), (0, b"/a/n-")]
)
def test_sequential_names_count_the_parents_creates(rig: Rig, flags: int, name: bytes) -> None:
    answer = rig.do(Op.create, create(b"/a/n-", flags))
    assert answer.record(Op.create).path == name
    assert answer.txn.record.path == name
    assert answer.txn.record.ephemeral is (flags == 3)
    assert answer.txn.record.parent_cversion == 2


def test_a_sequential_name_may_end_in_a_slash(rig: Rig) -> None:
    assert rig.do(Op.create, create(b"/a/", 2)).record(Op.create).path == b"/a/0000000001"


def test_owners(rig: Rig) -> None:
    nodes = rig.tree.nodes
    assert owner_of(nodes[b"/eph"]) == rig.me.session_id
    rig.do(Op.createContainer, create(b"/c", 4))
    assert owner_of(nodes[b"/c"]) == CONTAINER_OWNER
    rig.do(Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 77))
    assert owner_of(nodes[b"/t"]) == ttl_owner(77)
    answer = rig.do(Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 6, 77))
    shown = answer.record(Op.createTTL)
    assert shown.path == b"/t%010d" % 5
    assert shown.stat.ephemeral_owner == 0, "clients are not shown what marks a TTL"


def test_ttl_nodes_need_extended_types() -> None:
    answer = Rig(extended=False).do(Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 77))
    assert answer.err == Code.UNIMPLEMENTED


def test_a_parent_that_had_all_its_children() -> None:
    rig = Rig()
    rig.do(Op.create, create(b"/a"))
    rig.tree.nodes[b"/a"] = with_new_child(rig.tree.nodes[b"/a"], MAX_INT32, 1)
    assert rig.do(Op.create, create(b"/a/x")).err == Code.SYSTEMERROR


def test_a_version_runs_over_as_in_java(rig: Rig) -> None:
    record = rig.tree.nodes[b"/a"]
    at = len(record) - 68 + 32
    rig.tree.nodes[b"/a"] = record[:at] + MAX_INT32.to_bytes(4, "big") + record[at + 4 :]
    answer = rig.do(Op.setData, c.SetDataRequest(b"/a", b"", MAX_INT32))
    assert answer.record(Op.setData).stat.version == -(1 << 31)


def test_close_session_lists_its_ephemerals_outstanding_ones_too(rig: Rig) -> None:
    pending = rig.prepare(Op.create, create(b"/eph2", 1))
    gone = rig.prepare(Op.delete, c.DeleteRequest(b"/eph", -1))
    closing = rig.prep.close_session(rig.me, rig.me.session_id, 9)
    assert [rig.commit(p).err for p in (pending, gone)] == [0, 0]
    answer = rig.commit(closing)
    assert answer.txn.record.paths_to_delete == [b"/eph2"]
    assert answer.txn.header.cxid == 9
    assert not rig.tree.ephemerals
    rig.writes.close_session_txn = False
    assert rig.commit(rig.prep.close_session(rig.me, 5, 0)).txn.record is None


def test_delete_container(rig: Rig) -> None:
    rig.do(Op.createContainer, create(b"/c", 4))
    rig.do(Op.create, create(b"/c/x"))
    for path, code in (
        (b"/c", Code.NOTEMPTY),
        (b"/none", Code.NONODE),
        (b"/eph", Code.BADVERSION),
        (b"/", BAD),
    ):
        answer = rig.commit(rig.prep.delete_container(path))
        assert answer.txn.record.err == code
    rig.do(Op.delete, c.DeleteRequest(b"/c/x", -1))
    answer = rig.commit(rig.prep.delete_container(b"/c"))
    assert (answer.txn.header.type, answer.txn.record.path) == (Op.deleteContainer, b"/c")
    assert b"/c" not in rig.tree.nodes


# --- quotas


def limited(limits: bytes, enforce: bool = True) -> Rig:
    rig = Rig(enforce_quota=enforce)
    rig.do(Op.create, create(b"/q"))
    for path, data in (
        (b"/zookeeper/quota/q", b""),
        (b"/zookeeper/quota/q/zookeeper_limits", limits),
        (b"/zookeeper/quota/q/zookeeper_stats", b"count=0,bytes=0"),
    ):
        assert rig.do(Op.create, create(path, data=data)).err == 0
    return rig


def test_hard_quotas_refuse() -> None:
    rig = limited(b"count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3")
    assert rig.do(Op.create, create(b"/q/1")).err == 0
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", bytes(9), -1)).err == 0
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", bytes(11), -1)).err == Code.QUOTAEXCEEDED
    assert rig.do(Op.create, create(b"/q/2", data=b"")).err == 0
    assert rig.do(Op.create, create(b"/q/3", data=b"")).err == Code.QUOTAEXCEEDED
    assert "limit 3" in rig.warnings[-1]


def test_soft_quotas_warn_and_unenforced_ones_do_nothing() -> None:
    rig = limited(b"count=1,bytes=-1")
    assert rig.do(Op.create, create(b"/q/1")).err == 0
    assert "soft count limit 1" in rig.warnings[-1]
    assert limited(b"count=1", enforce=False).do(Op.create, create(b"/q/1")).err == 0


def test_a_limits_node_with_nonsense_in_it_refuses_but_does_not_stop_the_server() -> None:
    rig = limited(b"nonsense")
    assert rig.do(Op.setData, c.SetDataRequest(b"/q", b"x", -1)).err == Code.MARSHALLINGERROR
    assert rig.do(Op.create, create(b"/other")).err == 0


def test_creates_are_counted_across_deletes(rig: Rig) -> None:
    rig.do(Op.delete, c.DeleteRequest(b"/a/b", -1))
    stat = stat_of(rig.tree.nodes[b"/a"])
    assert creates_of(stat.cversion, stat.num_children) == 1
    assert rig.do(Op.create, create(b"/a/n", 2)).record(Op.create).path == b"/a/n0000000001"


# --- ACLs


@pytest.mark.parametrize("op", [Op.create, Op.setACL])
def test_auth_in_an_acl_becomes_whoever_asks(rig: Rig, op: Op) -> None:
    rig.me.identities += [DIGEST, Id("digest", "jane:hash")]
    wanted = [ACL(3, "auth", ""), ACL(1, "ip", "10.0.0.0/8"), ACL(1, "ip", "10.0.0.0/8")]
    becomes = [
        ACL(3, "digest", "joe:hash"),
        ACL(3, "digest", "jane:hash"),
        ACL(1, "ip", "10.0.0.0/8"),
    ]
    record = create(b"/x", acl=wanted) if op == Op.create else c.SetACLRequest(b"/a", wanted, -1)
    answer = rig.do(op, record)
    assert answer.err == 0
    assert answer.txn.record.acl == becomes
    assert list(rig.tree.acl_of(record.path)) == becomes


@pytest.mark.parametrize(
    ("acl", "code"),
    [
        ([], Code.INVALIDACL),
        ([ACL(31, "auth", "")], Code.INVALIDACL),
        ([ACL(31, "digest", "no-colon")], Code.INVALIDACL),
        ([ACL(31, "ip", "300.1.1.1")], Code.INVALIDACL),
        ([ACL(31, "world", "someone")], Code.INVALIDACL),
        ([ACL(31, "super", "")], Code.INVALIDACL),
    ],
)
def test_lists_that_no_znode_can_have(rig: Rig, acl: list[ACL], code: Code) -> None:
    assert rig.do(Op.create, create(b"/x", acl=acl)).err == code
    assert rig.do(Op.setACL, c.SetACLRequest(b"/a", acl, -1)).err == code


def test_the_permission_needed(rig: Rig) -> None:
    """Each write with all permissions but its own, then with its own alone."""
    writes: list[tuple[int, bytes, Op, Any]] = [
        (2, b"/a", Op.setData, c.SetDataRequest(b"/a", b"", -1)),
        (4, b"/a", Op.create, create(b"/a/new")),
        (8, b"/a", Op.delete, c.DeleteRequest(b"/a/b", -1)),
        (1, b"/a", Op.multi, [(Op.check, c.CheckVersionRequest(b"/a", -1))]),
        (16, b"/a", Op.setACL, c.SetACLRequest(b"/a", OPEN, -1)),
    ]
    root = Requester()
    root.identities.append(Id("super", ""))
    for perm, guarded, op, record in writes:
        for perms, code in ((31 & ~perm, Code.NOAUTH), (perm, 0)):
            acl = [ACL(perms, "world", "anyone")]
            assert rig.do(Op.setACL, c.SetACLRequest(guarded, acl, -1), root).err == 0
            answer = rig.do(op, record)
            failed = op == Op.multi and answer.results()[0][0] == Op.error
            assert (answer.results()[0][1].err if failed else answer.err) == code


# --- kinds of creates


def test_only_create_container_makes_containers(rig: Rig) -> None:
    """As logged: a CreateTxn has no place for more than `ephemeral`."""
    assert rig.do(Op.create, create(b"/c", 4)).txn.record.ephemeral is False
    assert owner_of(rig.tree.nodes[b"/c"]) == 0
    assert rig.do(Op.createContainer, create(b"/d", 1)).err == 0
    assert owner_of(rig.tree.nodes[b"/d"]) == CONTAINER_OWNER


def test_without_extended_types_there_are_containers_still() -> None:
    rig = Rig(extended=False)
    assert rig.do(Op.createContainer, create(b"/c", 4)).err == 0
    assert list(rig.tree.containers) == [b"/c"]
    closed = Requester()
    closed.session.closing = True
    ttl = c.CreateTTLRequest(b"no-slash", b"", [], 5, 0)
    assert rig.do(Op.createTTL, ttl, closed).err == Code.UNIMPLEMENTED, "before all else"
    assert Rig().do(Op.createTTL, ttl, closed).err == BAD


@pytest.mark.parametrize("parent", [b"/c", b"/t"])
def test_containers_and_ttl_nodes_have_children(rig: Rig, parent: bytes) -> None:
    rig.do(Op.createContainer, create(b"/c", 4))
    rig.do(Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 77))
    assert rig.do(Op.create, create(parent + b"/x")).err == 0


# --- quotas among the other checks


def test_a_quota_comes_before_the_version_and_after_existence_and_permission() -> None:
    rig = limited(b"count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=2")
    assert rig.do(Op.create, create(b"/q/1")).err == 0
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", bytes(11), 7)).err == Code.QUOTAEXCEEDED
    assert rig.do(Op.create, create(b"/q/1")).err == Code.NODEEXISTS
    assert rig.do(Op.create, create(b"/q/none/1")).err == Code.NONODE
    assert rig.do(Op.setACL, c.SetACLRequest(b"/q/1", ADMIN_ONLY, -1)).err == 0
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", bytes(11), 7)).err == Code.NOAUTH


def test_null_data_counts_as_none_and_deletes_are_never_refused() -> None:
    rig = limited(b"count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=2")
    assert rig.do(Op.create, create(b"/q/1", data=None)).err == 0
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", b"12", -1)).err == Code.QUOTAEXCEEDED
    assert rig.do(Op.setData, c.SetDataRequest(b"/q/1", None, -1)).err == 0
    assert rig.do(Op.delete, c.DeleteRequest(b"/q/1", -1)).err == 0
