from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo.errors import ProtocolViolation
from zoo.zab.mesh_protocol import (
    OBSERVER_ID,
    Fate,
    Greeting,
    MeshInput,
    encode_greeting,
    fate_of,
    frame,
    parse_addresses,
)

# Taken off the wire of a ZooKeeper 3.9.5 server with id 1, without and with multiAddress.enabled.
JAVA_1 = bytes.fromhex("ffffffffffff0000 0000000000000001 0000000f") + b"127.0.0.1:59741"
JAVA_2 = bytes.fromhex("ffffffffffff0001 0000000000000001 0000001f") + (
    b"127.0.0.1:59741|127.0.0.2:59741"
)
BOTH = (("127.0.0.1", 59741), ("127.0.0.2", 59741))


def greet(text: bytes, sid: int = 7, protocol: int = -65536) -> bytes:
    return struct.pack(">qqi", protocol, sid, len(text)) + text


def test_the_bytes_are_those_of_java() -> None:
    assert encode_greeting(1, BOTH, multi_address=False) == JAVA_1
    assert encode_greeting(1, BOTH, multi_address=True) == JAVA_2
    assert MeshInput(True).feed(JAVA_1) == [Greeting(1, BOTH[:1])]
    assert MeshInput(True).feed(JAVA_2) == [Greeting(1, BOTH)]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        # All of these, and the wrong ones below, as QuorumCnxManager.InitialMessage.parse of
        # ZooKeeper 3.9.5 takes them; only port numbers that are too large stop a thread there.
        ("a.example:3888", (("a.example", 3888),)),
        ("a:1|b:2", (("a", 1), ("b", 2))),
        ("a:1|", (("a", 1),)),
        ("[::1]:3888", (("::1", 3888),)),
        ("[2001:db8:0:0:0:0:0:1]:1|10.0.0.1:2", (("2001:db8:0:0:0:0:0:1", 1), ("10.0.0.1", 2))),
        ("0.0.0.0:3888|h:1", (("h", 1),)),
        ("[::]:3888", ()),
        ("[0:0:0:0:0:0:0:0]:3888", ()),
    ],
)
def test_addresses(text: str, addresses: tuple[tuple[str, int], ...]) -> None:
    assert parse_addresses(text) == addresses
    assert MeshInput(True).feed(greet(text.encode())) == [Greeting(7, addresses)]


@pytest.mark.parametrize(
    "text",
    [
        b"h",
        b"h:",
        b"h:x",
        b"h:0",
        b"h:99999",
        b"h:-1",
        b"h:1:2",
        b"|a:1",
        b"|",
        b"::1:3888",
        b"[::1]",
        b"[::1",
        b"[::1]3888",
        b":3888",
        "h:\u0661".encode(),
        "h:1".encode("utf-16"),  # ZOOKEEPER-4787: the charset of another platform
        b"\x88\x7a\xf1",  # h:1 in EBCDIC
    ],
)
def test_addresses_without_sense_leave_the_server_its_id(text: bytes) -> None:
    (greeting,) = MeshInput(True).feed(greet(text))
    assert isinstance(greeting, Greeting)
    assert (greeting.sid, greeting.addresses) == (7, ())
    assert greeting.problem.startswith("no addresses in b")


def test_ipv6_hosts_are_written_as_java_does() -> None:
    data = encode_greeting(2, [("2001:db8::1", 3888)], multi_address=False)
    assert data.endswith(b"[2001:db8:0:0:0:0:0:1]:3888")


