from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo.errors import ProtocolViolation
from zoo.zab.notification import (
    Notification,
    config_version,
    encode_notification,
    parse_notification,
)
from zoo.zab.vote import NOBODY, ServerState, Vote

CONFIG = b"server.1=a:1:2:participant\nversion=100000000"
# What FastLeaderElection.buildMsg of ZooKeeper 3.9.5 makes of the same values.
JAVA = [
    (
        Notification(Vote(3, 0x100000007, 5, 1, 0x100000000), ServerState.LOOKING, 2, CONFIG),
        "000000000000000000000003000000010000000700000000000000050000000000000001000000020000002c"
        "7365727665722e313d613a313a323a7061727469636970616e740a76657273696f6e3d313030303030303030",
    ),
    (
        Notification(Vote(3, 0x100000007, 5, 1), ServerState.LEADING),
        "0000000200000000000000030000000100000007000000000000000500000000000000010000000200000000",
    ),
    (
        Notification(Vote(NOBODY, NOBODY, 1, NOBODY), ServerState.LOOKING),
        "0000000080000000000000008000000000000000000000000000000180000000000000000000000200000000",
    ),
]


@pytest.mark.parametrize(("notification", "golden"), JAVA)
def test_the_bytes_are_those_of_java(notification: Notification, golden: str) -> None:
    data = bytes.fromhex(golden)
    assert encode_notification(notification.state, notification.vote, notification.config) == data
    assert parse_notification(data) == notification
    assert notification.ballot == (notification.vote, notification.state, 2)


LONG = st.integers(-(1 << 63), (1 << 63) - 1)
VOTES = st.builds(Vote, LONG, LONG, LONG, LONG)


@given(st.sampled_from(ServerState), VOTES, st.binary(max_size=80), st.binary(max_size=8))
def test_round_trip(state: ServerState, vote: Vote, config: bytes, behind: bytes) -> None:
    parsed = parse_notification(encode_notification(state, vote, config) + behind)
    assert parsed.vote[:4] == vote[:4]
    assert (parsed.state, parsed.version, parsed.config) == (state, 2, config)


def test_older_formats() -> None:
    oldest = struct.pack(">iqqq", 1, 3, 0x500000009, 7)
    assert parse_notification(oldest) == (Vote(3, 0x500000009, 7, 5), ServerState.FOLLOWING, 0, b"")
    for version in (0, 1, 2):  # 40 bytes: whatever stands in the last four
        forty = struct.pack(">iqqqqi", 1, 3, 9, 7, 4, version)
        assert parse_notification(forty) == (Vote(3, 9, 7, 4), ServerState.FOLLOWING, 0, b"")
    longer = struct.pack(">iqqqqi", 1, 3, 9, 7, 4, 1) + b"\xff" * 4
    assert parse_notification(longer) == (Vote(3, 9, 7, 4), ServerState.FOLLOWING, 1, b"")
    later = struct.pack(">iqqqqii", 1, 3, 9, 7, 4, 3, 1) + b"cmore"
    assert parse_notification(later) == (Vote(3, 9, 7, 4), ServerState.FOLLOWING, 3, b"c")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "0 bytes"),
        (bytes(27), "27 bytes"),
        (bytes(29), "cut short"),
        (bytes(39), "cut short"),
        (struct.pack(">iqqqqi", 1, 3, 9, 7, 4, 2) + b"\0\0\0", "cut short"),
        (struct.pack(">iqqqqii", 1, 3, 9, 7, 4, 2, -1), "configuration of -1 bytes"),
        (struct.pack(">iqqqqii", 1, 3, 9, 7, 4, 2, 2) + b"c", "configuration of 2 bytes"),
        (struct.pack(">iqqqqii", 1, 3, 9, 7, 4, 2, 1 << 30), "1073741824 bytes, 0 bytes are"),
        (struct.pack(">iqqqqii", 4, 3, 9, 7, 4, 2, 0), "state 4"),
        (struct.pack(">iqqqqii", -1, 3, 9, 7, 4, 2, 0), "state -1"),
    ],
)
def test_nonsense(data: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolViolation, match=complaint):
        parse_notification(data)


@given(st.binary(max_size=70))
@example(bytes(44))
def test_any_bytes_are_a_notification_or_a_violation(data: bytes) -> None:
    try:
        parsed = parse_notification(data)
    except ProtocolViolation:
        return
    assert len(data) >= 28
    assert len(parsed.config) <= len(data) - 44 if parsed.version > 1 else not parsed.config


@pytest.mark.parametrize(
    ("config", "version"),
    [
        (b"", 0),
        (CONFIG, 0x100000000),
        (b"server.1=a:1:2\nversion=0", 0),
        (b"version = 1f \r\nserver.1=a:1:2\n", 0x1F),
        (b"version=ffffffffffffffff", -1),
        (b"version=xyz", 0),
        (b"version=11112222333344445", 0),
        (b"conversion=5", 0),
        (b"\xff\xfe\0", 0),
    ],
)
def test_version_of_a_configuration(config: bytes, version: int) -> None:
    assert config_version(config) == version
