"""One connection: order, framing, limits, and two ways to the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.wire import OPEN, Client, Server, connect, frame, request
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.constants import EventType
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Client:
    client = server.client()
    assert client.create(b"/a", b"x").err == 0
    return client


GET = c.GetDataRequest(b"/a", False)
BIG = 60_000


def set_data(data: bytes, path: bytes = b"/a", version: int = -1) -> c.SetDataRequest:
    return c.SetDataRequest(path, data, version)


# --- order


def test_a_read_waits_behind_the_sessions_writes_and_sees_them(client: Client) -> None:
    client.send(
        request(1, Op.getData, GET)
        + request(2, Op.setData, set_data(b"new"))
        + request(3, Op.getData, GET)
        + request(4, Op.ping)
        + request(5, Op.create, c.CreateRequest(b"/b", b"", OPEN, 0))
        + request(6, Op.exists, c.ExistsRequest(b"/b", False))
    )
    assert [reply.xid for reply in client.replies()] == [1]
    client.server.settle()
    replies = client.replies()
    assert [reply.xid for reply in replies] == [2, 3, -2, 5, 6]
    assert replies[1].record(Op.getData).data == b"new"
    assert [reply.err for reply in replies] == [0] * 5
    assert [reply.zxid for reply in replies] == sorted(reply.zxid for reply in replies)


def test_other_sessions_do_not_wait_and_see_only_what_is_durable(client: Client) -> None:
    other = client.server.client()
    client.send(request(1, Op.setData, set_data(b"new")))
    assert other.ask(Op.getData, GET).record(Op.getData).data in (b"x", b"new")
    client.send(request(2, Op.setData, set_data(b"newer")))
    other.send(request(2, Op.getData, GET))
    (reply,) = other.replies()
    assert reply.record(Op.getData).data == b"new"


def test_nothing_is_answered_before_it_is_durable(client: Client) -> None:
    client.send(request(1, Op.setData, set_data(b"new")) + request(2, Op.delete, b"rubbish"))
    ready = client.server.core.ready()
    assert ready is not None
    assert client.replies() == []
    client.server.core.persisted(ready.last_zxid)
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0), (2, -5)]


def test_an_event_leaves_ahead_of_the_reply_that_shows_its_change(client: Client) -> None:
    client.ask(Op.getData, c.GetDataRequest(b"/a", True))
    client.send(request(1, Op.setData, set_data(b"new")) + request(2, Op.getData, GET))
    client.server.settle()
    event, written, read = client.replies()
    assert (event.event.type, event.event.path) == (EventType.NODE_DATA_CHANGED, b"/a")
    assert (event.event.state, event.zxid) == (3, written.zxid)
    assert (written.xid, read.xid) == (1, 2)


def test_events_of_znodes_that_one_may_not_read_are_held_back(client: Client) -> None:
    watcher = client.server.client()
    watcher.ask(Op.getData, c.GetDataRequest(b"/a", True))
    client.ask(Op.setACL, c.SetACLRequest(b"/a", [ACL(2, "world", "anyone")], -1))
    client.ask(Op.setData, set_data(b"secret"))
    assert watcher.replies() == []


# --- requests out of the ordinary


def test_undecodable_requests_are_refused_in_their_turn(client: Client) -> None:
    zxid = client.server.core.role.proposed
    client.send(
        request(1, Op.setData, set_data(b"1"))
        + request(2, Op.create, b"\0\0\0\x09/a")
        + request(3, Op.getData, b"\0")
    )
    client.server.settle()
    assert [(r.xid, r.err) for r in client.replies()] == [
        (1, 0),
        (2, Code.MARSHALLINGERROR),
        (3, Code.MARSHALLINGERROR),
    ]
    assert client.server.core.role.proposed == zxid + 1


def test_an_unknown_operation_is_refused_and_the_connection_closed(client: Client) -> None:
    client.send(request(1, Op.getData, GET) + request(2, 77) + request(3, Op.getData, GET))
    replies = client.replies()
    assert [(reply.xid, reply.err) for reply in replies] == [(1, 0), (2, Code.UNIMPLEMENTED)]
    assert client.connection.closing


def test_sasl_is_answered_as_a_server_without_it_does(client: Client) -> None:
    reply = client.ask(Op.sasl, c.GetSASLRequest(b"token"))
    assert (reply.err, reply.zxid, reply.record(Op.sasl).token) == (0, 0, None)
    assert not client.connection.closing


def test_auth_grants_an_identity_to_the_connection(client: Client) -> None:
    guarded = [ACL(31, "auth", "")]
    record = c.CreateRequest(b"/mine", b"s", guarded, 0)
    assert client.ask(Op.create, record).err == Code.INVALIDACL
    packet = c.AuthPacket(0, "digest", b"joe:pw")
    for _ in range(2):
        reply = client.ask(Op.auth, packet, xid=-4)
        assert (reply.xid, reply.err) == (-4, 0)
    assert client.ask(Op.create, record).err == 0
    assert client.ask(Op.getData, c.GetDataRequest(b"/mine", False)).err == 0
    other = client.server.client()
    assert other.ask(Op.getData, c.GetDataRequest(b"/mine", False)).err == Code.NOAUTH
    infos = client.ask(Op.whoAmI).record(Op.whoAmI).client_info
    assert [info.auth_scheme for info in infos] == ["ip", "digest"]


def test_a_failed_auth_ends_the_connection(client: Client) -> None:
    client.send(request(-4, Op.auth, c.AuthPacket(0, "nope", b"")) + request(1, Op.getData, GET))
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(-4, Code.AUTHFAILED)]
    assert client.connection.closing


def test_requests_behind_a_close_session_are_refused(client: Client) -> None:
    client.send(
        request(1, Op.closeSession)
        + request(2, Op.setData, set_data(b"late"))
        + request(3, Op.create, c.CreateRequest(b"/late", b"", OPEN, 0))
        + request(4, Op.getData, GET)
    )
    client.server.settle()
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0)]
    assert client.connection.closing
    other = client.server.client()
    assert other.ask(Op.getData, GET).record(Op.getData).data == b"x"
    assert other.ask(Op.exists, c.ExistsRequest(b"/late", False)).err == Code.NONODE


# --- frames


@pytest.mark.parametrize("length", [-1, 0, 7, 0xFFFFF + 1, 0x7FFFFFFF, -0x80000000])
@pytest.mark.parametrize("more", [b"", bytes(20)])
def test_impossible_frame_lengths_close_the_connection(
    client: Client, length: int, more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(request(1, Op.getData, GET) + length.to_bytes(4, "big", signed=True) + more)
    assert [reply.xid for reply in client.replies()] == [1]
    assert client.connection.closing
    assert f"a frame of {length} bytes" in caplog.text
    assert "jute.maxbuffer" in caplog.text


def test_a_frame_of_the_allowed_size_passes() -> None:
    server = Server(**{"jute.maxbuffer": 2_000})
    client = server.client()
    data = bytes(2_000 - 8 - 4 - 2 - 4 - 4)
    client.create(b"/a")
    assert client.ask(Op.setData, set_data(data)).err == 0
    client.send(request(2, Op.setData, set_data(data + b"x")))
    assert client.connection.closing


# --- the same bytes, however they are cut, by the short way or the long one

READ = st.sampled_from(
    [
        (Op.getData, GET),
        (Op.getData, c.GetDataRequest(b"/a", True)),
        (Op.getData, c.GetDataRequest(b"/none", False)),
        (Op.getData, c.GetDataRequest(b"/guarded", False)),
        (Op.exists, c.ExistsRequest(b"/a", False)),
        (Op.exists, c.ExistsRequest(b"/t", False)),
        (Op.getChildren, c.GetChildrenRequest(b"/", True)),
        (Op.ping, None),
        (Op.getData, b"\0\0\0\2/a"),
        (Op.getData, b"\xff\xff\xff\xff\0"),
    ]
)
WRITE = st.sampled_from(
    [
        (Op.setData, set_data(b"new")),
        (Op.setData, set_data(b"", version=1)),
        (Op.setData, set_data(b"t", b"/t")),
        (Op.setData, set_data(b"", b"/none")),
        (Op.create, c.CreateRequest(b"/n-", b"", OPEN, 3)),
        (Op.delete, c.DeleteRequest(b"/none", -1)),
        (Op.multi, [(Op.setData, set_data(b"m")), (Op.check, c.CheckVersionRequest(b"/a", 0))]),
        (Op.setData, b"\0\0\0\2/a"),
    ]
)


def grown() -> tuple[Server, Client]:
    server = Server(extendedTypesEnabled="true")
    client = server.client()
    client.create(b"/a", b"x")
    client.create(b"/guarded", b"y")
    client.ask(Op.setACL, c.SetACLRequest(b"/guarded", [ACL(16, "world", "anyone")], -1))
    client.ask(Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 9_000))
    return server, client


def stream(requests: list[tuple[Op, Any]]) -> bytes:
    return b"".join(request(xid, *item) for xid, item in enumerate(requests, 1))


def answers(data: bytes, cuts: list[int], settle_at: list[int]) -> tuple[bytes, list[bytes]]:
    server, client = grown()
    start = len(server.entries)
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    begin = 0
    for index, edge in enumerate(edges):
        client.send(data[begin:edge])
        begin = edge
        if index in settle_at:
            server.settle()
    server.settle()
    return client.take(), server.entries[start:]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(READ | WRITE, min_size=1, max_size=8),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_cuts_change_nothing(requests: list[tuple[Op, Any]], cuts: list[int]) -> None:
    data = stream(requests)
    assert answers(data, [], []) == answers(data, cuts, [])


def test_every_single_cut_and_single_bytes() -> None:
    data = stream(
        [
            (Op.getData, GET),
            (Op.setData, set_data(b"new")),
            (Op.exists, c.ExistsRequest(b"/a", False)),
            (Op.getData, c.GetDataRequest(b"/a", True)),
            (Op.ping, None),
        ]
    )
    whole = answers(data, [], [])
    for cut in range(len(data)):
        assert answers(data, [cut], []) == whole
    assert answers(data, list(range(len(data))), []) == whole


@settings(deadline=None, max_examples=40)
@given(st.lists(READ | WRITE, min_size=1, max_size=8))
def test_the_short_way_gives_the_bytes_of_the_long_one(requests: list[tuple[Op, Any]]) -> None:
    data = stream(requests)
    short = answers(data, [], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.server.connection.FAST_READS", ())
        patch.setattr("zoo.pipeline.plain_writes.PlainWrites._room", lambda self, most: 0)
        assert answers(data, [], []) == short


# --- a client that does not read


def big(server: Server) -> Client:
    server.core.max_unsent = 2 * BIG
    client = server.client()
    client.create(b"/a", bytes(BIG))
    return client


@pytest.mark.parametrize("watch", [False, True], ids=["short way", "long way"])
@pytest.mark.parametrize("at_once", [True, False])
def test_replies_to_a_client_that_does_not_read_are_bounded(watch: bool, at_once: bool) -> None:
    client = big(Server())
    requests = [request(i, Op.getData, c.GetDataRequest(b"/a", watch)) for i in range(1, 41)]
    connection = client.connection
    if at_once:
        connection.receive(b"".join(requests))
    else:
        for one in requests:
            if not connection.paused:
                connection.receive(one)
    assert connection.paused
    unread = sum(map(len, connection.out))
    assert unread <= 4 * BIG
    replies = client.replies()
    if at_once:
        assert [reply.xid for reply in replies] == list(range(1, 41)), "it goes on when it is read"
    assert not connection.paused


def test_reads_behind_a_write_are_answered_in_turn_whatever_is_unread() -> None:
    """A deferred read that stayed in the way of a committed write once stopped the server."""
    client = big(Server())
    connection = client.connection
    data = b"".join(
        request(4 * i, Op.setData, set_data(bytes(BIG), version=i))
        + request(4 * i + 1, Op.getData, GET)
        + request(4 * i + 2, Op.getData, GET)
        + request(4 * i + 3, Op.getChildren, c.GetChildrenRequest(b"/", False))
        for i in range(6)
    )
    connection.receive(data)
    client.server.settle()
    assert connection.paused or len(connection.out) > 0
    replies = []
    for _ in range(10):
        replies += client.replies()
        client.server.settle()
    assert [reply.xid for reply in replies] == list(range(24))
    versions = [
        reply.record(Op.getData).stat.version for reply in replies if reply.xid % 4 in (1, 2)
    ]
    assert versions == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_a_client_that_leaves_its_events_unread_is_cut_off(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("zoo.server.connection.MAX_BACKLOG", 2_000)
    watcher = client.server.client()
    watcher.ask(Op.addWatch, c.AddWatchRequest(b"/a", 0))
    for _ in range(100):
        client.ask(Op.setData, set_data(b""))
    assert watcher.connection.closing
    assert "unread" in caplog.text
    assert len(watcher.take()) < 2_000, "what it left unread is thrown away"


# --- too many requests under way


def test_past_the_outstanding_limit_the_sender_is_not_read_from() -> None:
    server = Server(globalOutstandingLimit=4)
    client, other = server.client(), server.client()
    client.create(b"/a")
    data = b"".join(request(i, Op.setData, set_data(b"")) for i in range(1, 21))
    client.connection.receive(data)
    assert client.connection.paused
    assert len(client.connection.waiting) == 4
    other.send(request(1, Op.getData, GET))
    assert len(other.replies()) == 1, "reads of others go on"
    other.send(request(2, Op.setData, set_data(b"")))
    assert other.connection.paused
    server.settle()
    assert [reply.xid for reply in client.replies()] == list(range(1, 21))
    assert [reply.xid for reply in other.replies()] == [2]
    assert not client.connection.paused
    assert not other.connection.paused
    assert server.core.outstanding == 0


def test_a_client_that_vanishes_does_not_keep_its_share_of_the_limit() -> None:
    server = Server(globalOutstandingLimit=4)
    client, other = server.client(), server.client()
    client.create(b"/a")
    client.send(b"".join(request(i, Op.setData, set_data(b"")) for i in range(1, 9)))
    client.connection.closed()
    other.send(request(1, Op.setData, set_data(b"")))
    server.settle()
    assert [reply.xid for reply in other.replies()] == [1]
    assert server.core.outstanding == 0


def test_writes_of_a_client_that_vanishes_still_commit(client: Client) -> None:
    client.send(request(1, Op.setData, set_data(b"last")) + request(2, Op.getData, GET))
    client.connection.closed()
    client.server.settle()
    other = client.server.client()
    assert other.ask(Op.getData, GET).record(Op.getData).data == b"last"


# --- before the session


def test_requests_sent_ahead_of_the_session_wait_for_it(server: Server) -> None:
    client = server.dial()
    early = request(1, Op.create, c.CreateRequest(b"/early", b"", OPEN, 0))
    client.send(connect() + early)
    assert client.frames() == []
    server.settle()
    frames = client.frames()
    assert len(frames) == 2
    assert b"/early" in server.core.tree.nodes


def test_repr_names_peer_and_session(client: Client) -> None:
    assert f"0x{client.session_id:x}" in repr(client.connection)
    assert "10.0.0.1" in repr(client.connection)


def test_statistics(client: Client) -> None:
    stats = client.connection.stats
    received, sent = stats.packets_received, stats.packets_sent
    client.send(request(7, Op.getData, GET) + request(8, Op.ping))
    client.take()
    assert (stats.packets_received, stats.packets_sent) == (received + 2, sent + 2)


def test_frame_helpers_agree_with_the_wire() -> None:
    assert request(1, Op.ping) == frame(b"\0\0\0\1\0\0\0\x0b")
    assert encode(GET) in request(2, Op.getData, GET)
