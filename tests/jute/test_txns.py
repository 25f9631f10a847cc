from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jute.strategies import records
from zoo.jute import schema
from zoo.jute.codec import JuteError, Reader
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import ACL
from zoo.jute.txn_records import (
    CloseSessionTxn,
    CreateTxn,
    CreateTxnV0,
    DeleteTxn,
    SetDataTxn,
    TxnDigest,
    TxnHeader,
)
from zoo.jute.txns import LoggedTxn, decode_body, decode_txn, encode_txn

LOGGED = [row for row in OPERATIONS.values() if row.txn]
OPEN = [ACL(31, "world", "anyone")]


def header(op: int) -> TxnHeader:
    return TxnHeader(0x100000000000001, 3, 0x100000002, 1700000000000, op)


@settings(deadline=None)
@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(LOGGED))
    record = data.draw(records(row.txn or object))
    digest = data.draw(st.none() | records(TxnDigest))
    raw = encode_txn(header(row.op), record, digest)
    assert decode_txn(raw) == LoggedTxn(header(row.op), record, digest)
    assert decode_body(row.op, schema.encode(record)) == record


def test_create_without_parent_cversion() -> None:
    raw = encode_txn(header(Op.create), CreateTxnV0(b"/a", b"d", OPEN, True))
    assert decode_txn(raw).record == CreateTxn(b"/a", b"d", OPEN, True, -1)


def test_close_session_without_paths() -> None:
    logged = decode_txn(encode_txn(header(Op.closeSession), None))
    assert logged == LoggedTxn(header(Op.closeSession), None, None)


def test_reader_moves_on() -> None:
    reader = Reader(encode_txn(header(Op.delete), DeleteTxn(b"/a"), TxnDigest(2, 5)))
    assert decode_txn(reader).digest == TxnDigest(2, 5)
    assert reader.remaining == 0


@pytest.mark.parametrize("number", [Op.getData, Op.notification, 999])
def test_operations_that_are_never_logged(number: int) -> None:
    with pytest.raises(JuteError, match=f"operation {int(number)} is never logged"):
        decode_txn(encode_txn(header(number), SetDataTxn(b"/a", b"", 1)))


def test_short_body() -> None:
    with pytest.raises(JuteError, match="path: needs 4 bytes, 0 left"):
        decode_txn(encode_txn(header(Op.setData), None))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_hostile_bytes(tail: bytes) -> None:
    for candidate in LOGGED:
        try:
            logged = decode_txn(schema.encode(header(candidate.op)) + tail)
        except JuteError:
            continue
        assert logged.header.type == candidate.op


def test_a_close_session_without_its_list_but_with_a_digest() -> None:
    """What closeSessionTxn.enabled=false leaves in the log; it must not be read as a list."""
    closing = header(Op.closeSession)
    digest = TxnDigest(2, 0x1_0000_0001)
    txn = decode_txn(encode_txn(closing, None, digest))
    assert (txn.record, txn.digest) == (None, digest)
    for listed in (CloseSessionTxn([b"/abc"]), CloseSessionTxn([b"", b""])):
        assert decode_txn(encode_txn(closing, listed)).record == listed
    assert decode_txn(encode_txn(closing, CloseSessionTxn([]), digest)).digest == digest
