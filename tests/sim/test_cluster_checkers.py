"""The protocol's checkers on hand-made histories: each sees what it is for, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sim.entries import multi
from zoo.jute.operations import Op
from zoo.jute.txn_records import ErrorTxn
from zoo.sim import cluster_checkers as kinds
from zoo.sim.checking import Violation
from zoo.sim.cluster_checking import ClusterChecker, ClusterCheckers, Ensemble
from zoo.sim.operator import initial
from zoo.sim.prefixes import Prefix
from zoo.sim.schedule import Schedule
from zoo.zab.packets import Packet, PacketType

E1, E2 = 1 << 32, 2 << 32


@dataclass(eq=False)
class Member:
    sid: int
    state: Prefix
    disk: Any
    is_up: bool = True
    is_lacking: bool = False
    is_serving: bool = True
    is_leading: bool = False
    is_voting: bool = False
    configurations: Any = None
    ends: dict[int, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"s{self.sid}"


class OneEnd:
    def __init__(self, host: Member) -> None:
        self.host = host
        self.is_alive = True
        self.other: OneEnd


class Stage:
    """Three members with empty disks, watched by one kind of checker; maybe others besides."""

    def __init__(self, kind: Callable[[Ensemble], ClusterChecker], count: int = 3) -> None:
        self.ensemble = Ensemble(Schedule(), initial([1, 2, 3], []))
        self.checkers = ClusterCheckers(self.ensemble, [kind])
        root = self.ensemble.prefixes.root
        for sid in range(1, count + 1):
            disk = SimpleNamespace(log=root, synced=root, accepted=0, current=0, configured=None)
            self.ensemble.members[sid] = Member(sid, root, disk)
        near, far = OneEnd(self[1]), OneEnd(self[2])
        near.other, far.other = far, near
        self.leader_end, self.learner_end = near, far

    def __getitem__(self, sid: int) -> Any:
        return self.ensemble.members[sid]

    def tell(self, what: str, *arguments: Any) -> None:
        self.checkers.tell(what, *arguments)

    def log(self, *zxids: int, session: int = 0, cxid: int = 0) -> Prefix:
        end = self.ensemble.prefixes.root
        for zxid in zxids:
            head = session.to_bytes(8, "big") + cxid.to_bytes(4, "big")
            end = self.ensemble.prefixes.after(end, zxid, head + b"%d" % zxid)
        return end

    def says(self, end: Any, kind: PacketType, zxid: int) -> None:
        self.tell("sent", end, Packet(kind, zxid))


def raises(name: str) -> Any:
    return pytest.raises(Violation, match=f"^{name}: ")


def test_agreement() -> None:
    stage = Stage(kinds.Continuity)
    stage.checkers.agree(stage[1], stage.log(E1 + 1, E1 + 2))
    stage.checkers.agree(stage[2], stage.log(E1 + 1))
    assert stage.ensemble.agreed.zxid == E1 + 2
    assert stage.ensemble.at_zxid.keys() == {0, E1 + 1, E1 + 2}
    with raises("Agreement"):
        stage.checkers.agree(stage[3], stage.log(E1 + 1, E2 + 1))


def test_durable_wants_a_quorum_of_disks() -> None:
    stage = Stage(kinds.Durable)
    log = stage.log(E1 + 1)
    for sid in (1, 2):
        stage[sid].disk.synced = log
    stage.checkers.agree(stage[1], log)
    with raises("Durable"):
        stage.checkers.agree(stage[1], stage.log(E1 + 1, E1 + 2))


def test_durable_counts_whose_disk_was_replaced() -> None:
    """Seed 6673: its ACK was on the way to a leader that stood still."""
    stage = Stage(kinds.Durable)
    log, root = stage.log(E1 + 1), stage.ensemble.prefixes.root
    for sid in (1, 2):
        stage[sid].disk.synced = log
    stage.tell("replaced", stage[2])
    stage[2].disk.synced = root
    stage.checkers.agree(stage[1], log)
    stage[1].disk.synced = stage.log(E1 + 1, E1 + 2)
    with raises("Durable"):
        stage.checkers.agree(stage[1], stage.log(E1 + 1, E1 + 2))


def test_durable_lets_no_quorum_forget() -> None:
    stage = Stage(kinds.Durable)
    log, root = stage.log(E1 + 1), stage.ensemble.prefixes.root
    for sid in (1, 2, 3):
        stage[sid].disk.synced = log
    stage.checkers.agree(stage[1], log)
    stage[3].disk.synced = root
    stage.tell("synced", stage[3], log, root)
    stage[2].disk.synced = root
    with raises("Durable"):
        stage.tell("synced", stage[2], log, root)


@pytest.mark.parametrize("second", [E1 + 3, E2 + 2, E2])
def test_continuity(second: int) -> None:
    stage = Stage(kinds.Continuity)
    root = stage.ensemble.prefixes.root
    good = stage.log(E1 + 1, E1 + 2, E2 + 1)
    stage.tell("logged", stage[1], root, good)
    with raises("Continuity"):
        stage.tell("logged", stage[1], root, stage.log(E1 + 1, second))


def test_continuity_guards_the_end_of_an_epoch() -> None:
    stage = Stage(kinds.Continuity)
    before = stage.log(E2 - 2)
    with raises("Continuity"):
        stage.tell("logged", stage[1], before, stage.log(E2 - 2, E2 - 1))


def test_applied_never_goes_back() -> None:
    stage = Stage(kinds.Applied)
    one, two = stage.log(E1 + 1), stage.log(E1 + 1, E1 + 2)
    stage.tell("applied", stage[1], two)
    with raises("Applied"):
        stage.tell("applied", stage[1], one)
    stage[1].state = one
    with raises("Applied"):
        stage.tell("learning", stage[1])
    stage.tell("started", stage[1])
    stage.tell("learning", stage[1])


def test_one_leader() -> None:
    stage = Stage(kinds.OneLeader)
    stage.tell("leading", stage[1], 1)
    stage.tell("leading", stage[2], 3)
    stage.tell("leading", stage[1], 2)  # it stood still in between
    with raises("OneLeader"):
        stage.tell("leading", stage[2], 1)
    stage[3].state = stage.log((9 << 32) + 1)
    with raises("OneLeader"):
        stage.tell("leading", stage[3], 9)


def test_promises_on_the_disk() -> None:
    stage = Stage(kinds.Promises)
    stage[1].disk.accepted = 5
    stage.tell("promised", stage[1], 5)
    stage.tell("entered", stage[1], 4)
    with raises("Promises"):
        stage.tell("promised", stage[1], 4)
    with raises("Promises"):
        stage.tell("entered", stage[1], 3)
    with raises("Promises"):
        stage.tell("entered", stage[1], 6)


def test_promises_on_the_wire() -> None:
    stage = Stage(kinds.Promises)
    stage.says(stage.leader_end, PacketType.LEADERINFO, E2)
    with raises("Promises"):
        stage.says(stage.learner_end, PacketType.ACKEPOCH, 0)
    stage[2].disk.accepted = 2
    stage.says(stage.learner_end, PacketType.ACKEPOCH, 0)
    stage.says(stage.leader_end, PacketType.LEADERINFO, E1)
    with raises("Promises"):
        stage.says(stage.learner_end, PacketType.ACK, E1 + 1)
    stage[2].disk.accepted = 1
    with raises("Promises"):
        stage.tell("started", stage[2])


def test_acks_of_proposals() -> None:
    stage = Stage(kinds.Acks)
    stage[2].disk.synced = stage.log(E1 + 1)
    stage.says(stage.learner_end, PacketType.ACK, E1 + 1)
    with raises("Acks"):
        stage.says(stage.learner_end, PacketType.ACK, E1 + 2)


def test_acks_of_new_leader() -> None:
    stage = Stage(kinds.Acks)
    for kind, zxid in (
        (PacketType.LEADERINFO, E2),
        (PacketType.DIFF, E1 + 2),
        (PacketType.PROPOSAL, E1 + 1),
        (PacketType.PROPOSAL, E1 + 2),
        (PacketType.NEWLEADER, E2),
        (PacketType.PROPOSAL, E2 + 1),  # need not be durable
    ):
        stage.says(stage.leader_end, kind, zxid)
    stage[2].disk.synced = stage.log(E1 + 1)
    with raises("Acks"):
        stage.tell("entered", stage[2], 2)
    stage[2].disk.current = 2
    with raises("Acks"):
        stage.says(stage.learner_end, PacketType.ACK, E2)
    stage[2].disk.synced = stage.log(E1 + 1, E1 + 2)
    stage.tell("entered", stage[2], 2)
    stage.says(stage.learner_end, PacketType.ACK, E2)
    stage[2].disk.current = 1
    with raises("Acks"):
        stage.says(stage.learner_end, PacketType.ACK, E2)


def test_votes() -> None:
    stage = Stage(kinds.Votes)
    one, two = stage.log(E1 + 1), stage.log(E1 + 1, E1 + 2)
    stage.tell("logged", stage[1], one, two)
    stage[1].is_voting = True
    stage.tell("logged", stage[1], two, one)
    with raises("Votes"):
        stage.tell("logged", stage[1], one, two)


def test_snapshots() -> None:
    stage = Stage(kinds.Snapshots)
    one, two = stage.log(E1 + 1), stage.log(E1 + 1, E1 + 2)
    stage.checkers.agree(stage[1], one)
    stage.tell("snapshot", stage[1], one)
    with raises("Snapshots"):
        stage.tell("snapshot", stage[2], two)


def test_client_order() -> None:
    stage = Stage(kinds.ClientOrder)
    stage.tell("decided", stage[1], stage.log(E1 + 1, session=7, cxid=2))
    stage.tell("decided", stage[1], stage.log(E1 + 1, session=8, cxid=1))
    with raises("ClientOrder"):
        stage.tell("decided", stage[1], stage.log(E1 + 2, session=7, cxid=2))
    before = bytes(7) + b"\7" + bytes(3) + b"\1"  # session 7, cxid 1
    late = before + bytes(16) + b"\xff\xff\xff\xff"
    error = before + multi(E1 + 2, (Op.error, ErrorTxn(-118)))[12:]
    nothing = before + multi(E1 + 2)[12:]  # seed 1480
    for refusal in (late, error, nothing):
        refused = stage.ensemble.prefixes.after(stage.log(E1 + 1), E1 + 2, refusal)
        stage.tell("decided", stage[1], refused)


def converged() -> Stage:
    stage = Stage(kinds.Converged)
    log = stage.log(E1 + 1)
    stage.checkers.agree(stage[1], log)
    for sid in (1, 2, 3):
        stage[sid].state = stage[sid].disk.synced = log
    stage[1].is_leading = True
    return stage


def test_converged() -> None:
    stage = converged()
    stage.tell("finished")  # raises if anything is amiss
    assert {server.state for server in map(stage.__getitem__, (1, 2, 3))} == {stage.log(E1 + 1)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stage: setattr(stage[2], "is_leading", True),
        lambda stage: setattr(stage[1], "is_leading", False),
        lambda stage: setattr(stage[3], "is_up", False),
        lambda stage: setattr(stage[3], "is_serving", False),
        lambda stage: setattr(stage[3], "state", stage.ensemble.prefixes.root),
        lambda stage: setattr(stage[3].disk, "synced", stage.ensemble.prefixes.root),
    ],
)
def test_not_converged(spoil: Callable[[Stage], None]) -> None:
    stage = converged()
    spoil(stage)
    with raises("Converged"):
        stage.tell("finished")
