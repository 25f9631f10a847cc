from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.tree.model import (
    ACLS,
    CONTAINER,
    TTL,
    TTL_OWNER,
    assert_consistent,
    blob,
    encoded,
    new_tree,
    restored,
    state,
)
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.jute.txn_records import (
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    CreateTxnV0,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    Txn,
    TxnDigest,
    TxnHeader,
)
from zoo.jute.txns import encode_txn
from zoo.tree.acl import OPEN_ACL, UnknownAclError
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.record import StatView, data_of, new_record, pack_stat, stat_of
from zoo.tree.replay import Replayed, replay

SESSION = 77
OPEN, READ_ONLY, PRIVATE = ACLS[0], ACLS[2], ACLS[3]


def created(
    path: bytes, creates: int, acl: Sequence[ACL] = OPEN, ephemeral: bool = False
) -> CreateTxn:
    return CreateTxn(path, b"d", list(acl), ephemeral, creates)


class Replica:
    """A tree that knows nothing but the entries it is given."""

    def __init__(self, tree: DataTree | None = None) -> None:
        self.tree = tree or new_tree()
        self.view = Outstanding(self.tree)

    def __call__(
        self,
        zxid: int,
        kind: int,
        txn: Any,
        session: int = SESSION,
        digest: TxnDigest | None = None,
    ) -> Replayed:
        header = TxnHeader(session, 0, zxid, 1000 + zxid, kind)
        done = replay(self.view, encode_txn(header, txn, digest))
        assert done.zxid == zxid
        assert (self.view.records, self.view.acls, self.view.deleted) == ({}, {}, {})
        assert_consistent(self.tree)
        return done

    def stat(self, path: bytes) -> StatView:
        return stat_of(self.tree.nodes[path])


def test_every_type_of_transaction() -> None:
    run = Replica()
    assert run(1, Op.createSession, CreateSessionTxn(9000)).opens == (SESSION, 9000)
    run(2, Op.create, created(b"/a", 1))
    run(3, Op.create2, created(b"/e", 2, READ_ONLY, ephemeral=True))
    run(4, Op.createContainer, CreateContainerTxn(b"/c", None, list(PRIVATE), 3))
    run(5, Op.createTTL, CreateTTLTxn(b"/t", b"", list(OPEN), 4, TTL))
    run(6, Op.setData, SetDataTxn(b"/a", None, 1))
    run(7, Op.reconfig, SetDataTxn(b"/zookeeper/config", b"servers", 5))
    run(8, Op.setACL, SetACLTxn(b"/a", list(PRIVATE), 1))
    run(9, Op.error, ErrorTxn(-101))
    run(10, Op.check, CheckVersionTxn(b"/a", 1))
    tree = run.tree
    assert tuple(run.stat(b"/a")) == (2, 6, 1002, 1006, 1, 0, 1, 0, 0, 0, 2)
    assert data_of(tree.nodes[b"/a"]) is None
    assert data_of(tree.nodes[b"/zookeeper/config"]) == b"servers"
    owners = [run.stat(path).ephemeral_owner for path in (b"/a", b"/e", b"/c", b"/t")]
    assert owners == [0, SESSION, CONTAINER, TTL_OWNER]
    acls = [tree.acl_of(path) for path in (b"/a", b"/e", b"/c", b"/t")]
    assert acls == [PRIVATE, READ_ONLY, PRIVATE, OPEN_ACL]
    assert (run.stat(b"/").creates, run.stat(b"/").pzxid) == (4, 5)
    assert run(11, Op.closeSession, CloseSessionTxn([b"/e"])).closes == SESSION
    run(12, Op.delete, DeleteTxn(b"/t"))
    run(13, Op.deleteContainer, DeleteTxn(b"/c"))
    assert list(tree.children[b"/"]) == [b"/zookeeper", b"/a"]
    assert tree.last_zxid == 13


