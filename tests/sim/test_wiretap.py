"""The tap on the learner links: whole packets, whatever the cuts, and no snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.sim.wiretap import Wiretap, name_of
from zoo.zab.packets import SNAPSHOT_END, Packet, PacketType, bare, with_data

STREAM = (
    with_data(PacketType.LEADERINFO, 1 << 32, b"\0\1\0\0")
    + bare(PacketType.SNAP, 7)
    + bytes(range(250))
    + SNAPSHOT_END
    + bare(PacketType.NEWLEADER, 1 << 32)
    + bare(PacketType.UPTODATE, -1)
)


@pytest.mark.parametrize("size", [1, 2, 7, 20, 21, 300, 10_000])
def test_packets_are_told_whole_and_the_snapshot_is_passed_over(size: int) -> None:
    heard: list[tuple[Any, Packet]] = []
    tap = Wiretap(lambda end, packet: heard.append((end, packet)))
    end: Any = "one end"
    for start in range(0, len(STREAM), size):
        tap(end, STREAM[start : start + size])
    assert [packet.type for _, packet in heard] == [
        PacketType.LEADERINFO,
        PacketType.SNAP,
        PacketType.NEWLEADER,
        PacketType.UPTODATE,
    ]
    assert heard[0] == (end, Packet(PacketType.LEADERINFO, 1 << 32, b"\0\1\0\0"))


def test_each_direction_is_parsed_by_itself() -> None:
    heard: list[str] = []
    tap = Wiretap(lambda end, packet: heard.append(f"{end} {name_of(packet)}"))
    ack, one, two = bare(PacketType.ACK, 3), "one", "two"
    tap(one, ack[:5])  # type: ignore[arg-type]
    tap(two, ack)  # type: ignore[arg-type]
    tap(one, ack[5:])  # type: ignore[arg-type]
    assert heard == ["two ACK 0x3", "one ACK 0x3"]


def test_names() -> None:
    assert name_of(Packet(PacketType.PROPOSAL, 0x100000001, b"abc")) == "PROPOSAL 0x100000001 +3"
    assert name_of(Packet(PacketType.UPTODATE, -1)) == "UPTODATE -1"
    assert name_of(Packet(99, 0)) == "type 99 0x0"
