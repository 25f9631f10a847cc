from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jute.golden import GOLDEN
from tests.jute.strategies import check_hostile, check_round_trip, classes_of, records
from zoo.jute import quorum_records as q
from zoo.jute import schema
from zoo.jute.records import Id

EXAMPLES = [
    ("LearnerInfo", q.LearnerInfo(3, 0x10000, 0x100000000)),
    ("QuorumPacket", q.QuorumPacket(2, 0x100000001, b"x", [Id("ip", "::1")])),
    ("QuorumPacketNull", q.QuorumPacket(5, 0)),
]


@pytest.mark.parametrize(("name", "record"), EXAMPLES, ids=lambda value: str(value)[:24])
def test_bytes_are_zookeepers(name: str, record: Any) -> None:
    assert schema.encode(record) == GOLDEN[name]
    assert schema.decode(type(record), GOLDEN[name]) == record


@pytest.mark.parametrize("cls", classes_of(q))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_round_trip(cls: type[Any], data: st.DataObject) -> None:
    check_round_trip(data.draw(records(cls)), b"\xff\0\0")


@pytest.mark.parametrize("cls", classes_of(q))
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=120))
def test_hostile_bytes(cls: type[Any], data: bytes) -> None:
    check_hostile(cls, data)


def test_null_authinfo_is_not_an_empty_one() -> None:
    assert schema.decode(q.QuorumPacket, GOLDEN["QuorumPacketNull"]).authinfo is None
    assert schema.decode(q.QuorumPacket, schema.encode(q.QuorumPacket(5, 0, None, []))) == (
        q.QuorumPacket(5, 0, None, [])
    )