def test_a_multi_is_one_transaction_and_a_failed_one_none() -> None:
    run = Replica()
    parts = [
        (Op.create, created(b"/a", 1, ephemeral=False)),
        (Op.setData, SetDataTxn(b"/a", b"two", 1)),
        (Op.check, CheckVersionTxn(b"/a", 2)),
        (Op.create2, created(b"/a/e", 1, ephemeral=True)),
        (Op.create, created(b"/b", 2)),
        (Op.delete, DeleteTxn(b"/b")),
    ]
    txns = [Txn(kind, encode(txn)) for kind, txn in parts]
    run(1, Op.multi, MultiTxn([*txns, Txn(Op.error, encode(ErrorTxn(-101)))]))
    assert b"/a" not in run.tree.nodes
    run(2, Op.multi, MultiTxn(txns))
    assert run.stat(b"/a").mzxid == run.stat(b"/a").czxid == run.stat(b"/a").pzxid == 2
    assert list(run.tree.ephemerals[SESSION]) == [b"/a/e"]
    assert b"/b" not in run.tree.nodes


def test_old_forms() -> None:
    run = Replica()
    old = encode_txn(TxnHeader(SESSION, 0, 1, 1, Op.create), CreateTxnV0(b"/a", b"", [], True))
    replay(run.view, old)  # no count of the parent's creates
    run(2, Op.create, created(b"/b", -1, PRIVATE))
    assert run.stat(b"/").creates == 2
    assert run.tree.acl_of(b"/a") == OPEN_ACL
    run(3, Op.setACL, SetACLTxn(b"/b", [], 1))
    assert run.tree.acl_of(b"/b") == OPEN_ACL
    run(4, Op.closeSession, None)  # no list of the ephemerals
    assert b"/a" not in run.tree.nodes


def test_what_is_no_transaction_is_refused() -> None:
    run = Replica()
    with pytest.raises(JuteError):
        replay(run.view, b"short")
    with pytest.raises(JuteError):
        replay(run.view, encode_txn(TxnHeader(1, 1, 1, 1, Op.getData), DeleteTxn(b"/a")))


def test_a_ttl_that_stops_javas_server_is_passed_over() -> None:
    """Java logs it before it looks at it, and then neither runs on nor starts again."""
    run = Replica()
    before = dict(run.tree.nodes)
    run(1, Op.createTTL, CreateTTLTxn(b"/t", b"", list(OPEN), 1, -5))
    assert run.tree.nodes == before


def test_digests_are_compared_where_they_can_be() -> None:
    run = Replica()
    right = 1371985504  # of the empty tree
    for zxid, (digest, expected) in enumerate(
        [
            (TxnDigest(2, right), True),
            (TxnDigest(2, right + 1), False),
            (TxnDigest(1, right + 1), None),
            (None, None),
        ],
        1,
    ):
        assert run(zxid, Op.error, ErrorTxn(-1), digest=digest).digest_ok is expected
    silent = Replica(DataTree(lambda *event: None, digest=False))
    header = TxnHeader(SESSION, 0, 1, 1, Op.create)
    entry = encode_txn(header, created(b"/a", 1), TxnDigest(2, 5))
    assert replay(silent.view, entry).digest_ok is None
    assert silent.tree.digest == 0


# --- over a fuzzy snapshot: nodes may be newer than its zxid


def bare(zxid: int, owner: int = 0, creates: int = 0) -> bytes:
    record = new_record(blob(b"d"), zxid, 1000 + zxid, owner)
    stat = stat_of(record)._replace(cversion=2 * creates)
    return record[:-68] + pack_stat(*stat)


def fuzzy(*nodes: tuple[bytes, bytes, int]) -> Replica:
    """What holds these nodes besides a root, at zxid 0; ACL 1 is READ_ONLY, others are missing."""
    every = [(b"/", bare(0), -1), *nodes]
    return Replica(restored(encoded([(1, READ_ONLY)], every, 0)))


def test_a_create_supplies_the_acl_that_the_snapshot_lacks() -> None:
    for kind, txn in (
        (Op.create, created(b"/a", 1, PRIVATE)),
        (Op.create2, created(b"/a", 1, PRIVATE)),
        (Op.createContainer, CreateContainerTxn(b"/a", b"d", list(PRIVATE), 1)),
        (Op.createTTL, CreateTTLTxn(b"/a", b"d", list(PRIVATE), 1, TTL)),
    ):
        run = fuzzy((b"/a", bare(1), 7))
        with pytest.raises(UnknownAclError):
            run.tree.acl_table.require_defined()
        header = TxnHeader(SESSION, 0, 1, 1, kind)
        replay(run.view, encode_txn(header, txn))
        run.tree.acl_table.require_defined()
        assert run.tree.acl_of(b"/a") == PRIVATE
        assert (run.stat(b"/").creates, run.stat(b"/").pzxid) == (1, 1)
        assert run.stat(b"/a").czxid == 1
        assert_consistent(run.tree)


