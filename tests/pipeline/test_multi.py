"""Multis: what the flags make of creates, all or nothing, results part by part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.rig import OPEN, Rig
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.codec import JuteError
from zoo.jute.multi import encode_request
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.txns import decode_body
from zoo.pipeline.multi import parse_multi, parse_multi_read
from zoo.tree.record import node_digest


def create(path: bytes, flags: int = 0) -> Any:
    return c.CreateRequest(path, b"", OPEN, flags)


def create_ttl(path: bytes, flags: int, ttl: int = 9) -> Any:
    return c.CreateTTLRequest(path, b"", OPEN, flags, ttl)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.do(Op.create, create(b"/a"))
    rig.do(Op.create, create(b"/b"))
    return rig


@pytest.mark.parametrize(
    ("op", "record", "becomes"),
    [
        (Op.create, create(b"/x"), Op.create),
        (Op.create, create(b"/x", 3), Op.create),
        (Op.create, create(b"/x", 4), Op.createContainer),
        (Op.create2, create(b"/x", 4), Op.createContainer),
        (Op.createContainer, create(b"/x", 4), Op.createContainer),
        (Op.createContainer, create(b"/x", 0), Op.createContainer),
        (Op.createTTL, create_ttl(b"/x", 5), Op.createTTL),
        (Op.createTTL, create_ttl(b"/x", 0), Op.create),
        (Op.createTTL, create_ttl(b"/x", 99), Op.create),
        (Op.createTTL, create_ttl(b"/x", 4), Op.createContainer),
    ],
)
def test_flags_decide_what_a_create_is(op: Op, record: Any, becomes: Op) -> None:
    (found, request) = parse_multi(encode_request([(op, record)]))[0]
    assert found == becomes
    assert isinstance(request, c.CreateTTLRequest) is (becomes == Op.createTTL)


@pytest.mark.parametrize("flags", [5, 6, 7, -1, 99])
@pytest.mark.parametrize("op", [Op.create, Op.create2, Op.createContainer])
def test_impossible_flags_make_the_multi_unreadable(rig: Rig, op: Op, flags: int) -> None:
    items = [(Op.delete, c.DeleteRequest(b"/a", -1)), (op, create(b"/x", flags))]
    with pytest.raises(JuteError, match="flags"):
        parse_multi(encode_request(items))
    answer = rig.do(Op.multi, items)
    assert (answer.err, answer.body) == (Code.MARSHALLINGERROR, b"")
    assert answer.txn.header.type == Op.error
    assert b"/a" in rig.tree.nodes


def test_a_read_has_no_place_in_a_multi_nor_a_write_in_a_multi_read() -> None:
    read = encode_request([(Op.getData, c.GetDataRequest(b"/a", False))])
    write = encode_request([(Op.delete, c.DeleteRequest(b"/a", -1))])
    assert len(parse_multi_read(read)) == len(parse_multi(write)) == 1
    with pytest.raises(JuteError):
        parse_multi(read)
    with pytest.raises(JuteError):
        parse_multi_read(write)


def test_each_part_sees_those_before_it(rig: Rig) -> None:
    answer = rig.do(
        Op.multi,
        [
            (Op.create, create(b"/a/x")),
            (Op.create2, create(b"/a/x/y")),
            (Op.setData, c.SetDataRequest(b"/a/x", b"1", 0)),
            (Op.check, c.CheckVersionRequest(b"/a/x", 1)),
            (Op.delete, c.DeleteRequest(b"/a/x/y", 0)),
            (Op.createContainer, create(b"/c", 4)),
            (Op.createTTL, create_ttl(b"/t", 5)),
            (Op.create, create(b"/a/q-", 2)),
        ],
    )
    results = answer.results()
    assert [op for op, _ in results] == [
        Op.create,
        Op.create2,
        Op.setData,
        Op.check,
        Op.delete,
        Op.create2,
        Op.create2,
        Op.create,
    ]
    assert results[1][1].stat.czxid == answer.zxid
    assert results[2][1].stat.version == 1
    assert results[7][1].path == b"/a/q-0000000001"
    assert {b"/a/x", b"/c", b"/t", b"/a/q-0000000001"} < rig.tree.nodes.keys()
    assert b"/a/x/y" not in rig.tree.nodes
    logged = [decode_body(part.type, part.data) for part in answer.txn.record.txns]
    assert [part.type for part in answer.txn.record.txns] == [1, 15, 5, 13, 2, 19, 21, 1]
    assert logged[3].version == 2, "a check logs the version after the one it compared"
    assert answer.txn.digest is not None
    assert answer.txn.digest.tree_digest == rig.tree.digest


@pytest.mark.parametrize("failing", range(4))
def test_one_refusal_undoes_all(rig: Rig, failing: int) -> None:
    items: list[Any] = [
        (Op.create, create(b"/a/x", 1)),
        (Op.setData, c.SetDataRequest(b"/b", b"new", -1)),
        (Op.delete, c.DeleteRequest(b"/b", -1)),
    ]
    items.insert(failing, (Op.check, c.CheckVersionRequest(b"/none", 0)))
    before = dict(rig.tree.nodes), rig.tree.digest, rig.view.digest
    answer = rig.do(Op.multi, items)
    assert (dict(rig.tree.nodes), rig.tree.digest, rig.view.digest) == before
    assert not rig.view.ephemerals_of(rig.me.session_id)
    assert answer.err == 0
    expected = [0] * failing + [Code.NONODE] + [Code.RUNTIMEINCONSISTENCY] * (3 - failing)
    assert [result.err for _, result in answer.results()] == expected
    parts = answer.txn.record.txns
    assert [part.type == Op.error for part in parts] == [False] * failing + [True] * (4 - failing)
    assert rig.do(Op.create, create(b"/a/x")).err == 0


def test_rollback_keeps_what_was_outstanding_before(rig: Rig) -> None:
    pending = rig.prepare(Op.setData, c.SetDataRequest(b"/a", b"pending", 0))
    failed = rig.prepare(
        Op.multi,
        [
            (Op.setData, c.SetDataRequest(b"/a", b"lost", 1)),
            (Op.delete, c.DeleteRequest(b"/none", -1)),
        ],
    )
    after = rig.prepare(Op.setData, c.SetDataRequest(b"/a", b"after", 1))
    assert [rig.commit(p).err for p in (pending, failed, after)] == [0, 0, 0]
    assert rig.read(Op.getData, c.GetDataRequest(b"/a", False)).data == b"after"


def test_an_empty_multi(rig: Rig) -> None:
    answer = rig.do(Op.multi, [])
    assert (answer.err, answer.results(), answer.txn.record.txns) == (0, [], [])


def test_a_failed_multi_to_the_byte(rig: Rig) -> None:
    answer = rig.do(
        Op.multi,
        [
            (Op.setData, c.SetDataRequest(b"/a", b"new", -1)),
            (Op.delete, c.DeleteRequest(b"/none", -1)),
            (Op.delete, c.DeleteRequest(b"/b", -1)),
        ],
    )
    no_node, untried = b"\xff\xff\xff\x9b", b"\xff\xff\xff\xfe"
    assert answer.body == (
        b"\xff\xff\xff\xff" + b"\0" + bytes(4) + bytes(4)
        + b"\xff\xff\xff\xff" + b"\0" + no_node + no_node
        + b"\xff\xff\xff\xff" + b"\0" + untried + untried
        + b"\xff\xff\xff\xff" + b"\1" + b"\xff\xff\xff\xff"
    )  # fmt: skip
    parts = [(part.type, part.data) for part in answer.txn.record.txns]
    assert parts == [
        (Op.setData, b"\0\0\0\2/a" + b"\0\0\0\3new" + b"\0\0\0\1"),
        (Op.error, no_node),
        (Op.error, untried),
    ]
    assert answer.txn.header.type == Op.multi
    assert answer.txn.digest is not None
    assert answer.txn.digest.tree_digest == rig.tree.digest, "unchanged, but logged"


def test_a_multi_to_the_byte(rig: Rig) -> None:
    answer = rig.do(
        Op.multi,
        [
            (Op.create, create(b"/x")),
            (Op.createContainer, create(b"/c", 4)),
            (Op.delete, c.DeleteRequest(b"/a", -1)),
            (Op.check, c.CheckVersionRequest(b"/b", 0)),
            (Op.setData, c.SetDataRequest(b"/b", b"", -1)),
        ],
    )
    nodes = rig.tree.nodes
    fine = b"\0" + bytes(4)
    shown = nodes[b"/c"][4:]
    assert answer.body == (
        b"\0\0\0\x01" + fine + b"\0\0\0\2/x"
        + b"\0\0\0\x0f" + fine + b"\0\0\0\2/c" + shown[:-24] + bytes(8) + shown[-16:]
        + b"\0\0\0\x02" + fine
        + b"\0\0\0\x0d" + fine
        + b"\0\0\0\x05" + fine + nodes[b"/b"][4:]
        + b"\xff\xff\xff\xff" + b"\1" + b"\xff\xff\xff\xff"
    )  # fmt: skip


def test_rollback_of_acls_containers_and_counts(rig: Rig) -> None:
    guard = [ACL(1, "world", "anyone")]
    failed = rig.prepare(
        Op.multi,
        [
            (Op.delete, c.DeleteRequest(b"/b", -1)),
            (Op.create, c.CreateRequest(b"/b", b"", guard, 0)),
            (Op.createContainer, create(b"/a/c", 4)),
            (Op.create, create(b"/a/s-", 2)),
            (Op.setData, c.SetDataRequest(b"/b", b"", -1)),
        ],
    )
    assert not rig.view.records
    assert not rig.view.acls
    assert not rig.view.deleted
    results = rig.commit(failed).results()
    assert [result.err for _, result in results] == [0, 0, 0, 0, Code.NOAUTH]
    assert not rig.tree.containers
    assert rig.do(Op.setData, c.SetDataRequest(b"/b", b"", -1)).err == 0
    assert rig.do(Op.create, create(b"/a/s-", 2)).record(Op.create).path == b"/a/s-0000000000"
    assert rig.tree.digest == sum(node_digest(p, r) for p, r in rig.tree.nodes.items())


def test_a_dead_session_fails_at_the_first_part(rig: Rig) -> None:
    rig.me.session.closing = True
    items = [
        (Op.check, c.CheckVersionRequest(b"/none", 0)),
        (Op.delete, c.DeleteRequest(b"/a", -1)),
    ]
    errors = [result.err for _, result in rig.do(Op.multi, items).results()]
    assert errors == [Code.SESSIONEXPIRED, Code.RUNTIMEINCONSISTENCY]


@pytest.mark.parametrize("cut", [0, 3, 9, 12, 24])
def test_a_multi_cut_short_is_refused_with_a_zxid(rig: Rig, cut: int) -> None:
    whole = encode_request([(Op.delete, c.DeleteRequest(b"/a", -1))])
    before = rig.role.proposed
    answer = rig.commit(rig.prep.prepare(rig.me, 1, Op.multi, whole[:cut]))
    assert (answer.err, answer.zxid) == (Code.MARSHALLINGERROR, before + 1)
    assert answer.txn.record.err == Code.MARSHALLINGERROR
    assert b"/a" in rig.tree.nodes
