"""A learner's way to its leader: dialling, promises and what each of them waits for."""

from __future__ import annotations

import struct

import pytest

from tests.zab.learner_rig import FakePeer, Rig, commits, entries, proposals
from zoo.jute.codec import Reader
from zoo.jute.quorum_records import LearnerInfo
from zoo.jute.records import Id
from zoo.jute.schema import decode
from zoo.zab.context import Epochs
from zoo.zab.learner import CONNECT_MS, Phase
from zoo.zab.link import PeerLink
from zoo.zab.packets import Packet, PacketType

OLD = entries(1, 1, 2, 3)
NEW = entries(1, 4, 5)


def serving() -> Rig:
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(Packet(PacketType.DIFF, OLD[-1][0]))
    rig.establish()
    return rig


# --- dialling


def test_it_introduces_itself_with_its_accepted_epoch() -> None:
    rig = Rig(FakePeer(OLD, Epochs(4, 1)))
    rig.connect()
    (packet,) = rig.said()
    assert (packet.type, packet.zxid) == (PacketType.FOLLOWERINFO, 4 << 32)
    assert decode(LearnerInfo, Reader(packet.data or b"")) == LearnerInfo(2, 0x10000, 0)
    assert (packet.data or b"").endswith(b"zoo1")


def test_a_leader_that_does_not_answer_is_dialled_again_soon_and_given_up_after_a_while() -> None:
    rig = Rig()
    began = rig.peer.now_ms
    attempts = 0
    while rig.peer.looked is None:
        if rig.peer.wanted_leader is not None:
            attempts += 1
            rig.peer.wanted_leader = None
            rig.role.leader_link(None)
        rig.tick(1)
        assert rig.peer.now_ms < began + 2 * CONNECT_MS
        if attempts == 3:
            assert rig.peer.now_ms <= began + 10
    assert 20 < attempts < 40


def test_a_leader_that_closes_at_once_is_dialled_again() -> None:
    """It was elected and does not know it yet."""
    rig = Rig()
    rig.connect()
    rig.link.broken()
    rig.tick(2)
    assert rig.discover().type == PacketType.ACKEPOCH


def test_a_dial_without_an_end_is_given_up_after_init_limit() -> None:
    rig = Rig()
    rig.tick(1000)
    assert rig.peer.looked is None
    rig.tick(1)
    assert rig.peer.looked == "no connection to server 3"
    assert rig.peer.wanted_leader is None


def test_a_link_that_comes_too_late_is_closed() -> None:
    rig = Rig()
    rig.role.stop()
    late = PeerLink("leader", [])
    rig.role.leader_link(late)
    assert late.closing


# --- silence


def test_silence_ends_the_role() -> None:
    rig = Rig(FakePeer(OLD))
    rig.connect()
    rig.tick(1000)  # init limit: ten ticks
    assert rig.peer.looked is None
    rig.tick(1)
    assert "nothing heard" in (rig.peer.looked or "")
    assert rig.link.closing

    rig = serving()
    rig.tick(400)
    rig.says(Packet(PacketType.PING, 7))
    rig.tick(500)  # sync limit: five ticks
    assert rig.peer.looked is None
    rig.tick(1)
    assert "nothing heard" in (rig.peer.looked or "")
    assert rig.replica.role is None


# --- promises


def test_the_accepted_epoch_is_durable_before_it_is_acknowledged() -> None:
    rig = Rig(FakePeer(OLD, Epochs(4, 3)))
    rig.connect()
    rig.said()
    rig.says(Packet(PacketType.LEADERINFO, 6 << 32, b"\0\1\0\0"))
    assert rig.said() == []
    rig.peer.persist()
    (ack,) = rig.said()
    assert ack == Packet(PacketType.ACKEPOCH, OLD[-1][0], struct.pack(">i", 3))
    assert rig.peer.epochs.accepted == 6


def test_a_promise_given_before_does_not_count_again() -> None:
    rig = Rig(FakePeer(OLD, Epochs(4, 3)))
    assert rig.discover(4) == Packet(PacketType.ACKEPOCH, OLD[-1][0], struct.pack(">i", -1))
    assert rig.peer.disk == []


def test_no_older_leader_is_followed() -> None:
    rig = Rig(FakePeer(OLD, Epochs(4, 3)))
    rig.connect()
    rig.says(Packet(PacketType.LEADERINFO, 3 << 32, b"\0\1\0\0"))
    assert "older than 4" in (rig.peer.looked or "")
    assert rig.peer.log.is_idle


def test_newleader_is_acknowledged_when_history_then_epoch_are_durable() -> None:
    """ZOOKEEPER-3911, -4643, -4646: in this order, and only then."""
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(Packet(PacketType.DIFF, NEW[-1][0]), *proposals(NEW), *commits(NEW))
    first = rig.peer.log.ready()
    assert first is not None
    rig.says(Packet(PacketType.NEWLEADER, 5 << 32, b"servers"))
    rig.peer.log.on_persisted(first)
    rig.role.persisted()
    assert rig.said() == []
    assert rig.peer.epochs.current == 1
    rig.peer.persist()
    assert rig.said() == [Packet(PacketType.ACK, 5 << 32)]
    assert rig.peer.epochs.current == 5
    assert rig.role.new_config is None  # where no configuration changes, none is read


