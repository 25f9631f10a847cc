"""The role of a lone server: contiguous zxids, one batch at a time, nothing committed undurable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.zab.ready import Ready
from zoo.zab.standalone import Standalone


def propose(role: Standalone, count: int = 1) -> int:
    for _ in range(count):
        zxid = role.next_zxid()
        role.propose(zxid, b"%x" % zxid)
    return role.proposed


def test_zxids_are_contiguous_from_the_recovered_one_on() -> None:
    role = Standalone(0x1_0000_0007)
    assert role.next_zxid() == 0x1_0000_0008
    assert role.next_zxid() == 0x1_0000_0008, "asking spends nothing"
    assert propose(role, 2) == 0x1_0000_0009


@pytest.mark.parametrize("zxid", [6, 8, 4, 0])
def test_another_zxid_than_the_next_stops_the_server(zxid: int) -> None:
    role = Standalone(6)
    with pytest.raises(AssertionError, match="contiguous"):
        role.propose(zxid, b"")


def test_a_batch_holds_all_that_was_proposed_until_it_is_handed_over() -> None:
    role = Standalone(0)
    assert role.ready() is None
    propose(role, 3)
    assert role.ready() == Ready([b"1", b"2", b"3"], 1, 3, False)


def test_one_batch_at_a_time() -> None:
    role = Standalone(0)
    propose(role)
    assert role.ready() is not None
    propose(role, 2)
    assert role.ready() is None
    assert role.on_persisted(1) == 1
    assert role.ready() == Ready([b"2", b"3"], 2, 3, False)
    assert role.ready() is None


@pytest.mark.parametrize("zxid", [0, 1, 3])
def test_what_was_not_handed_over_cannot_be_durable(zxid: int) -> None:
    role = Standalone(0)
    propose(role, 2)
    role.ready()
    propose(role)
    with pytest.raises(AssertionError, match="0x2 was handed over"):
        role.on_persisted(zxid)


def test_the_log_rolls_once_with_the_next_batch() -> None:
    role = Standalone(0)
    role.roll_log()
    assert role.ready() is None, "nothing to write, nothing to roll for"
    for roll in (True, False):
        propose(role)
        ready = role.ready()
        assert ready is not None
        assert ready.roll is roll
        role.on_persisted(ready.last_zxid)


def test_roll_while_a_batch_is_under_way_waits_for_the_next() -> None:
    role = Standalone(0)
    propose(role)
    first = role.ready()
    role.roll_log()
    propose(role)
    role.on_persisted(1)
    second = role.ready()
    assert first is not None
    assert second is not None
    assert (first.roll, second.roll) == (False, True)


def test_the_counter_never_reaches_all_ones() -> None:
    """ZOOKEEPER-1277: the next increment would change the epoch behind everybody's back."""
    role = Standalone(0x3_FFFF_FFFD)
    assert propose(role) == 0x3_FFFF_FFFE
    assert propose(role) == 0x4_0000_0001
    assert propose(role) == 0x4_0000_0002
    assert Standalone(0x3_FFFF_FFFE).next_zxid() == 0x4_0000_0001


@given(st.lists(st.sampled_from(("propose", "ready", "persisted")), max_size=60))
def test_any_interleaving_hands_over_each_entry_once_and_in_order(steps: list[str]) -> None:
    role = Standalone(0)
    written: list[bytes] = []
    under_way: Ready | None = None
    for step in steps:
        if step == "propose":
            propose(role)
        elif step == "ready":
            ready = role.ready()
            assert ready is None or under_way is None
            if ready is not None:
                assert ready.first_zxid == len(written) + 1
                written += ready.entries
                under_way = ready
        elif under_way is not None:
            assert role.on_persisted(under_way.last_zxid) == len(written)
            under_way = None
    assert written == [b"%x" % zxid for zxid in range(1, len(written) + 1)]
    assert role.persisted <= role.handed <= role.proposed
