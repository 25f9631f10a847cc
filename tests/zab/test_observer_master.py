"""A follower that feeds observers: what they get, what it relays, and for whom answers are."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.zab.ensemble_rig import Ensemble, Server
from tests.zab.learner_rig import FakePeer, Rig, commits, entries, proposals
from zoo.jute.operations import Op
from zoo.jute.quorum_records import LearnerInfo
from zoo.jute.schema import encode
from zoo.zab import follower
from zoo.zab.follower import Follower
from zoo.zab.link import PeerLink
from zoo.zab.packets import EXACT_CUT, Packet, PacketType, encode_packet, parse_packet
from zoo.zab.vote import ServerState

OLD = entries(1, 1, 2, 3)
NEW = entries(5, *range(1, 9))
SYNC, SET_DATA = 9, 5


class Feeding(Rig):
    """A follower in step with a leader, and one observer of its own, each played by the test."""

    def __init__(self) -> None:
        super().__init__(FakePeer(OLD))
        self.discover()
        self.says(Packet(PacketType.DIFF, OLD[-1][0]))
        self.establish()
        self.said()
        self.observer = PeerLink("observer", self.peer.dirty)
        self.follower.observer_link(self.observer)

    @property
    def follower(self) -> Follower:
        assert isinstance(self.role, Follower)
        return self.role

    def asks(self, *packets: Packet) -> None:
        """The observer says."""
        self.observer.received(b"".join(map(encode_packet, packets)))

    def hears(self) -> list[Packet]:
        """What the observer has been sent."""
        data, packets, pos = b"", [], 0
        while piece := self.observer.take_output():
            data += piece
            self.observer.sent(len(piece))
        while pos < len(data):
            parsed = parse_packet(data, pos, 1 << 20)
            assert parsed is not None
            packet, pos = parsed
            packets.append(packet)
        return packets

    def introduce(self, kind: PacketType = PacketType.OBSERVERINFO) -> None:
        info = encode(LearnerInfo(4, 0x10000, 0)) + EXACT_CUT
        self.asks(Packet(kind, 0, info))

    def feed(self, last: int = OLD[-1][0]) -> list[Packet]:
        """Bring the observer in step; returns what it took."""
        self.introduce()
        heard = self.hears()
        self.asks(Packet(PacketType.ACKEPOCH, last, struct.pack(">i", 1)))
        heard += self.hears()
        self.asks(Packet(PacketType.ACK, 5 << 32))
        heard += self.hears()
        self.asks(Packet(PacketType.ACK, 5 << 32))
        return heard


def kinds(packets: list[Packet]) -> list[str]:
    return [PacketType(packet.type).name for packet in packets]


def test_an_observer_is_synchronised_without_waiting_for_anybody() -> None:
    rig = Feeding()
    heard = rig.feed(OLD[1][0])
    assert kinds(heard) == ["LEADERINFO", "DIFF", "PROPOSAL", "COMMIT", "NEWLEADER", "UPTODATE"]
    assert [heard[0].zxid, heard[-2].zxid] == [5 << 32, 5 << 32]
    assert rig.follower.fed_observers == 1


def test_it_gets_what_is_committed_and_nothing_else() -> None:
    rig = Feeding()
    rig.feed()
    rig.says(*proposals(NEW))
    assert rig.hears() == []
    rig.says(*commits(NEW[:3]))
    assert [(p.type, p.zxid, p.data) for p in rig.hears()] == [
        (PacketType.INFORM, zxid, entry) for zxid, entry in NEW[:3]
    ]
    late = PeerLink("late", rig.peer.dirty)
    rig.follower.observer_link(late)
    rig.says(*commits(NEW[3:]))
    assert [p.zxid for p in rig.hears()] == [zxid for zxid, _ in NEW[3:]]


def test_one_that_comes_between_proposal_and_commit_gets_each_once() -> None:
    rig = Feeding()
    rig.says(*proposals(NEW[:4]), *commits(NEW[:2]))
    heard = rig.feed()
    assert [p.zxid for p in heard if p.type == PacketType.PROPOSAL] == [z for z, _ in NEW[:2]]
    rig.says(*commits(NEW[2:4]))
    assert [p.zxid for p in rig.hears()] == [zxid for zxid, _ in NEW[2:4]]


def test_an_observer_that_has_heard_of_more_is_not_cut_back() -> None:
    rig = Feeding()
    rig.says(*proposals(NEW[:4]), *commits(NEW[:2]))
    rig.introduce()
    rig.hears()
    rig.asks(Packet(PacketType.ACKEPOCH, NEW[3][0], struct.pack(">i", 5)))
    assert rig.hears() == []
    assert rig.observer.closing
    rig.says(*commits(NEW[2:4]))
    rig.observer = PeerLink("it comes again", rig.peer.dirty)
    rig.follower.observer_link(rig.observer)
    assert kinds(rig.feed(NEW[3][0])) == ["LEADERINFO", "DIFF", "NEWLEADER", "UPTODATE"]


def test_voters_are_sent_away() -> None:
    rig = Feeding()
    rig.introduce(PacketType.FOLLOWERINFO)
    assert rig.observer.closing


def test_before_it_is_in_step_a_follower_takes_nobody() -> None:
    rig = Rig(FakePeer(OLD))
    rig.discover()
    assert isinstance(rig.role, Follower)
    link = PeerLink("early", rig.peer.dirty)
    rig.role.observer_link(link)
    assert link.closing


def test_what_an_observers_clients_write_goes_to_the_leader() -> None:
    rig = Feeding()
    rig.feed()
    request = struct.pack(">qii", 77, 3, SET_DATA) + b"payload"
    another = struct.pack(">qii", 77, 4, SET_DATA) + b"another"
    rig.asks(Packet(PacketType.REQUEST, -1, request), Packet(PacketType.REQUEST, -1, another))
    assert [(p.type, p.data) for p in rig.said()] == [
        (PacketType.REQUEST, request),
        (PacketType.REQUEST, another),
    ]


def test_answers_to_syncs_go_to_who_asked_behind_what_is_committed() -> None:
    rig = Feeding()
    rig.feed()
    rig.follower.forward(11, 1, SYNC, b"", [])
    rig.asks(Packet(PacketType.REQUEST, -1, struct.pack(">qii", 77, 3, SYNC)))
    rig.follower.forward(11, 2, SYNC, b"", [])
    rig.says(Packet(PacketType.SYNC, 0))
    assert rig.hears() == []
    rig.says(*proposals(NEW[:1]), *commits(NEW[:1]), Packet(PacketType.SYNC, 0))
    assert kinds(rig.hears()) == ["INFORM", "SYNC"]
    rig.says(Packet(PacketType.SYNC, 0))
    assert rig.hears() == []
    assert rig.replica.answers.count(("synced",)) == 2


def test_answers_about_sessions_go_to_who_asked() -> None:
    rig = Feeding()
    rig.feed()
    rig.follower.revalidate(5, 1000)
    rig.asks(Packet(PacketType.REVALIDATE, -1, struct.pack(">qi", 5, 2000)))
    assert kinds(rig.said()) == ["REVALIDATE", "REVALIDATE"]
    answer = Packet(PacketType.REVALIDATE, -1, struct.pack(">q?", 5, True))
    rig.says(answer)
    assert rig.hears() == []
    rig.says(answer)
    assert [(p.type, p.data) for p in rig.hears()] == [(answer.type, answer.data)]


def test_what_an_observer_asks_for_a_session_that_has_moved_is_refused() -> None:
    """Seed 12716: the leader took both for one server, and did what the old one sent too late."""
    rig = Feeding()
    rig.feed()

    def relayed(op: int) -> list[tuple[int, bytes]]:
        rig.asks(Packet(PacketType.REQUEST, -1, struct.pack(">qii", 5, 3, op) + b"payload"))
        said = [struct.unpack_from(">qii", p.data or b"") for p in rig.said()]
        assert [each[:2] for each in said] == [(5, 3)]
        return [each[2] for each in said]

    assert relayed(SET_DATA) == [SET_DATA]
    rig.follower.revalidate(5, 1000)
    rig.said()
    assert relayed(SET_DATA) == [int(Op.error)]
    assert relayed(int(Op.closeSession)) == [int(Op.closeSession)]
    rig.asks(Packet(PacketType.REVALIDATE, -1, struct.pack(">qi", 5, 2000)))
    rig.said()
    assert relayed(SET_DATA) == [SET_DATA]


def test_not_all_moves_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "MAX_HOMES", 2)
    rig = Feeding()
    rig.feed()
    for session_id in (5, 6, 5, 7):
        rig.follower.revalidate(session_id, 1000)
    assert list(rig.follower._homes) == [5, 7]


def test_an_observer_that_has_gone_is_not_answered() -> None:
    rig = Feeding()
    rig.feed()
    rig.asks(Packet(PacketType.REQUEST, -1, struct.pack(">qii", 77, 3, SYNC)))
    rig.observer.broken()
    rig.says(Packet(PacketType.SYNC, 0))
    assert ("synced",) not in rig.replica.answers
    assert rig.follower.fed_observers == 0


def test_sessions_that_observers_hear_of_are_reported() -> None:
    rig = Feeding()
    rig.feed()
    rig.asks(Packet(PacketType.PING, 5 << 32, struct.pack(">qi", 77, 4000)))
    rig.says(Packet(PacketType.PING, 5 << 32))
    (ping,) = [p for p in rig.said() if p.type == PacketType.PING]
    assert struct.pack(">qi", 77, 4000) in (ping.data or b"")
    rig.says(Packet(PacketType.PING, 5 << 32))
    (ping,) = [p for p in rig.said() if p.type == PacketType.PING]
    assert struct.pack(">qi", 77, 4000) not in (ping.data or b"")


def test_it_pings_and_cuts_off_who_is_silent() -> None:
    rig = Feeding()
    rig.feed()
    rig.tick(60)
    assert kinds(rig.hears()) == ["PING"]
    for _ in range(20):
        rig.says(Packet(PacketType.PING, 5 << 32))
        rig.tick(50)
    assert rig.observer.closing


def test_when_the_follower_loses_its_leader_observers_are_let_go() -> None:
    rig = Feeding()
    rig.feed()
    rig.link.broken()
    assert rig.peer.looked
    assert rig.observer.closing


# --- whole ensembles


def feeding(seed: int) -> tuple[Ensemble, Server]:
    ensemble = Ensemble(seed, voters=3, observers=1)
    ensemble.feeds_observers = True
    ensemble.boot()
    ensemble.wait_until_all_serve()
    return ensemble, ensemble.servers[4]


def master_of(observer: Server) -> int:
    assert observer.peer
    assert observer.peer.observer_master_id
    return observer.peer.observer_master_id


@pytest.mark.parametrize("seed", range(5))
def test_observers_ride_through_the_loss_of_their_master_and_of_the_leader(seed: int) -> None:
    ensemble, observer = feeding(seed)
    ensemble.write(50)
    ensemble.settle()
    master = ensemble.servers[master_of(observer)]
    assert master.peer
    assert master.peer.state is ServerState.FOLLOWING
    assert master.peer.fed_observers == 1
    ensemble.crash(master.sid)
    ensemble.write(50)
    ensemble.settle()
    assert master_of(observer) != master.sid
    ensemble.boot(master.sid)
    ensemble.wait_until_all_serve()
    ensemble.crash(ensemble.wait_for_leader().sid)
    ensemble.wait_for_leader()
    ensemble.write(50)
    assert len(ensemble.settle()) == 150
    assert observer.is_serving


@pytest.mark.parametrize("seed", range(3))
def test_an_observer_that_was_away_for_long_is_sent_a_snapshot_by_a_follower(seed: int) -> None:
    ensemble = Ensemble(seed, voters=3, observers=1, window=100)
    ensemble.feeds_observers = True
    ensemble.boot(1, 2, 3)
    ensemble.wait_until_all_serve()
    for _ in range(30):
        ensemble.write(100)
        ensemble.run(20)
    ensemble.boot(4)
    ensemble.wait_until_all_serve()
    assert len(ensemble.settle()) == 3000
    leader = ensemble.wait_for_leader()
    assert master_of(ensemble.servers[4]) != leader.sid


def test_a_burst_of_commits_larger_than_the_window_reaches_observers() -> None:
    rig = Feeding()
    rig.feed()
    rig.peer.history.max_txns = 2
    rig.says(*proposals(NEW), *commits(NEW))
    assert [packet.zxid for packet in rig.hears()] == [zxid for zxid, _ in NEW]
    later = entries(5, 9, 10, 11)
    rig.says(*proposals(later), *commits(later))
    assert [packet.zxid for packet in rig.hears()] == [zxid for zxid, _ in later]
    rig.follower.stop()
    assert rig.peer.history.unread is None


@pytest.mark.parametrize(("limit", "kind"), [(1 << 20, "DIFF"), (3, "SNAP")])
def test_who_has_missed_too_much_gets_a_snapshot(limit: int, kind: str) -> None:
    """observerMaster.sizeLimit"""
    rig = Feeding()
    rig.peer.settings = replace(rig.peer.settings, max_missed=limit)
    rig.introduce()
    rig.asks(Packet(PacketType.ACKEPOCH, OLD[0][0], struct.pack(">i", 1)))
    data = rig.observer.take_output()
    packet, end = parse_packet(data, 0, 1 << 20) or (None, 0)
    assert packet is not None
    assert packet.type == PacketType.LEADERINFO
    packet, _ = parse_packet(data, end, 1 << 20) or (None, 0)
    assert packet is not None
    assert PacketType(packet.type).name == kind
