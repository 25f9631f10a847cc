"""A leader that changes the configuration, and learners that go by it, packet by packet."""

from __future__ import annotations

from struct import pack
from types import SimpleNamespace
from typing import Any

import pytest

from tests.zab import learner_rig
from tests.zab.configured import change, listing
from tests.zab.leader_rig import E1, FakePeer, FakeReplica
from zoo.zab.configurations import Configuration, Configurations
from zoo.zab.follower import Follower
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.learner import Phase
from zoo.zab.packets import Packet, PacketType, bare, with_data
from zoo.zab.quorum import Majority

Z1, Z2, Z3 = E1 + 1, E1 + 2, E1 + 3


class Learner:
    def __init__(self, sid: int, is_observer: bool = False) -> None:
        self.sid = sid
        self.is_observer = is_observer
        self.got: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.got.append(data)


class Rig:
    """Server 1 leads 2 and 3; 4 and 5 follow without a vote, 6 observes."""

    def __init__(self) -> None:
        self.peer = peer = FakePeer()
        old = listing(1, 2, 3, observers=(6,), version=1)
        known = peer.configurations = Configurations(old, is_enabled=True)
        known.changed = lambda: setattr(peer, "quorum", known.quorum)
        known.store = peer.log.configure
        known.changed()
        self.retired: list[int] = []
        self.broadcast = Broadcast(peer, 1, self.retired.append)
        self.learners = {sid: Learner(sid, sid == 6) for sid in range(2, 7)}
        for learner in self.learners.values():
            self.broadcast.forward(learner)
        self.replica: FakeReplica = peer.replica
        self.replica.leading = self.broadcast
        self.broadcast.open()

    def propose(self, new: Configuration) -> None:
        """The change, between two other transactions."""
        assert new.version == Z2
        self.broadcast.propose(Z1, b"before")
        self.broadcast.propose_configuration(Z2, change(new), new)
        self.broadcast.propose(Z3, b"after")

    def acknowledge(self, zxid: int, *sids: int) -> int:
        """Returns what is committed then."""
        for sid in sids:
            self.broadcast.acknowledged(sid, zxid)
        return self.replica.last_zxid


def test_what_stands_before_needs_the_old_quorum_and_the_rest_both() -> None:
    rig = Rig()
    rig.propose(listing(1, 2, 3, 4, 5, version=Z2))
    assert rig.broadcast.is_changing
    assert rig.acknowledge(Z3, 1, 2) == Z1
    assert rig.acknowledge(Z2, 4) == Z2
    assert not rig.broadcast.is_changing
    assert isinstance(rig.peer.quorum, Majority)
    assert rig.acknowledge(Z3, 4) == Z3
    assert not rig.retired


def test_a_change_may_be_the_first_of_its_epoch() -> None:
    """Then nothing stands before it in this epoch: its beginning is no transaction."""
    rig = Rig()
    new = listing(1, 2, 3, 4, version=Z1)
    rig.broadcast.propose_configuration(Z1, change(new), new)
    assert rig.acknowledge(Z1, 1, 2) == 0
    assert rig.acknowledge(Z1, 3) == Z1
    assert rig.replica.commits == [Z1]


def test_a_sync_before_a_change_is_answered_by_the_old_quorum() -> None:
    """The new one has not come so far; the leader once went round and round here."""
    rig = Rig()
    rig.broadcast.propose(Z1, b"first")
    rig.broadcast._answer(rig.learners[2], bare(PacketType.SYNC, 0), after_round=1)
    new = listing(1, 4, 5, version=Z3)
    rig.broadcast.propose(Z2, b"before")
    rig.broadcast.propose_configuration(Z3, change(new), new)
    assert rig.acknowledge(Z3, 1, 2) == Z2
    assert bare(PacketType.SYNC, 0) in rig.learners[2].got


def test_a_new_quorum_alone_commits_nothing() -> None:
    rig = Rig()
    rig.propose(listing(1, 4, 5, version=Z2))
    assert rig.acknowledge(Z3, 1, 4, 5) == 0
    assert rig.acknowledge(Z3, 3) == Z3


def test_the_commit_activates_and_names_the_leader() -> None:
    rig = Rig()
    new = listing(1, 2, 3, 4, version=Z2)
    rig.propose(new)
    rig.acknowledge(Z2, 1, 2, 3)
    leader = pack(">q", 1)
    commit = with_data(PacketType.COMMITANDACTIVATE, Z2, leader)
    assert rig.learners[2].got[-2:] == [bare(PacketType.COMMIT, Z1), commit]
    inform = with_data(PacketType.INFORMANDACTIVATE, Z2, leader + change(new))
    assert rig.learners[6].got[-1] == inform


@pytest.mark.parametrize(
    "new",
    [
        listing(2, 3, 4, version=Z2),
        listing(2, 3, 4, observers=(1,), version=Z2),
        listing(1, 2, 3, 4, moved=(1,), version=Z2),
    ],
)
def test_a_leader_that_leaves_names_who_has_most_and_commits_no_more(new: Configuration) -> None:
    rig = Rig()
    rig.propose(new)
    rig.acknowledge(Z3, 3)
    assert rig.acknowledge(Z2, 1, 2) == Z2
    assert rig.retired == [3]
    assert rig.acknowledge(Z3, 1, 2, 4) == Z2


def test_the_disk_knows_of_the_change_before_it_is_logged() -> None:
    rig = Rig()
    new = listing(1, 2, version=Z2)
    rig.propose(new)
    log = rig.peer.log
    first = log.ready()
    assert first is not None
    assert (first.entries, first.configured) == ([b"before"], None)
    log.on_persisted(first)
    second = log.ready()
    assert second is not None
    assert second.configured is not None
    assert second.configured.seen == new.text
    assert second.entries == [change(new), b"after"]


def test_a_follower_passes_a_change_on_under_its_own_zxid() -> None:
    """Which in a new epoch is not the one behind the last commit."""
    passed: list[tuple[int, bytes, int]] = []
    follower = object.__new__(Follower)
    follower.phase = Phase.BROADCAST
    observers: Any = SimpleNamespace(activates=lambda *change: passed.append(change))
    context: Any = SimpleNamespace(configurations=Configurations(listing(1)))
    follower._observers, follower._context = observers, context
    follower._activate(Z1, b"entry", 1)
    assert passed == [(Z1, b"entry", 1)]


E5 = 5 << 32


@pytest.mark.parametrize(
    ("version", "holds", "why"),
    [
        (E1 + 2, True, "its transaction is committed"),
        (E5, True, "the epoch has given it its version"),
        (E1 + 9, True, "it is of an earlier epoch: its transaction is lost"),
        (E5 + 1, False, "it is under way"),
    ],
)
def test_what_newleader_announces_holds_from_uptodate_on(
    version: int, holds: bool, why: str
) -> None:
    """Unless it is under way: then its commit is to come. Seed 680 had one that was lost."""
    peer = learner_rig.FakePeer(learner_rig.entries(1, 1, 2, 3))
    known = Configurations(listing(1, 2, 3, version=1), is_enabled=True)
    known.store = peer.log.configure
    peer.configurations = known
    rig = learner_rig.Rig(peer)
    rig.discover()
    rig.says(Packet(PacketType.DIFF, E1 + 3))
    rig.establish(announced=listing(1, 2, 3, 4, version=version).text)
    assert rig.role.phase is Phase.BROADCAST
    assert known.seen.version == version
    assert (known.committed.version == version) is holds, why
