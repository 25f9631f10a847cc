from __future__ import annotations

import pytest

from tests.zab.configured import change, listing
from zoo.errors import ProtocolViolation
from zoo.zab.configurations import (
    Configurations,
    carries_configuration,
    changes_part,
    configuration_in,
    fixed,
    parse_configuration,
)
from zoo.zab.quorum import Majority
from zoo.zab.quorum_joint import Joint
from zoo.zab.ready import Configured

THREE = listing(1, 2, 3, version=5)
FIVE = listing(1, 2, 3, 4, 5, version=9)


def make(**more: object) -> tuple[Configurations, list[Configured]]:
    known = Configurations(THREE, is_enabled=True)
    kept: list[Configured] = []
    known.store = kept.append
    return known, kept


def test_a_change_is_kept_before_it_holds_and_asks_both() -> None:
    known, kept = make()
    known.see(FIVE)
    assert known.is_changing
    assert isinstance(known.quorum, Joint)
    assert kept == [Configured(THREE.text, 5, FIVE.text)]
    assert known.activate(FIVE)
    assert not known.is_changing
    assert known.quorum is FIVE.quorum
    assert kept[1:] == [Configured(FIVE.text, 9, None)]


def test_what_is_known_or_old_changes_nothing() -> None:
    known, kept = make()
    known.see(listing(1, version=4))
    known.see(THREE)
    assert not known.activate(listing(1, version=4))
    assert not known.activate(THREE)
    assert not kept


def test_a_leader_that_knows_of_no_change_ends_it() -> None:
    known, kept = make()
    known.see(FIVE)
    known.see(parse_configuration(THREE.text))
    assert not known.is_changing
    assert known.quorum is THREE.quorum
    assert kept[-1] == Configured(THREE.text, 5, None)


def test_the_first_leader_gives_a_version_and_no_second_quorum_is_needed() -> None:
    known = Configurations(listing(1, 2, 3), is_enabled=True)
    known.establish(3)
    assert known.seen.version == 3 << 32
    assert isinstance(known.quorum, Majority)
    assert not known.activate(known.seen)
    assert known.committed.text.endswith(b"version=300000000")
    known.establish(4)
    assert known.seen.version == 3 << 32


def test_where_reconfig_is_disabled_nothing_happens() -> None:
    known = Configurations(THREE, FIVE)
    known.see(FIVE)
    known.establish(7)
    assert not known.activate(FIVE)
    assert known.quorum is THREE.quorum
    assert fixed(THREE.quorum, b"text").committed.text == b"text"


def test_a_change_that_was_under_way_at_a_crash_still_is() -> None:
    assert Configurations(THREE, FIVE, is_enabled=True).is_changing
    assert not Configurations(FIVE, THREE, is_enabled=True).is_changing


def test_transactions_that_carry_a_configuration_are_told_from_others() -> None:
    entry = change(FIVE)
    assert carries_configuration(entry)
    assert configuration_in(entry).text == FIVE.text
    assert not carries_configuration(b"00000001 any text that is longer than a header")
    with pytest.raises(ProtocolViolation, match="torn"):
        configuration_in(entry[:40])
    for text in (b"", b"\xff", b"server.x=1", b"tickTime=5"):
        with pytest.raises(ProtocolViolation):
            parse_configuration(text)


def test_who_gets_another_part() -> None:
    observing = listing(1, 2, observers=(3,), version=9)
    assert changes_part(THREE, observing, 3, 1, 1)
    assert changes_part(observing, THREE, 3, 1, None)
    assert not changes_part(THREE, FIVE, 3, 1, 1)
    assert changes_part(THREE, FIVE, 3, 1, 2)
    assert not changes_part(THREE, FIVE, 3, 1, None)
    assert changes_part(THREE, listing(2, 3, version=9), 3, 1, None)
    assert changes_part(THREE, listing(1, 2, 3, version=9, moved=(1,)), 3, 1, None)
    assert not changes_part(THREE, listing(1, 2, 3, version=9, moved=(2,)), 3, 1, None)
