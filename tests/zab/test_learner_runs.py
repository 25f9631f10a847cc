"""Runs of packets: where they end, and that taking them as runs changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zab.learner_rig import FakePeer, Rig, commits, entries, proposals
from zoo.jute.records import Id
from zoo.zab.follower import Follower
from zoo.zab.learner_runs import leading_commits, leading_entries
from zoo.zab.observer import Observer
from zoo.zab.packets import Packet, PacketType, encode_packet

FEW = entries(1, 1, 2, 3)


def wire(packets: list[Packet]) -> bytes:
    return b"".join(map(encode_packet, packets))


def test_a_run_ends_with_what_is_not_plain_or_not_next() -> None:
    data = b"??" + wire(proposals(FEW))
    first, found, pos = leading_entries(data, 2, PacketType.PROPOSAL, 100)
    assert list(enumerate(found, first)) == FEW
    assert pos == len(data)
    for last in (
        proposals(entries(1, 5))[0],
        Packet(PacketType.PROPOSAL, 1 << 32 | 4),
        Packet(PacketType.PROPOSAL, 1 << 32 | 4, b"x" * 101),
        Packet(PacketType.PROPOSAL, 1 << 32 | 4, b"x", [Id("ip", "x")]),
        Packet(PacketType.INFORM, 1 << 32 | 4, b"x"),
    ):
        more = data + encode_packet(last)
        assert leading_entries(more, 2, PacketType.PROPOSAL, 100)[2] == len(data)
    for cut in range(2, len(data)):
        assert leading_entries(data[:cut], 2, PacketType.PROPOSAL, 100)[2] <= cut
        assert len(leading_entries(data[:cut], 2, PacketType.PROPOSAL, 100)[1]) < 3


def test_commits_likewise() -> None:
    data = wire(commits(FEW))
    assert leading_commits(data, 0) == (FEW[0][0], FEW[-1][0], len(data))
    assert leading_commits(data[:-1], 0)[1:] == (FEW[1][0], len(data) // 3 * 2)
    assert leading_commits(data + wire(commits(entries(2, 1))), 0)[2] == len(data)
    assert leading_commits(data + wire(proposals(entries(1, 4))), 0)[2] == len(data)
    first, last, pos = leading_commits(b"", 0)
    assert first > last
    assert pos == 0


@pytest.mark.parametrize("role", [Follower, Observer])
@given(st.data())
def test_runs_do_as_single_packets_do(
    role: type[Follower] | type[Observer], data: st.DataObject
) -> None:
    epochs = entries(5, *range(1, 6)), entries(6, *range(1, 6))
    written = epochs[0] + epochs[1]
    packets: list[Packet] = []
    if role is Observer:
        packets = [Packet(PacketType.INFORM, zxid, entry) for zxid, entry in written]
    else:
        waiting: list[Packet] = []
        for packet in proposals(written):
            packets.append(packet)
            waiting.append(Packet(PacketType.COMMIT, packet.zxid))
            count = data.draw(st.integers(0, len(waiting)))
            packets += waiting[:count]
            del waiting[:count]
        packets += waiting
    wrong = data.draw(st.none() | st.integers(0, len(packets) - 1))
    if wrong is not None:
        del packets[wrong]
    one_by_one, chunked = (serving(role) for _ in range(2))
    for packet in packets:
        one_by_one.says(packet)
    stream = wire(packets)
    while stream:
        size = data.draw(st.integers(1, 200))
        chunked.says(stream[:size])
        stream = stream[size:]
    for rig in (one_by_one, chunked):
        rig.peer.flush()
    assert one_by_one.replica.state == chunked.replica.state
    assert one_by_one.said() == chunked.said()
    assert (one_by_one.peer.looked is None) == (chunked.peer.looked is None)
    assert one_by_one.peer.log.persisted == chunked.peer.log.persisted
    if wrong is None:
        assert chunked.replica.state == written


def serving(role: type[Follower] | type[Observer]) -> Rig:
    rig = Rig(FakePeer(), role)
    rig.discover()
    rig.says(Packet(PacketType.DIFF, 0))
    rig.establish()
    return rig
