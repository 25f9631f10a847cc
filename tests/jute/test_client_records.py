from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jute.golden import GOLDEN
from tests.jute.strategies import check_hostile, check_round_trip, classes_of, records
from zoo.jute import client_records as c
from zoo.jute import schema
from zoo.jute.codec import JuteError
from zoo.jute.records import ACL, ClientInfo, Stat

OPEN = [ACL(31, "world", "anyone")]
TWO = [ACL(31, "digest", "u:p"), ACL(1, "ip", "10.0.0.0/8")]
STAT = Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)

EXAMPLES = [
    ("ConnectRequest", c.ConnectRequest(0, 0x1FF, 30000, -5, bytes(16), True)),
    (
        "ConnectResponse",
        c.ConnectResponse(0, 30000, 0x100000000000001, b"0123456789abcdef", False),
    ),
    ("RequestHeader", c.RequestHeader(-8, 105)),
    ("ReplyHeader", c.ReplyHeader(7, 0x100000002, -101)),
    ("WatcherEvent", c.WatcherEvent(3, 3, b"/a")),
    ("CreateRequest", c.CreateRequest("/é".encode(), None, TWO, 3)),
    ("CreateTTLRequest", c.CreateTTLRequest(b"/t", b"x", OPEN, 5, 1000)),
    ("SetDataRequest", c.SetDataRequest(b"/a", b"data", -1)),
    ("GetDataResponse", c.GetDataResponse(b"data", STAT)),
    ("GetChildren2Response", c.GetChildren2Response([b"a", b"b"], STAT)),
    ("GetACLResponse", c.GetACLResponse(TWO, STAT)),
    ("SetWatches2", c.SetWatches2(5, [b"/a"], [b"/b"], [], [b"/d"], [b"/e", b"/f"])),
    ("ReconfigRequest", c.ReconfigRequest("server.1=a", None, None, -1)),
    ("AuthPacket", c.AuthPacket(0, "digest", b"u:p")),
    ("WhoAmIResponse", c.WhoAmIResponse([ClientInfo("ip", "127.0.0.1")])),
    ("AddWatchRequest", c.AddWatchRequest(b"/a", 1)),
]


@pytest.mark.parametrize(("name", "record"), EXAMPLES, ids=lambda value: str(value)[:24])
def test_bytes_are_zookeepers(name: str, record: Any) -> None:
    assert schema.encode(record) == GOLDEN[name]
    assert schema.decode(type(record), GOLDEN[name]) == record


@pytest.mark.parametrize("cls", classes_of(c))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_round_trip(cls: type[Any], data: st.DataObject) -> None:
    check_round_trip(data.draw(records(cls)), b"\xff\0\0")


@pytest.mark.parametrize("cls", classes_of(c))
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=120))
def test_hostile_bytes(cls: type[Any], data: bytes) -> None:
    check_hostile(cls, data)


def test_connect_without_read_only() -> None:
    old = GOLDEN["ConnectRequest"][:-1]
    request = schema.decode(c.ConnectRequest, old)
    assert request.read_only is None
    assert schema.encode(request) == old
    assert c.ConnectResponse(0, 1, 2, None).read_only is False


def test_null_acl_reads_as_empty() -> None:
    request = schema.decode(c.CreateRequest, GOLDEN["CreateRequestNullAcl"])
    assert request == c.CreateRequest(b"/n", b"", [], 0)


def test_null_path_is_an_error_where_a_path_must_be() -> None:
    assert schema.decode(c.SyncRequest, b"\xff" * 4) == c.SyncRequest(None)
    with pytest.raises(JuteError, match="path: must not be null"):
        schema.decode(c.GetACLRequest, b"\xff" * 4)
    one_null = b"\0" * 8 + b"\0\0\0\1" + b"\xff" * 4 + b"\0" * 8
    with pytest.raises(JuteError, match="data_watches: must not be null"):
        schema.decode(c.SetWatches, one_null)
