from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import Code, KeeperError
from zoo.jute import ephemeral
from zoo.jute.ephemeral import EphemeralKind, kind

# Owner, then what Apache ZooKeeper 3.9.5 calls it: plain; with extended types; emulating 3.5.3 too.
JAVA = [
    (0x0, "VOID", "VOID", "VOID"),
    (0x1, "NORMAL", "NORMAL", "NORMAL"),
    (0xFFFFFFFFFFFFFFFF, "NORMAL", "invalid", "TTL"),
    (0x8000000000000000, "CONTAINER", "CONTAINER", "CONTAINER"),
    (0x8000000000000001, "NORMAL", "NORMAL", "TTL"),
    (0x100000000000001, "NORMAL", "NORMAL", "NORMAL"),
    (0xFF00000000000000, "NORMAL", "TTL", "TTL"),
    (0xFF00000000000001, "NORMAL", "TTL", "TTL"),
    (0xFF000000000003E8, "NORMAL", "TTL", "TTL"),
    (0xFF0000FFFFFFFFFF, "NORMAL", "TTL", "TTL"),
    (0xFF00010000000000, "NORMAL", "invalid", "TTL"),
    (0xFF01000000000000, "NORMAL", "invalid", "TTL"),
    (0xFE00000000000001, "NORMAL", "NORMAL", "TTL"),
    (0x7FFFFFFFFFFFFFFF, "NORMAL", "NORMAL", "NORMAL"),
    (0x80000000000003E8, "NORMAL", "NORMAL", "TTL"),
]


def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def verdict(owner: int, extended: bool, emulate_353: bool) -> str:
    try:
        return kind(owner, extended, emulate_353).name
    except KeeperError:
        return "invalid"


@pytest.mark.parametrize(("owner", "plain", "extended", "emulated"), JAVA)
def test_kinds(owner: int, plain: str, extended: str, emulated: str) -> None:
    number = signed(owner)
    assert verdict(number, False, False) == plain
    assert verdict(number, False, True) == plain
    assert verdict(number, True, False) == extended
    assert verdict(number, True, True) == emulated


def test_undefined_extended_type_says_which() -> None:
    with pytest.raises(KeeperError, match="0xff01000000000000") as caught:
        kind(signed(0xFF01000000000000))
    assert caught.value.code is Code.BADARGUMENTS


@given(st.integers(1, ephemeral.MAX_TTL))
def test_ttl_round_trip(ttl: int) -> None:
    owner = ephemeral.ttl_owner(ttl)
    assert -(1 << 63) <= owner < 0
    assert kind(owner) is EphemeralKind.TTL
    assert ephemeral.ttl_of(owner) == ttl
    assert not ephemeral.is_ephemeral(owner)


def test_ttl_owner_is_zookeepers() -> None:
    assert ephemeral.ttl_owner(1000) == signed(0xFF000000000003E8)
    assert ephemeral.MAX_TTL == 1099511627775


@pytest.mark.parametrize("ttl", [0, -1, ephemeral.MAX_TTL + 1])
def test_ttl_out_of_range(ttl: int) -> None:
    assert not ephemeral.valid_ttl(ttl)
    with pytest.raises(KeeperError, match=f"ttl {ttl} ms") as caught:
        ephemeral.ttl_owner(ttl)
    assert caught.value.code is Code.BADARGUMENTS


def test_is_ephemeral() -> None:
    assert ephemeral.is_ephemeral(0x100000000000001)
    assert not ephemeral.is_ephemeral(0)
    assert not ephemeral.is_ephemeral(ephemeral.CONTAINER_OWNER)
    assert ephemeral.is_ephemeral(ephemeral.ttl_owner(5), extended=False)
