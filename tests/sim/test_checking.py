from __future__ import annotations

from typing import Any

import pytest

from tests.sim.entries import created, opened
from zoo.sim.checking import Checker, Checkers, Stalls, Violation
from zoo.sim.schedule import Schedule
from zoo.zab.ready import Ready


class Notes(Checker):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[str] = []

    def logged(self, txn: Any) -> None:
        self.told.append(f"logged {txn.header.zxid} of {self.history.last_zxid}")

    def lost(self, zxids: Any) -> None:
        self.told.append(f"lost {list(zxids)}")


class Core:
    """As much of a core as `recovered` looks at."""

    def __init__(self, last_zxid: int) -> None:
        self.tree = self
        self.last_zxid = last_zxid


def checkers() -> tuple[Checkers, Notes]:
    all_of_them = Checkers(Schedule(), [Notes])
    notes = all_of_them.all[0]
    assert isinstance(notes, Notes)
    return all_of_them, notes


ENTRIES = [opened(1), created(2, b"/a", 1), created(3, b"/b", 2)]


def test_the_history_grows_before_the_checkers_hear_of_it() -> None:
    group, notes = checkers()
    ready = Ready(ENTRIES[:2], 1, 2, False)
    group.handed(ready)
    assert notes.told == []
    group.durable(ready)
    assert notes.told == ["logged 1 of 1", "logged 2 of 2"]


@pytest.mark.parametrize("last", [1, 2, 3])
def test_what_was_under_way_may_or_may_not_have_reached_the_disk(last: int) -> None:
    group, notes = checkers()
    group.durable(Ready(ENTRIES[:1], 1, 1, False))
    group.handed(Ready(ENTRIES[1:], 2, 3, False))
    group.recovered(Core(last))  # type: ignore[arg-type]
    assert group.history.last_zxid == last
    assert len(notes.told) == last


def test_a_lost_end_is_told() -> None:
    group, notes = checkers()
    group.durable(Ready(ENTRIES, 1, 3, False))
    group.recovered(Core(1))  # type: ignore[arg-type]
    assert notes.told[-1] == "lost [2, 3]"


def test_an_impossible_entry_is_a_violation() -> None:
    group, _ = checkers()
    with pytest.raises(Violation, match="History: 0x3 is logged after 0x0"):
        group.durable(Ready(ENTRIES[2:], 3, 3, False))


def test_a_violation_names_its_checker() -> None:
    _, notes = checkers()
    with pytest.raises(Violation, match=r"^Notes: what"):
        notes.violated("what")


def test_stalls() -> None:
    stalls = Stalls()
    stalls.add(100, 50)
    stalls.add(300, 100)
    assert stalls.within(0, 500) == (2, 150)
    assert stalls.within(120, 320) == (2, 50)
    assert stalls.within(150, 300) == (0, 0)
    stalls.cut(350)
    assert stalls.within(0, 500) == (2, 100)
