"""The checkers of changing configurations, on hand-made histories and on broken members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.sim.test_cluster_checkers import Stage, raises
from tests.sim.zab_scenarios import CHANGING, verdict
from zoo.sim import configuration_checkers as kinds
from zoo.sim.operator import initial
from zoo.zab.configurations import Configuration, Configurations
from zoo.zab.leader import Leader
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.learner import Learner
from zoo.zab.peer import Peer
from zoo.zab.ready import Configured

V2, V3 = 0x100000002, 0x100000003


def to(*voters: int, version: int = V2) -> Configuration:
    return initial(voters, []).with_version(version)


def knowing(stage: Stage, new: Configuration, *sids: int) -> Stage:
    """The disks of these know that `new` may come to hold."""
    for sid in sids:
        stage[sid].disk.configured = Configured(b"", 0, new.text)
    return stage


def goes_by(stage: Stage, sid: int, new: Configuration) -> None:
    stage[sid].configurations = Configurations(new)
    stage.checkers.configured(stage[sid])


def test_activation_wants_quorums_of_both() -> None:
    new = to(1, 4, 5)
    goes_by(knowing(Stage(kinds.Activation, 5), new, 1, 2, 4), 1, new)
    for few in ((1, 4, 5), (1, 2, 3), ()):
        with raises("Activation"):
            goes_by(knowing(Stage(kinds.Activation, 5), new, *few), 1, new)


def test_activation_counts_what_a_disk_takes_for_committed() -> None:
    stage, new = Stage(kinds.Activation), to(1, 2)
    for sid in (1, 2):
        stage[sid].disk.configured = Configured(new.text, V2, None)
    goes_by(stage, 1, new)
    assert stage.ensemble.configuration is new
    assert stage.ensemble.changes == 1


def test_versions_ascend_and_mean_the_same_voters_everywhere() -> None:
    stage, new = Stage(kinds.Activation), to(1, 2)
    goes_by(knowing(stage, new, 1, 2, 3), 1, new)
    with raises("Activation"):
        goes_by(stage, 1, new)
    with raises("Activation"):
        goes_by(stage, 2, to(1, 3))
    goes_by(stage, 3, initial([1, 2], [3]).with_version(V2))
    with raises("Activation"):
        goes_by(stage, 2, to(1, 2, version=0))
    stage.tell("started", stage[1])
    with raises("Activation"):
        goes_by(stage, 1, new)


def established(promised: tuple[int, ...], sid: int, mine: Configuration) -> Stage:
    """By `to(1, 2, 3)`; the third version, without 1, holds."""
    stage, new = Stage(kinds.Electors), to(2, 3, version=V3)
    stage.ensemble.previous, stage.ensemble.configuration = to(1, 2, 3), new
    for each in promised:
        stage[each].disk.accepted = 2
    stage[sid].configurations = Configurations(mine)
    stage.tell("leading", stage[sid], 2)
    return stage


def test_electors() -> None:
    new = to(2, 3, version=V3)
    established((2, 3), 2, new)
    established((1, 2, 3), 1, new)  # it has just completed the change by which it leaves
    with raises("Electors"):
        established((1, 2), 2, new)
    with raises("Electors"):
        established((2, 3), 2, to(1, 2, 3))
    with raises("Electors"):
        stage = established((2, 3), 2, new)
        stage.ensemble.previous = new
        stage[1].configurations = Configurations(new)
        stage.tell("leading", stage[1], 2)


def test_a_leader_of_long_ago_may_find_out_late() -> None:
    stage = established((2, 3), 2, to(2, 3, version=V3))
    stage[1].configurations = Configurations(to(1, 2, 3))
    stage.tell("leading", stage[1], 1)
    with raises("Electors"):
        stage.tell("leading", stage[1], 3)


def test_who_was_removed_commits_no_more() -> None:
    stage = established((1, 2, 3), 1, to(2, 3, version=V3))
    stage[1].is_leading = True
    stage[1].disk.current = 2
    stage.tell("decided", stage[1], stage.log(V3))
    stage.tell("decided", stage[1], stage.log(V3, V3 + 1))  # of the history that it took over
    stage[1].disk.current = 1
    with raises("Electors"):
        stage.tell("decided", stage[1], stage.log(V3, V3 + 1))


def test_informed() -> None:
    stage, new = Stage(kinds.Informed), to(1, 2)
    stage.ensemble.configuration = new
    for sid in (1, 2, 3):
        stage[sid].configurations = Configurations(new if sid < 3 else to(1, 2, 3, version=0))
    stage.tell("finished")
    stage[2].configurations = Configurations(to(1, 2, 3, version=0))
    with raises("Informed"):
        stage.tell("finished")


# --- broken members


def by_the_committed(self: Configurations) -> None:
    self.quorum = self.committed.quorum


def by_the_seen(self: Configurations) -> None:
    self.quorum = self.seen.quorum


def without_note(self: Configurations) -> None:
    self._decide()
    self.store(Configured(self.committed.text, self.committed.version, None))
    self.changed()


def as_before(self: Peer) -> None:
    self.election.reconfigure(self.quorum, self.configurations.committed.text)


MUTANTS: dict[str, tuple[object, str, object]] = {
    "old": (Configurations, "_decide", by_the_committed),
    "new": (Configurations, "_decide", by_the_seen),
    "forgets": (Configurations, "_settle", without_note),
    "same quorum": (Peer, "_configured", as_before),
    "stays": (Broadcast, "designated", lambda self, new: self._context.my_id),
    "withholds": (Leader, "announced", property(lambda self: b"")),
    "deaf": (Learner, "_activate", lambda self, zxid, entry, leader: False),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_member_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, broken = MUTANTS[name]
    monkeypatch.setattr(where, what, broken)
    found = next(filter(None, (verdict(seed, CHANGING) for seed in range(40))), "")
    assert found


def test_nothing_is_wrong_with_whole_members() -> None:
    worlds: list[Callable[[], str]] = [
        lambda seed=seed: verdict(seed, CHANGING) for seed in range(4)
    ]
    assert [world() for world in worlds] == [""] * 4
    assert verdict(1, replace(CHANGING, reconfig_every=0, spares=0)) == ""
