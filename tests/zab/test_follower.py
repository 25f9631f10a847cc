"""A follower acknowledges what its disk has, and applies what is committed."""

from __future__ import annotations

from tests.zab.learner_rig import FakePeer, Rig, commits, entries, proposals
from zoo.zab.packets import BARE_SIZE, Packet, PacketType

OLD = entries(1, 1, 2, 3)
NEW = entries(5, *range(1, 9))


def serving() -> Rig:
    rig = Rig(FakePeer(OLD))
    rig.discover()
    rig.says(Packet(PacketType.DIFF, OLD[-1][0]))
    rig.establish()
    return rig


def test_each_durable_proposal_has_an_ack_of_its_own_in_one_send() -> None:
    rig = serving()
    rig.says(*proposals(NEW[:3]))
    first = rig.peer.log.ready()
    assert first is not None
    rig.says(*proposals(NEW[3:]))
    assert rig.said() == []
    rig.peer.log.on_persisted(first)
    rig.role.persisted()
    assert [len(data) for data in rig.link.out] == [3 * BARE_SIZE]
    assert [packet.zxid for packet in rig.said()] == [zxid for zxid, _ in NEW[:3]]
    rig.peer.flush()
    assert [packet.zxid for packet in rig.said()] == [zxid for zxid, _ in NEW[3:]]


def test_a_commit_does_not_wait_for_the_own_disk() -> None:
    rig = serving()
    rig.says(*proposals(NEW[:2]), *commits(NEW[:2]))
    assert rig.replica.state == OLD + NEW[:2]
    assert rig.peer.log.persisted == OLD[-1][0]


def test_a_commit_out_of_order_ends_the_role_and_applies_nothing() -> None:
    rig = serving()
    rig.says(*proposals(NEW[:2]), *commits(NEW[1:2]))
    assert "is committed while" in (rig.peer.looked or "")
    assert rig.replica.state == OLD
    rig.peer.flush()
    assert rig.peer.log.persisted == NEW[1][0], "what was appended becomes durable all the same"


def test_a_follower_is_told_nothing_by_inform() -> None:
    rig = serving()
    rig.says(Packet(PacketType.INFORM, NEW[0][0], NEW[0][1]))
    assert "a packet of type 8" in (rig.peer.looked or "")
