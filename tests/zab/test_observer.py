"""An observer applies what it is informed of, logs it, and acknowledges nothing of it."""

from __future__ import annotations

import struct

import pytest

from tests.zab.learner_rig import Entry, FakePeer, Rig, commits, entries, proposals
from zoo.zab.observer import Observer
from zoo.zab.packets import Packet, PacketType

OLD = entries(1, 1, 2, 3)
NEW = entries(5, 1, 2, 3)


def informs(entries: list[Entry]) -> list[Packet]:
    return [Packet(PacketType.INFORM, zxid, entry) for zxid, entry in entries]


def synchronising() -> Rig:
    rig = Rig(FakePeer(OLD), Observer)
    rig.connect()
    (packet,) = rig.said()
    assert packet.type == PacketType.OBSERVERINFO
    rig.says(Packet(PacketType.LEADERINFO, 5 << 32, b"\0\1\0\0"))
    rig.peer.flush()
    rig.said()
    return rig


def serving() -> Rig:
    rig = synchronising()
    rig.says(Packet(PacketType.DIFF, OLD[-1][0]))
    rig.establish()
    return rig


def test_it_logs_and_applies() -> None:
    rig = serving()
    rig.says(*informs(NEW))
    assert rig.replica.state == OLD + NEW
    rig.peer.flush()
    assert rig.peer.log.persisted == NEW[-1][0]
    assert rig.said() == []


def test_synchronisation_mixes_proposals_and_informs() -> None:
    rig = synchronising()
    rig.says(Packet(PacketType.DIFF, NEW[0][0]), *proposals(NEW[:2]), *commits(NEW[:1]))
    rig.says(*informs(NEW[1:2]))
    rig.establish()
    rig.says(*informs(NEW[2:]))
    assert rig.replica.state == OLD + NEW


def test_a_new_configuration_is_a_transaction() -> None:
    rig = serving()
    data = struct.pack(">q", 3) + NEW[0][1]
    rig.says(Packet(PacketType.INFORMANDACTIVATE, NEW[0][0], data))
    assert rig.replica.state == [*OLD, NEW[0]]


@pytest.mark.parametrize(
    ("packet", "complaint"),
    [
        (Packet(PacketType.INFORM, NEW[1][0], b"x"), "is proposed behind"),
        (Packet(PacketType.INFORM, NEW[0][0]), "without a transaction"),
        (Packet(PacketType.INFORMANDACTIVATE, NEW[0][0], b"12345678"), "without a transaction"),
    ],
)
def test_what_it_may_not_be_told(packet: Packet, complaint: str) -> None:
    rig = serving()
    rig.says(packet)
    assert complaint in (rig.peer.looked or "")
    assert rig.replica.state == OLD


def test_it_may_wait_before_it_dials_so_that_not_all_do_at_once() -> None:
    """observer.reconnectDelayMs"""
    peer = FakePeer(OLD)
    observer = peer.role = Observer(peer, 3, pause_ms=5000)
    assert peer.wanted_leader is None
    assert observer.next_due == peer.now_ms + 5000
    peer.now_ms += 4999
    observer.tick()
    assert peer.wanted_leader is None
    peer.now_ms += 1
    observer.tick()
    assert peer.wanted_leader == 3
    observer.leader_link(None)
    assert peer.looked is None, "its patience begins behind the pause"
