from __future__ import annotations

from struct import Struct

from hypothesis import given
from hypothesis import strategies as st

from zoo.jute.records import Id
from zoo.zab.packets import Packet, PacketType, encode_packet, parse_packet
from zoo.zab.request_runs import request_run, run_from

ME = [Id("ip", "10.0.0.1"), Id("digest", "me:hash")]
LENGTH = Struct(">i")
SESSION = Struct(">q")
MOST = 1000


def frames(requests: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(each)) + each for each in requests)


def packets(session_id: int, requests: list[bytes], identities: list[Id] | None) -> bytes:
    """One by one."""
    return b"".join(
        encode_packet(Packet(PacketType.REQUEST, -1, SESSION.pack(session_id) + each, identities))
        for each in requests
    )


def read(buf: bytes, begin: int = 0) -> tuple[bytes, int]:
    parsed = parse_packet(buf, begin, MOST)
    assert parsed is not None
    packet, end = parsed
    assert packet.data is not None
    return run_from(buf, begin, len(packet.data), end, MOST)


requests = st.lists(st.binary(min_size=8, max_size=30), min_size=1, max_size=5)
identities = st.sampled_from([ME, ME[:1], []])


@given(st.integers(-(1 << 63), (1 << 63) - 1), requests, identities)
def test_a_run_is_what_single_packets_are(session: int, run: list[bytes], who: list[Id]) -> None:
    data = request_run(session, run, who)
    assert data == packets(session, run, who)
    assert read(b"before" + data + b"behind", 6) == (frames(run), 6 + len(data))


@given(requests, requests, identities, identities, st.booleans())
def test_a_run_ends_with_its_session_or_its_identities(
    one: list[bytes], two: list[bytes], me: list[Id], you: list[Id], other: bool
) -> None:
    first, second = packets(7, one, me), packets(8 if other else 7, two, you)
    if other or me != you:
        assert read(first + second) == (frames(one), len(first))
    else:
        assert read(first + second) == (frames(one + two), len(first + second))


def test_a_run_ends_before_what_is_incomplete_or_something_else() -> None:
    one = packets(7, [b"12345678"], ME)
    two = packets(7, [b"abcdefghi"], ME)
    for cut in range(len(two)):
        assert read(one + two[:cut]) == (frames([b"12345678"]), len(one))
    ping = encode_packet(Packet(PacketType.PING, 0, SESSION.pack(7) + bytes(8), ME))
    assert read(one + ping) == (frames([b"12345678"]), len(one))
    short = packets(7, [b"1234567"], ME)
    assert read(one + short) == (frames([b"12345678"]), len(one))
    long = packets(7, [bytes(MOST)], ME)
    assert read(one + long) == (frames([b"12345678"]), len(one))


def test_without_any_list_of_identities() -> None:
    data = packets(7, [b"12345678", b"abcdefgh"], None)
    assert read(data) == (frames([b"12345678", b"abcdefgh"]), len(data))
