from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jute import strategies
from tests.jute.golden import GOLDEN
from tests.jute.strategies import check_hostile, check_round_trip, classes_of
from zoo.jute import records, schema
from zoo.jute.records import ACL, ClientInfo, Id, Stat, StatPersisted

EXAMPLES = [
    ("StatPersisted", StatPersisted(1, 2, 3, 4, 5, 6, 7, 8, 9)),
]


@pytest.mark.parametrize(("name", "record"), EXAMPLES, ids=lambda value: str(value)[:24])
def test_bytes_are_zookeepers(name: str, record: Any) -> None:
    assert schema.encode(record) == GOLDEN[name]
    assert schema.decode(type(record), GOLDEN[name]) == record


@pytest.mark.parametrize("cls", classes_of(records))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_round_trip(cls: type[Any], data: st.DataObject) -> None:
    check_round_trip(data.draw(strategies.records(cls)), b"\xff\0\0")


@pytest.mark.parametrize("cls", classes_of(records))
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=120))
def test_hostile_bytes(cls: type[Any], data: bytes) -> None:
    check_hostile(cls, data)


def test_acl_is_an_int_and_an_id() -> None:
    acl = ACL(31, "digest", "u:p")
    assert schema.encode(acl) == b"\0\0\0\x1f" + schema.encode(Id("digest", "u:p"))


def test_sizes() -> None:
    assert schema.codec_of(Stat).min_size == 68
    assert schema.codec_of(StatPersisted).min_size == 60


def test_null_texts() -> None:
    assert schema.decode(Id, b"\xff" * 8) == Id("", "")
    assert schema.decode(ClientInfo, b"\xff" * 8) == ClientInfo(None, None)


def test_broken_utf8_is_replaced() -> None:
    assert schema.decode(Id, b"\0\0\0\1\xff\0\0\0\0") == Id("\ufffd", "")


def test_acls_can_be_interned() -> None:
    assert len({(ACL(1, "ip", "::1"),), (ACL(1, "ip", "::1"),)}) == 1
