"""Ids and passwords against values computed by Java 17 with ZooKeeper's formulas."""

from __future__ import annotations

import pytest

from zoo.session.ids import (
    CONTAINER_EPHEMERAL_OWNER,
    NO_PASSWORD,
    SessionIds,
    initial_session_id,
    password,
    password_matches,
)


@pytest.mark.parametrize(
    ("server_id", "now_ms", "expected"),
    [
        (1, 0, 72057594037927936),
        (1, 1, 72057594037993472),
        (1, 123456789, 72065684902051840),
        (1, 1732150000000, 113518182400000000),  # 41 bits of clock: the top one falls off
        (0, 1099511627776, 0),
        (128, 0, -9223372036854775807),  # would be the container mark: one further
        (128, 1099511627776, -9223372036854775807),
        (254, 1732150000000, -102654599713783808),
        (255, 5, -72057594037600256),
        (-1, 77, -72057594032881664),
        (256, 9, 589824),
    ],
)
def test_initial_id_is_javas(server_id: int, now_ms: int, expected: int) -> None:
    assert initial_session_id(server_id, now_ms) == expected


def test_ids_count_up_by_one() -> None:
    ids = SessionIds(1, 123456789)
    assert [ids.next() for _ in range(3)] == [72065684902051840 + n for n in range(3)]


def test_ids_skip_those_still_in_use() -> None:
    ids = SessionIds(1, 0)
    first = 72057594037927936
    assert ids.next({first, first + 1, first + 3}) == first + 2
    assert ids.next({first, first + 1, first + 3}) == first + 4


def test_zero_is_never_a_session() -> None:
    assert SessionIds(0, 0).next() == 1


def test_ids_wrap_around_the_container_mark() -> None:
    ids = SessionIds(127, (1 << 40) - 1)
    last = (1 << 63) - 1
    given = [ids.next() for _ in range(65537)]
    assert given[65535] == last
    assert given[65536] == CONTAINER_EPHEMERAL_OWNER + 1


@pytest.mark.parametrize("server_id", [-1, 255])
def test_server_id_must_leave_ttls_their_mark(server_id: int) -> None:
    with pytest.raises(ValueError, match="TTLs use 255"):
        SessionIds(server_id, 0)


@pytest.mark.parametrize(
    ("session_id", "expected"),
    [
        (0x0, "f22acd4a97e69d6d20a49bb638eadb38"),
        (0x1, "054cc74a37327db215e702e20c73f005"),
        (-1, "20f62cb5648dc2d771471c8a2486a9ee"),
        (0x100000000000001, "054cc74a37327db215e702e20c73f005"),  # Random keeps 48 bits of a seed
        (0x1000ABC12340000, "6ed422cf6378ac82fcffdc14e4ae078a"),
        (-(1 << 63), "f22acd4a97e69d6d20a49bb638eadb38"),
        (0xFE00123456780001 - (1 << 64), "0d03861f9f50824b5d4962dab4fb3983"),
        (0x7F1A2B3C4D5E6F70, "05b616b863ede095000c5c32073cd68c"),
    ],
)
def test_password_is_javas(session_id: int, expected: str) -> None:
    assert password(session_id).hex() == expected
    assert password_matches(session_id, bytes.fromhex(expected)) is (session_id != 0)


def test_password_has_the_length_the_client_sent() -> None:
    assert password(1, 3).hex() == "054cc7"


@pytest.mark.parametrize(
    "given", [b"", NO_PASSWORD, bytes.fromhex("054cc74a37327db215e702e20c73f004")]
)
def test_a_wrong_password_opens_nothing(given: bytes) -> None:
    assert not password_matches(1, given)
