from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import zxid


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, zxid.MAX_COUNTER))
def test_parts_come_back(epoch: int, counter: int) -> None:
    made = zxid.make(epoch, counter)
    assert (zxid.epoch_of(made), zxid.counter_of(made)) == (epoch, counter)
    assert -(2**63) <= made < 2**63


@given(st.tuples(*[st.integers(0, 2**31 - 1)] * 2), st.tuples(*[st.integers(0, 2**31 - 1)] * 2))
def test_order_is_epoch_then_counter(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert (zxid.make(*a) < zxid.make(*b)) == (a < b)


def test_counter_must_fit() -> None:
    with pytest.raises(AssertionError, match="counter 4294967296"):
        zxid.make(1, zxid.MAX_COUNTER + 1)


def test_hex() -> None:
    assert zxid.to_hex(zxid.make(1, 0x2A)) == "0x10000002a"
    assert zxid.to_hex(0) == "0x0"
    assert zxid.to_hex(-1) == "0xffffffffffffffff"
    assert zxid.hex_digits(0x100000001) == "100000001"