def test_before_there_were_protocols_there_was_an_id() -> None:
    assert MeshInput(True).feed(struct.pack(">q", 5) + frame(b"x")) == [Greeting(5), b"x"]
    assert MeshInput(True).feed(greet(b"h:1", OBSERVER_ID)) == [Greeting(OBSERVER_ID, (("h", 1),))]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (struct.pack(">q", -65534), "protocol -65534"),
        (struct.pack(">q", -1), "protocol -1"),
        (b"GET / HTTP/1.1\r\n\r\n"[:8], None),  # an id; what follows is no message
        (struct.pack(">qqi", -65536, 1, 0), "0 bytes of addresses"),
        (struct.pack(">qqi", -65536, 1, -1), "-1 bytes of addresses"),
        (struct.pack(">qqi", -65535, 1, 2049), "2049 bytes of addresses"),
        (JAVA_1 + struct.pack(">i", 0), "message of 0 bytes"),
        (JAVA_1 + struct.pack(">i", -1), "message of -1 bytes"),
        (JAVA_1 + struct.pack(">i", 512 * 1024 + 1), "message of 524289 bytes"),
    ],
)
def test_nonsense(data: bytes, complaint: str | None) -> None:
    if complaint is None:
        data += b"1.1\r\n\r\n"
    with pytest.raises(ProtocolViolation, match=complaint or "message of"):
        MeshInput(True).feed(data)


def test_the_largest_pass() -> None:
    text = b"|".join([b"h%05d:11111" % n for n in range(200)])[:2048].rpartition(b"|")[0]
    link = MeshInput(True)
    (greeting,) = link.feed(greet(text))
    assert isinstance(greeting, Greeting)
    assert len(greeting.addresses) > 100
    assert link.feed(frame(bytes(512 * 1024))) == [bytes(512 * 1024)]


MESSAGES = st.lists(st.binary(min_size=1, max_size=20), max_size=6)


@given(MESSAGES, st.booleans(), st.data())
def test_any_division_into_pieces(
    messages: list[bytes], greeted: bool, data: st.DataObject
) -> None:
    stream = (JAVA_2 if greeted else b"") + b"".join(map(frame, messages))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    link = MeshInput(expect_greeting=greeted)
    got = [
        item
        for start, stop in zip([0, *cuts], [*cuts, len(stream)])
        for item in link.feed(stream[start:stop])
    ]
    assert got == [*([Greeting(1, BOTH)] if greeted else []), *messages]


@given(st.booleans(), st.binary(max_size=60), st.sampled_from([b"", JAVA_1[:8], JAVA_1[:20]]))
def test_any_bytes_are_taken_or_a_violation(greeting: bool, data: bytes, before: bytes) -> None:
    link = MeshInput(greeting)
    try:
        items = link.feed(before + data)
    except ProtocolViolation:
        return
    assert all(isinstance(item, bytes) and item for item in items[int(greeting) :])


HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)


@given(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=5),
)
@example(0, [("::", 1), ("::ffff:0.0.0.0", 2), ("::ffff:0:0", 3), ("::ffff:10.0.0.1", 4)])
def test_a_greeting_comes_back(sid: int, addresses: list[tuple[str, int]]) -> None:
    (greeting,) = MeshInput(True).feed(encode_greeting(sid, addresses, True))
    assert isinstance(greeting, Greeting)
    assert (greeting.sid, greeting.problem) == (sid, "")
    wildcards = ("0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:0:0")
    kept = [a for a in addresses if a[0] not in wildcards]
    assert [port for _, port in greeting.addresses] == [port for _, port in kept]


@pytest.mark.parametrize("observer", [-1, -5, 2])
def test_the_connection_that_the_larger_one_dialled_is_kept(observer: int) -> None:
    assert fate_of(3, observer, dialled=True) is Fate.KEEP
    assert fate_of(observer, 3, dialled=False) is Fate.KEEP
    assert fate_of(observer, 3, dialled=True) is Fate.CLOSE
    assert fate_of(3, observer, dialled=False) is Fate.DIAL_BACK


def test_a_connection_with_ourselves_is_not_kept() -> None:
    assert fate_of(3, 3, dialled=True) is Fate.CLOSE
    assert fate_of(3, 3, dialled=False) is Fate.CLOSE