def test_a_set_acl_supplies_it_too_and_a_delete_does_not_miss_it() -> None:
    run = fuzzy((b"/a", bare(1), 7), (b"/b", bare(1), 8))
    entries = [
        (Op.setACL, SetACLTxn(b"/a", list(PRIVATE), 1)),
        (Op.delete, DeleteTxn(b"/b")),
    ]
    for zxid, (kind, txn) in enumerate(entries, 1):
        replay(run.view, encode_txn(TxnHeader(SESSION, 0, zxid, 1, kind), txn))
    run.tree.acl_table.require_defined()
    assert_consistent(run.tree)


def test_what_is_gone_already_is_owed_to_the_parent_only() -> None:
    run = fuzzy((b"/p", bare(0, creates=3), -1))
    run(1, Op.delete, DeleteTxn(b"/p/x"))
    assert (run.stat(b"/p").pzxid, run.stat(b"/p").creates) == (1, 3)
    run(2, Op.closeSession, CloseSessionTxn([b"/p/y", b"/none/z"]))
    assert run.stat(b"/p").pzxid == 2
    before = state(run.tree)
    run(3, Op.setData, SetDataTxn(b"/p/x", b"", 1))
    run(4, Op.setACL, SetACLTxn(b"/p/x", list(PRIVATE), 1))
    run(5, Op.create, created(b"/none/x", 1))
    run(6, Op.delete, DeleteTxn(b"/none/x"))
    assert state(run.tree) == before | {"zxid": 6}


def test_a_namesake_of_another_session_goes_when_the_list_says_so() -> None:
    run = fuzzy((b"/e", bare(3, owner=99), -1))
    run(1, Op.create, created(b"/e", 1, ephemeral=True))
    run(2, Op.closeSession, CloseSessionTxn([b"/e"]))
    assert b"/e" not in run.tree.nodes
    run(3, Op.create, created(b"/e", 2, ephemeral=True), session=99)
    assert {owner: list(paths) for owner, paths in run.tree.ephemerals.items()} == {99: [b"/e"]}
    assert (run.stat(b"/").creates, run.stat(b"/").pzxid) == (2, 3)


def test_ephemerals_that_the_list_leaves_out_go_with_their_session() -> None:
    run = Replica()
    run(1, Op.create, created(b"/e", 1, ephemeral=True))
    run(2, Op.create, created(b"/f", 2, ephemeral=True))
    run(3, Op.closeSession, CloseSessionTxn([b"/e"]))
    assert run.tree.ephemerals == {}
    assert list(run.tree.children[b"/"]) == [b"/zookeeper"]


def test_a_deleted_node_takes_along_what_a_later_one_will_hold() -> None:
    """The snapshot has the second /a with all below it; the log first deletes the first /a."""
    later = [(b"/a", bare(3, creates=1), -1), (b"/a/b", bare(4), 1), (b"/a/b/c", bare(5), 7)]
    run = fuzzy(*later)
    entries = [
        (Op.create, created(b"/a", 1)),
        (Op.delete, DeleteTxn(b"/a")),
        (Op.create, created(b"/a", 2)),
        (Op.create, created(b"/a/b", 1, READ_ONLY)),
        (Op.create, created(b"/a/b/c", 1, PRIVATE)),
    ]
    straight = Replica(restored(encoded((), [(b"/", bare(0), -1)], 0)))
    for zxid, (kind, txn) in enumerate(entries, 1):
        for replica in (run, straight):
            entry = encode_txn(TxnHeader(SESSION, 0, zxid, 1000 + zxid, kind), txn)
            replay(replica.view, entry)
    assert state(run.tree) == state(straight.tree)
    assert list(run.tree.children[b"/a"]) == [b"/a/b"]
    assert_consistent(run.tree)