def test_the_current_epoch_is_written_anew_in_an_epoch_that_goes_on() -> None:
    """It is what tells that the history before it has become durable."""
    rig = Rig(FakePeer(OLD, Epochs(5, 5)))
    rig.discover()
    rig.says(Packet(PacketType.DIFF, NEW[-1][0]), *proposals(NEW), *commits(NEW))
    rig.says(Packet(PacketType.NEWLEADER, 5 << 32))
    assert rig.said() == []
    rig.peer.flush()
    assert rig.said() == [Packet(PacketType.ACK, 5 << 32)]


def test_packets_between_newleader_and_uptodate_are_as_any() -> None:
    """ZOOKEEPER-3023, -4394, -4785, -4925."""
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(Packet(PacketType.DIFF, OLD[-1][0]), *proposals(NEW[:1]))
    rig.says(Packet(PacketType.NEWLEADER, 5 << 32), *proposals(NEW[1:]), *commits(NEW[:1]))
    rig.peer.flush()
    acks = [packet.zxid for packet in rig.said()]
    assert acks == [5 << 32, *(zxid for zxid, _ in NEW)]
    rig.says(*commits(NEW[1:]))
    assert rig.replica.state == OLD
    rig.says(Packet(PacketType.UPTODATE, -1))
    assert rig.replica.state == OLD + NEW
    assert rig.said() == [Packet(PacketType.ACK, 5 << 32)]
    assert rig.peer.epoch == 5
    assert rig.role.phase is Phase.BROADCAST
    assert list(rig.peer.history.after(OLD[0][0])) == OLD[1:] + NEW


@pytest.mark.parametrize(
    ("packets", "complaint"),
    [
        ([Packet(PacketType.UPTODATE, -1)], "before NEWLEADER is acknowledged"),
        ([Packet(PacketType.NEWLEADER, 5 << 32)], "before DIFF, TRUNC or SNAP"),
        (proposals(NEW), "before DIFF, TRUNC or SNAP"),
        (commits(NEW), "before DIFF, TRUNC or SNAP"),
        ([Packet(PacketType.DIFF, NEW[-1][0]), Packet(PacketType.TRUNC, 1)], "TRUNC within a DIFF"),
        (
            [Packet(PacketType.DIFF, NEW[-1][0]), Packet(PacketType.NEWLEADER, 6 << 32)],
            "in epoch 5",
        ),
        ([Packet(PacketType.DIFF, NEW[-1][0]), *commits(NEW)], "nothing is the next proposal"),
        ([Packet(PacketType.LEADERINFO, 5 << 32, b"\0\1\0\0")], "LEADERINFO in phase"),
        ([Packet(PacketType.SYNC, -1)], "SYNC in phase synchronization"),
        ([Packet(PacketType.REVALIDATE, -1, b"")], "REVALIDATE in phase synchronization"),
        ([Packet(PacketType.DIFF, 1 << 40), Packet(PacketType.PROPOSAL, 9)], "without a trans"),
        ([Packet(PacketType.COMMITANDACTIVATE, 9)], "without a leader"),
        ([Packet(99, 9)], "a packet of type 99"),
        ([Packet(PacketType.ACKEPOCH, 9)], "a packet of type 18"),
    ],
)
def test_what_a_leader_may_not_say(packets: list[Packet], complaint: str) -> None:
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(*packets)
    assert complaint in (rig.peer.looked or "")
    assert rig.link.closing
    assert rig.replica.state == OLD


# --- broadcast


def test_a_ping_is_answered_with_the_sessions_heard_of() -> None:
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(Packet(PacketType.PING, 3), Packet(PacketType.DIFF, OLD[-1][0]))
    assert rig.said() == [], "nothing may come before the ACK of NEWLEADER"
    rig.establish()
    rig.replica.touches = [(0x10, 4000), (-5, 6000)]
    rig.says(Packet(PacketType.PING, 9))
    data = struct.pack(">qiqi", 0x10, 4000, -5, 6000)
    assert rig.said() == [Packet(PacketType.PING, 9, data)]
    rig.says(Packet(PacketType.PING, 9))
    assert rig.said() == [Packet(PacketType.PING, 9, b"")]


def test_requests_and_their_answers() -> None:
    rig = serving()
    rig.role.forward(7, 8, 1, b"create", [Id("ip", "127.0.0.1")])
    rig.role.revalidate(7, 4000)
    assert rig.said() == [
        Packet(
            PacketType.REQUEST,
            -1,
            struct.pack(">qii", 7, 8, 1) + b"create",
            [Id("ip", "127.0.0.1")],
        ),
        Packet(PacketType.REVALIDATE, -1, struct.pack(">qi", 7, 4000)),
    ]
    rig.says(Packet(PacketType.REVALIDATE, -1, struct.pack(">q?", 7, True)))
    rig.says(Packet(PacketType.SYNC, -1))
    assert rig.replica.answers == [("revalidated", 7, True), ("synced",)]


def test_a_new_configuration_is_a_transaction() -> None:
    rig = serving()
    rig.says(*proposals(NEW[:1]))
    rig.says(Packet(PacketType.COMMITANDACTIVATE, NEW[0][0], struct.pack(">q", 3)))
    assert rig.replica.state == OLD + NEW[:1]


def test_a_broken_link_ends_the_role_once() -> None:
    rig = serving()
    rig.link.broken()
    rig.link.broken()
    assert rig.peer.looked == "the link to the leader, server 3, is broken"
    assert rig.replica.role is None
