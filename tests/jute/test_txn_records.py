from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jute.golden import GOLDEN
from tests.jute.strategies import check_hostile, check_round_trip, classes_of, records
from zoo.jute import schema
from zoo.jute import txn_records as t
from zoo.jute.records import ACL

EXAMPLES = [
    ("FileHeader", t.FileHeader(0x5A4B4C47, 2, 0)),
    ("TxnHeader", t.TxnHeader(0x100000000000001, 3, 0x100000002, 1700000000000, 1)),
    ("CreateTxn", t.CreateTxn(b"/a", b"d", [ACL(31, "world", "anyone")], True, 4)),
    ("CloseSessionTxn", t.CloseSessionTxn([b"/e"])),
    ("TxnDigest", t.TxnDigest(2, -3)),
    ("MultiTxn", t.MultiTxn([t.Txn(2, b"abcd"), t.Txn(-1, b"1234")])),
]


@pytest.mark.parametrize(("name", "record"), EXAMPLES, ids=lambda value: str(value)[:24])
def test_bytes_are_zookeepers(name: str, record: Any) -> None:
    assert schema.encode(record) == GOLDEN[name]
    assert schema.decode(type(record), GOLDEN[name]) == record


@pytest.mark.parametrize("cls", classes_of(t))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_round_trip(cls: type[Any], data: st.DataObject) -> None:
    check_round_trip(data.draw(records(cls)), b"\xff\0\0")


@pytest.mark.parametrize("cls", classes_of(t))
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=120))
def test_hostile_bytes(cls: type[Any], data: bytes) -> None:
    check_hostile(cls, data)


def test_data_may_be_null() -> None:
    txn = t.SetDataTxn(b"/a", None, 1)
    assert schema.encode(txn) == b"\0\0\0\2/a\xff\xff\xff\xff\0\0\0\1"
    assert schema.decode(t.SetDataTxn, schema.encode(txn)) == txn
