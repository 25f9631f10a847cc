from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ProtocolViolation
from zoo.jute.records import Id
from zoo.zab.packets import (
    BARE_SIZE,
    MAX_IDENTITIES,
    MAX_IDENTITY,
    Packet,
    PacketType,
    bare,
    encode_packet,
    parse_packet,
    with_data,
)

LIMIT = 1 << 20
names = st.text(max_size=12).filter(lambda s: s.isprintable())
packets = st.builds(
    Packet,
    st.sampled_from([int(kind) for kind in PacketType]),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.none() | st.binary(max_size=200),
    st.none() | st.lists(st.builds(Id, names, names), max_size=4),
)


@given(st.lists(packets, max_size=6), st.data())
def test_packets_come_back_out_of_a_stream_cut_anywhere(
    sent: list[Packet], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_packet, sent))
    cut = data.draw(st.integers(0, len(stream)))
    seen: list[Packet] = []
    buf = b""
    for piece in (stream[:cut], stream[cut:]):
        buf += piece
        while (parsed := parse_packet(buf, 0, LIMIT)) is not None:
            packet, pos = parsed
            seen.append(packet)
            buf = buf[pos:]
    assert seen == sent
    assert buf == b""


@given(st.integers(1, 19), st.integers(0, 1 << 62), st.binary(max_size=50))
def test_the_short_ways_make_the_same_bytes(kind: int, zxid: int, data: bytes) -> None:
    assert bare(kind, zxid) == encode_packet(Packet(kind, zxid))
    assert len(bare(kind, zxid)) == BARE_SIZE
    assert with_data(kind, zxid, data) == encode_packet(Packet(kind, zxid, data))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_packet_incomplete_or_refused(buf: bytes) -> None:
    try:
        parsed = parse_packet(buf, 0, 1000)
    except ProtocolViolation:
        return
    assert parsed is None or BARE_SIZE <= parsed[1] <= len(buf)


def test_a_length_beyond_the_limit_is_refused_before_it_is_waited_for() -> None:
    head = with_data(PacketType.PROPOSAL, 1, b"x" * 2000)[:20]
    with pytest.raises(ProtocolViolation, match="2000 bytes of data: 1000 are allowed"):
        parse_packet(head, 0, 1000)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="-2 bytes"):
        parse_packet(bytes(12) + b"\xff\xff\xff\xfe" + bytes(4), 0, 1000)


def test_identities_are_limited_in_number_and_size() -> None:
    head = bare(PacketType.REQUEST, 0)[:-4]
    with pytest.raises(ProtocolViolation, match="identities"):
        parse_packet(head + (MAX_IDENTITIES + 1).to_bytes(4, "big"), 0, LIMIT)
    with pytest.raises(ProtocolViolation, match="an identity of"):
        parse_packet(head + b"\0\0\0\x01" + (MAX_IDENTITY + 1).to_bytes(4, "big"), 0, LIMIT)
