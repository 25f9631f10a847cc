from __future__ import annotations

from zoo.zab.packet_runs import commits, committed_proposals, leading_acks, proposals
from zoo.zab.packets import (
    BARE_SIZE,
    Packet,
    PacketType,
    bare,
    encode_packet,
    parse_packet,
    with_data,
)

E1 = 1 << 32


def parsed(data: bytes) -> list[Packet]:
    pos, packets = 0, []
    while pos < len(data):
        result = parse_packet(data, pos, 1 << 20)
        assert result is not None, f"incomplete at {pos}"
        packet, pos = result
        packets.append(packet)
    return packets


def test_proposals_are_packets_one_behind_the_other() -> None:
    assert parsed(proposals(E1 + 7, [b"one", b"", b"three"])) == [
        Packet(PacketType.PROPOSAL, E1 + 7, b"one"),
        Packet(PacketType.PROPOSAL, E1 + 8, b""),
        Packet(PacketType.PROPOSAL, E1 + 9, b"three"),
    ]
    assert proposals(E1 + 7, [b"one"]) == with_data(PacketType.PROPOSAL, E1 + 7, b"one")
    assert proposals(E1, []) == b""


def test_informs() -> None:
    assert parsed(proposals(5, [b"x"], PacketType.INFORM)) == [Packet(PacketType.INFORM, 5, b"x")]


def test_commits() -> None:
    expected = [Packet(PacketType.COMMIT, zxid) for zxid in (5, 6, 7)]
    assert parsed(commits(5, 7)) == expected
    assert commits(5, 5) == bare(PacketType.COMMIT, 5)


def test_history_is_proposed_and_committed_one_by_one() -> None:
    assert parsed(committed_proposals(5, [b"five", b"six"])) == [
        Packet(PacketType.PROPOSAL, 5, b"five"),
        Packet(PacketType.COMMIT, 5),
        Packet(PacketType.PROPOSAL, 6, b"six"),
        Packet(PacketType.COMMIT, 6),
    ]


def test_a_run_of_acks_is_read_at_once() -> None:
    run = b"".join(bare(PacketType.ACK, zxid) for zxid in (E1, E1 + 1, E1 + 2))
    ping = with_data(PacketType.PING, E1 + 9, b"")
    assert leading_acks(run) == (len(run), E1 + 2)
    assert leading_acks(run + ping + run) == (len(run), E1 + 2)
    assert leading_acks(run[:-1]) == (2 * BARE_SIZE, E1 + 1)
    assert leading_acks(run[: BARE_SIZE - 1]) == (0, 0)
    assert leading_acks(ping) == (0, 0)
    assert leading_acks(b"") == (0, 0)


def test_an_ack_with_data_is_not_taken_for_a_bare_one() -> None:
    assert leading_acks(with_data(PacketType.ACK, 5, b"") + bytes(BARE_SIZE)) == (0, 0)
    assert leading_acks(encode_packet(Packet(PacketType.ACK, 5, None, []))) == (0, 0)
