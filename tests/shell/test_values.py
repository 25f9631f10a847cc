from __future__ import annotations

import time

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.client.watches import Event
from zoo.jute.constants import EventType, KeeperState
from zoo.jute.records import ACL, Stat
from zoo.shell import values

STAT = Stat(1, 2, 1_700_000_000_123, 1_700_000_000_456, 3, 4, 5, -1, 7, 8, 9)


@given(st.binary(max_size=50))
def test_data_goes_through_json(data: bytes) -> None:
    assert values.data_from_json(values.data_json(data)) == data


def test_no_data_is_not_empty_data() -> None:
    assert values.data_json(values.NULL) == {"data": None}
    assert values.data_json(b"") == {"data": ""}
    assert values.data_from_json({"data": None}) is values.NULL
    assert values.RAW.to_bytes(values.NULL) is None
    assert values.RAW.to_bytes(b"") == b""
    assert values.RAW.from_bytes(None) is values.NULL


def test_what_is_text() -> None:
    assert values.text_of("grün\n".encode()) == "grün\n"
    assert values.text_of(b"\x00") is None
    assert values.text_of(b"\xff") is None
    assert values.text_of(b"\x1b[2J") is None
    assert values.data_json(b"\xff") == {"base64": "/w=="}


def test_short() -> None:
    assert values.short(b"a\nb") == "a\\nb"
    assert values.short(b"x" * 100, 10) == "xxxxxxxxx…"
    assert values.short(b"\x00\x01") == "2 bytes 00 01"
    assert values.short(values.NULL) == "null"


def test_hexdump_as_zkcli_draws_it() -> None:
    assert values.hexdump(b"hello world, again\x00") == [
        "         +-------------------------------------------------+",
        "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |",
        "+--------+-------------------------------------------------+----------------+",
        "|00000000| 68 65 6c 6c 6f 20 77 6f 72 6c 64 2c 20 61 67 61 |hello world, aga|",
        "|00000010| 69 6e 00                                        |in.             |",
        "+--------+-------------------------------------------------+----------------+",
    ]
    assert values.hexdump(b"") == []


def test_stat_lines_as_zkcli_prints_them() -> None:
    when = time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(1_700_000_000))
    assert values.stat_lines(STAT) == [
        *("cZxid = 0x1", f"ctime = {when}", "mZxid = 0x2", f"mtime = {when}", "pZxid = 0x9"),
        *("cversion = 4", "dataVersion = 3", "aclVersion = 5"),
        *("ephemeralOwner = 0xffffffffffffffff", "dataLength = 7", "numChildren = 8"),
    ]


def test_stat_as_json() -> None:
    told = values.stat_json(STAT)
    assert told["czxid"] == "0x1"
    assert told["ctime"] == "2023-11-14T22:13:20.123+00:00"
    assert (told["version"], told["numChildren"]) == (3, 8)


def test_acls() -> None:
    entries = [ACL(31, "world", "anyone"), ACL(3, "ip", "::1"), ACL(16, "digest", "a:b=")]
    text = "world:anyone:cdrwa,ip:::1:rw,digest:a:b=:a"
    assert ",".join(map(values.acl_text, entries)) == text
    assert values.parse_acl(text) == entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("world", "'world' is not of the form scheme:id:perms"),
        ("a:b", "'a:b' is not of the form"),
        ("world:anyone:rwx", "permission 'x' is none of cdrwa"),
    ],
)
def test_wrong_acls(text: str, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        values.parse_acl(text)


def test_wrong_base64() -> None:
    assert values.from_base64("aGk=") == b"hi"
    assert values.from_base64("a G\tk\r\n=\n") == b"hi"
    with pytest.raises(click.UsageError, match="not base64"):
        values.from_base64("a")


def test_events() -> None:
    event = Event(EventType.NODE_DATA_CHANGED, "/a", 18)
    assert values.event_line(event) == "NodeDataChanged /a 0x12"
    assert values.event_json(event) == {"event": "NodeDataChanged", "path": "/a", "zxid": "0x12"}
    gap = Event(EventType.NONE, "/a", gap="overflow")
    assert values.event_json(gap) == {"event": "Gap", "path": "/a", "reason": "overflow"}
    over = Event(EventType.NONE, "/a", 0, KeeperState.EXPIRED, "expired")
    assert values.event_json(over)["event"] == "Ended"
