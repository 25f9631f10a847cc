"""From request bytes to transaction bytes: zxids, headers, bodies, digests, replies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.rig import OPEN, WALL, Requester, Rig
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute import txn_records as t
from zoo.jute.codec import JuteError
from zoo.jute.ephemeral import MAX_TTL
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.jute.txns import LoggedTxn, encode_txn
from zoo.pipeline.prep import blob
from zoo.tree.record import node_digest, stat_of

GUARD = [ACL(31, "world", "anyone"), ACL(1, "ip", "10.0.0.1")]
LONE = [
    *(Op.create, Op.create2, Op.createContainer, Op.createTTL),
    *(Op.setData, Op.delete, Op.setACL),
]


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.do(Op.create, c.CreateRequest(b"/a", b"x", OPEN, 0))
    return rig


@pytest.mark.parametrize(
    ("op", "request_", "logged"),
    [
        (
            Op.create,
            c.CreateRequest(b"/b", b"data", OPEN, 0),
            t.CreateTxn(b"/b", b"data", OPEN, False, 2),
        ),
        (
            Op.create2,
            c.CreateRequest(b"/b", None, GUARD, 1),
            t.CreateTxn(b"/b", None, GUARD, True, 2),
        ),
        (
            Op.createContainer,
            c.CreateRequest(b"/b", b"", OPEN, 4),
            t.CreateContainerTxn(b"/b", b"", OPEN, 2),
        ),
        (
            Op.createTTL,
            c.CreateTTLRequest(b"/b", b"", OPEN, 5, MAX_TTL),
            t.CreateTTLTxn(b"/b", b"", OPEN, 2, MAX_TTL),
        ),
        (Op.setData, c.SetDataRequest(b"/a", b"new", 0), t.SetDataTxn(b"/a", b"new", 1)),
        (Op.setData, c.SetDataRequest(b"/a", None, -1), t.SetDataTxn(b"/a", None, 1)),
        (Op.delete, c.DeleteRequest(b"/a", 0), t.DeleteTxn(b"/a")),
        (Op.setACL, c.SetACLRequest(b"/a", GUARD, 0), t.SetACLTxn(b"/a", GUARD, 1)),
    ],
)
def test_a_write_becomes_this_transaction(rig: Rig, op: Op, request_: Any, logged: Any) -> None:
    answer = rig.do(op, request_)
    assert answer.err == 0
    header = t.TxnHeader(rig.me.session_id, rig.cxid, answer.zxid, WALL, op)
    digest = t.TxnDigest(2, rig.tree.digest)
    assert answer.txn == LoggedTxn(header, logged, digest)
    assert rig.entries[answer.zxid] == encode_txn(header, logged, digest)


def test_the_digest_is_the_trees(rig: Rig) -> None:
    rig.do(Op.create, c.CreateRequest(b"/b", b"data", OPEN, 1))
    rig.do(Op.delete, c.DeleteRequest(b"/a", -1))
    assert rig.tree.digest == sum(node_digest(p, r) for p, r in rig.tree.nodes.items())


def test_every_decodable_request_takes_a_zxid(rig: Rig) -> None:
    before = rig.role.proposed
    refused = rig.do(Op.delete, c.DeleteRequest(b"/none", -1))
    assert (refused.err, refused.zxid) == (Code.NONODE, before + 1)
    assert refused.txn == LoggedTxn(
        t.TxnHeader(rig.me.session_id, rig.cxid, before + 1, WALL, Op.error),
        t.ErrorTxn(Code.NONODE),
    )
    assert rig.do(Op.setData, c.SetDataRequest(b"/a", b"", -1)).zxid == before + 2


@pytest.mark.parametrize("op", LONE)
def test_undecodable_requests_spend_none(rig: Rig, op: Op) -> None:
    before = rig.role.proposed
    with pytest.raises(JuteError):
        rig.prep.prepare(rig.me, 1, op, b"\0\0\0\x05/a")
    assert rig.role.proposed == before


@pytest.mark.parametrize("op", LONE)
def test_a_null_path_is_refused_with_a_zxid(rig: Rig, op: Op) -> None:
    answer = rig.commit(rig.prep.prepare(rig.me, 1, op, b"\xff\xff\xff\xff" + bytes(20)))
    assert answer.err == Code.MARSHALLINGERROR
    assert answer.txn.header.type == Op.error


def test_preparation_sees_what_is_not_committed_yet(rig: Rig) -> None:
    first = rig.prepare(Op.create, c.CreateRequest(b"/a/x", b"", OPEN, 0))
    second = rig.prepare(Op.create, c.CreateRequest(b"/a/x", b"", OPEN, 0))
    third = rig.prepare(Op.setData, c.SetDataRequest(b"/a/x", b"1", 0))
    fourth = rig.prepare(Op.delete, c.DeleteRequest(b"/a", -1))
    fifth = rig.prepare(Op.delete, c.DeleteRequest(b"/a/x", 1))
    assert b"/a/x" not in rig.tree.nodes
    codes = [rig.commit(p).err for p in (first, second, third, fourth, fifth)]
    assert codes == [0, Code.NODEEXISTS, 0, Code.NOTEMPTY, 0]


def test_replies(rig: Rig) -> None:
    made = rig.do(Op.create2, c.CreateRequest(b"/b", b"1", OPEN, 0))
    assert made.record(Op.create2).path == b"/b"
    assert tuple(made.record(Op.create2).stat) == tuple(stat_of(rig.tree.nodes[b"/b"]))
    changed = rig.do(Op.setACL, c.SetACLRequest(b"/b", GUARD, -1))
    assert changed.record(Op.setACL).stat.aversion == 1
    assert rig.do(Op.delete, c.DeleteRequest(b"/b", -1)).body == b""


def test_the_servers_own_requests(rig: Rig) -> None:
    session = Requester(0x99)
    opened = rig.prep.open_session(session, 0x99, 4_000)
    closed = rig.prep.close_session(None, 0x99, 0)
    assert (opened.opens, closed.closes, opened.closes) == (0x99, 0x99, 0)
    first, second = rig.commit(opened), rig.commit(closed)
    assert (first.txn.header.client_id, first.txn.record.timeout) == (0x99, 4_000)
    assert second.txn.header.type == Op.closeSession


def test_open_acl_takes_the_short_way_to_the_same_result() -> None:
    entries = []
    for acl in (OPEN, [*OPEN, *OPEN]):  # the doubled one is decoded, then fixed up
        rig = Rig()
        rig.do(Op.create, c.CreateRequest(b"/s-", b"data", acl, 2))
        entries.append(rig.entries[1])
    assert entries[0] == entries[1]


def test_without_digests() -> None:
    rig = Rig()
    rig.tree.digest_enabled = rig.view.digest_enabled = False
    answer = rig.do(Op.create, c.CreateRequest(b"/a", b"", OPEN, 0))
    assert answer.txn.digest is None


def test_blob() -> None:
    assert blob(None) == b"\xff\xff\xff\xff"
    assert blob(b"ab") == b"\0\0\0\2ab"


def test_reconfig_reads_its_body_first(rig: Rig) -> None:
    with pytest.raises(JuteError):
        rig.prep.prepare(rig.me, 1, Op.reconfig, b"")
    body = encode(c.ReconfigRequest(None, None, None, 0))
    assert rig.commit(rig.prep.prepare(rig.me, 1, Op.reconfig, body)).err == Code.RECONFIGDISABLED


def test_a_refusal_to_the_byte(rig: Rig) -> None:
    proposal = rig.prep.prepare(rig.me, -7, Op.delete, encode(c.DeleteRequest(b"/none", -1)))
    no_node = b"\xff\xff\xff\x9b"
    assert proposal.zxid == 2
    assert proposal.reply == b"\0\0\0\x10" + b"\xff\xff\xff\xf9" + bytes(7) + b"\2" + no_node
    origin: object = proposal.origin
    assert origin is rig.me
    assert not proposal.edits
    rig.commit(proposal)
    assert rig.entries[2] == (
        bytes(7) + b"\x51" + b"\xff\xff\xff\xf9" + bytes(7) + b"\2"
        + WALL.to_bytes(8, "big") + b"\xff\xff\xff\xff" + no_node
    )  # fmt: skip


def test_an_ephemeral_sequence_to_the_byte(rig: Rig) -> None:
    answer = rig.do(Op.create, c.CreateRequest(b"/n", b"abc", OPEN, 3))
    path = b"\0\0\0\x0c/n0000000001"  # after /a; /zookeeper was never created
    assert answer.body == path
    assert rig.entries[answer.zxid] == (
        bytes(7) + b"\x51" + bytes(3) + b"\2" + bytes(7) + b"\2" + WALL.to_bytes(8, "big")
        + b"\0\0\0\1" + path + b"\0\0\0\3abc"
        + b"\0\0\0\1" + b"\0\0\0\x1f" + b"\0\0\0\5world" + b"\0\0\0\6anyone"
        + b"\1" + b"\0\0\0\2"
        + b"\0\0\0\2" + rig.tree.digest.to_bytes(8, "big")
    )  # fmt: skip


def test_the_reaper_speaks_for_nobody(rig: Rig) -> None:
    rig.do(Op.createContainer, c.CreateRequest(b"/box", b"", OPEN, 4))
    reaped, refused = rig.prep.delete_container(b"/box"), rig.prep.delete_container(b"/box")
    for proposal, kind in ((reaped, Op.deleteContainer), (refused, Op.error)):
        assert proposal.origin is None
        header = rig.commit(proposal).txn.header
        assert (header.client_id, header.cxid, header.type) == (0, 0, kind)


def test_a_null_list_of_acls_is_an_empty_one(rig: Rig) -> None:
    payload = b"\0\0\0\2/b" + b"\0\0\0\1d" + b"\xff\xff\xff\xff" + bytes(4)
    answer = rig.commit(rig.prep.prepare(rig.me, 1, Op.create, payload))
    assert answer.err == Code.INVALIDACL


def test_a_negative_length_that_points_at_an_acl_from_behind(rig: Rig) -> None:
    """An index before the beginning would count from the end, where there is an open ACL."""
    acl = b"\0\0\0\1" + b"\0\0\0\x1f" + b"\0\0\0\5world" + b"\0\0\0\6anyone"
    path = b"\0\0\0\2/b"
    length = -(len(acl) + 4) - (len(path) + 4)
    payload = path + length.to_bytes(4, "big", signed=True) + b"data" + acl + bytes(4)
    with pytest.raises(JuteError):
        rig.prep.prepare(rig.me, 1, Op.create, payload)
