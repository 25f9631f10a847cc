"""A request that comes alone gets the bytes, and leaves the counts, that the general way gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.rig import Client, Server, create, frame, put, request
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.server.lone_request import LARGEST_BODY, lone_request

READ_ONLY = [ACL(1, "world", "anyone")]
GET_A = request(7, Op.getData, c.GetDataRequest(b"/a", False))


@pytest.fixture
def client() -> Client:
    client = Server().client()
    client.ask(
        (Op.create, create(b"/a", b"data")),
        (Op.create, create(b"/empty")),
        (Op.create, create("/é".encode(), b"x" * 300)),
        (Op.create, create(b"/guarded", acl=READ_ONLY)),
        (Op.createContainer, create(b"/box", flags=4)),
        (Op.create, create(b"/big", bytes(LARGEST_BODY))),
    )
    return client


def counts(client: Client) -> dict[str, Any]:
    stats, own = client.server.core.stats, client.connection.stats
    return {
        **{name: getattr(own, name) for name in own.__slots__ if name != "latency"},
        "totals": (stats.packets_received, stats.packets_sent),
        "sizes": (stats.last_response_size, stats.min_response_size, stats.max_response_size),
        "reads": stats.metrics.readlatency.count,
    }


@pytest.mark.parametrize("path", [b"/a", b"/empty", "/é".encode(), b"/"])
@pytest.mark.parametrize("op", [Op.getData, Op.exists])
def test_it_is_what_the_general_way_gives(client: Client, path: bytes, op: Op) -> None:
    data = request(7, op, c.GetDataRequest(path, False))
    before = counts(client)
    client.connection.session.seen = -1
    reply = lone_request(client.connection, data)
    assert reply
    assert client.connection.session.seen == client.server.core.session_clock
    lone = counts(client)
    assert lone != before

    client.send(data)
    (general,) = client.frames()
    assert frame(general) == reply
    after = counts(client)
    assert after["totals"] == tuple(number + 1 for number in lone["totals"])
    assert after["reads"] == lone["reads"] + 1 == before["reads"] + 2
    for name in ("last_opcode", "last_cxid", "last_zxid", "last_response_ms", "sizes"):
        assert after[name] == lone[name]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GET_A[:-1],
        GET_A + b"\0",
        GET_A * 2,
        GET_A[:3],
        request(7, Op.getData, c.GetDataRequest(b"/a", True)),
        request(7, Op.getData, c.GetDataRequest(b"", False)),
        request(7, Op.getData, c.GetDataRequest(b"/none", False)),
        request(7, Op.getData, c.GetDataRequest(b"/guarded", False)),
        request(7, Op.exists, c.GetDataRequest(b"/box", False)),
        request(7, Op.getData, c.GetDataRequest(b"/big", False)),
        request(7, Op.getData, b"\xff\xff\xff\xff\0"),
        request(7, Op.getData, b"\0\0\0\x03/a\0"),
        request(7, Op.getChildren, c.GetChildrenRequest(b"/a", False)),
        request(7, Op.setData, put(b"/none")),
        request(7, Op.setData, put(b"/guarded")),
        request(7, Op.setData, put(b"/a")) + GET_A,
        request(7, Op.delete, c.DeleteRequest(b"/a", -1)),
        request(-2, Op.ping),
    ],
)
def test_all_else_is_left_to_the_general_way(client: Client, data: bytes) -> None:
    before = counts(client)
    assert lone_request(client.connection, data) is None
    assert counts(client) == before


def test_nothing_goes_ahead_of_what_waits_or_is_unsent(client: Client) -> None:
    server, connection = client.server, client.connection
    server.disk_works = False
    client.send(request(1, Op.setData, put(b"/a", b"new")))
    assert lone_request(connection, GET_A) is None
    client.reads = False
    server.commit()
    assert connection.out_size
    assert lone_request(connection, GET_A) is None
    client.read_on()
    assert (lone_request(connection, GET_A) or b"").endswith(server.tree.nodes[b"/a"])


def test_half_a_frame_comes_first(client: Client) -> None:
    client.send(GET_A[:5])
    assert lone_request(client.connection, GET_A) is None


def test_not_for_a_connection_that_is_paused_closing_or_has_no_session(client: Client) -> None:
    connection = client.connection
    connection.pause()
    assert lone_request(connection, GET_A) is None
    connection.paused = False
    connection.session.closing = True
    assert lone_request(connection, GET_A) is None
    connection.session.closing = False
    assert lone_request(connection, GET_A)
    connection.session.owner = None
    assert lone_request(connection, GET_A) is None
    stranger = Client(client.server)
    assert lone_request(stranger.connection, GET_A) is None
    client.connection.close()
    assert lone_request(connection, GET_A) is None


def test_not_where_frames_must_be_shorter(client: Client) -> None:
    client.server.core.max_frame = len(GET_A) - 5
    assert lone_request(client.connection, GET_A) is None


@pytest.mark.parametrize(
    ("op", "record"),
    [
        (Op.setData, put(b"/a", b"new")),
        (Op.create, create(b"/n")),
        (Op.create2, create(b"/n-", flags=2)),
    ],
)
def test_a_plain_write_goes_into_the_pipeline(client: Client, op: Op, record: Any) -> None:
    server, connection = client.server, client.connection
    server.disk_works = False
    data = request(7, op, record)
    before = counts(client)
    for number in range(1, 3):
        connection.session.seen = -1
        if number == 1:
            assert lone_request(connection, data) == b""
            lone = counts(client)
        else:
            data = data.replace(b"/n", b"/m")
            client.send(data)
        assert connection.session.seen == server.core.session_clock
        assert len(connection.waiting) == len(server.core.proposals) == number
        assert server.core.outstanding == number
    assert connection.out_size == 0
    after = counts(client)
    assert after["totals"] == (lone["totals"][0] + 1, lone["totals"][1])
    assert lone["totals"] == (before["totals"][0] + 1, before["totals"][1])
    for name in ("last_opcode", "last_cxid", "last_zxid", "last_response_ms", "sizes", "reads"):
        assert after[name] == lone[name]
    server.commit()
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(7, 0)] * 2


def test_a_write_past_the_limit_throttles(client: Client) -> None:
    server = client.server
    server.disk_works = False
    server.core.outstanding_limit = 2
    data = request(7, Op.setData, put(b"/a", b"new"))
    for paused in (False, True):
        assert lone_request(client.connection, data) == b""
        assert client.connection.paused == paused
    assert lone_request(client.connection, data) is None
    server.commit()
    assert not client.connection.paused
