"""Before the first request: sessions opened and taken up again, strangers shown out."""

from __future__ import annotations

from struct import Struct

import pytest

from tests.server.wire import Client, Server, connect, request
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.schema import decode
from zoo.server.core_view import CoreView, HostFacts
from zoo.server.view import ServerConf
from zoo.session.ids import password

CONF = ServerConf(2181, "/data", "/log", 1000, 60, 2000, 20000)
HOST = HostFacts("1", CONF, (), lambda: 0, lambda: 0, lambda: 1, lambda: 2)


@pytest.fixture
def server() -> Server:
    server = Server()
    server.core.view = CoreView(server.core, HOST)
    return server


def again(client: Client, **changes: object) -> Client:
    """Another connection that takes up the client's session."""
    other = client.server.dial()
    arguments: dict[str, object] = {
        "session_id": client.session_id,
        "password": client.password,
        **changes,
    }
    other.send(connect(**arguments))  # type: ignore[arg-type]
    return other


def test_a_session_is_told_once_it_is_durable(server: Server) -> None:
    client = server.dial()
    client.send(connect(5_000))
    ready = server.core.ready()
    assert ready is not None
    assert client.take() == b""
    server.core.persisted(ready.last_zxid)
    response = client.hello()
    assert (response.protocol_version, response.timeout) == (0, 5_000)
    assert response.passwd == password(response.session_id)
    assert response.read_only is False
    assert server.core.sessions.get(response.session_id) is not None
    assert client.ask(Op.exists, c.ExistsRequest(b"/", False)).err == 0


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(0, 2_000), (-1, 2_000), (1_999, 2_000), (7_777, 7_777), (1 << 30, 20_000)],
)
def test_the_timeout_is_negotiated(server: Server, asked: int, granted: int) -> None:
    assert server.client(asked).granted == granted


def test_a_client_without_a_read_only_byte_is_sent_none(server: Server) -> None:
    old, new = server.dial(), server.dial()
    old.send(connect(read_only=None))
    new.send(connect(read_only=True))
    server.settle()
    old_frame, new_frame = old.frames()[0], new.frames()[0]
    assert len(new_frame) == len(old_frame) + 1
    assert decode(c.ConnectResponse, old_frame).read_only is None
    assert decode(c.ConnectResponse, new_frame).read_only is False


def test_a_client_that_has_seen_the_future_is_turned_away_without_an_answer(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    last = server.client().server.core.tree.last_zxid
    ahead, level = server.dial(), server.dial()
    ahead.send(connect(last_zxid=last + 1))
    level.send(connect(last_zxid=last))
    server.settle()
    assert ahead.take() == b""
    assert ahead.connection.closing
    assert f"seen zxid 0x{last + 1:x}" in caplog.text
    assert level.hello().session_id


def test_a_session_moves_and_its_old_connection_is_closed(server: Server) -> None:
    client = server.client()
    client.create(b"/e", flags=1)
    client.send(request(1, Op.ping))  # an answer that the old connection will not send any more
    other = again(client)
    response = other.hello()
    assert (response.session_id, response.passwd) == (client.session_id, client.password)
    assert client.connection.closing
    assert client.take() == b""
    client.send(request(2, Op.delete, c.DeleteRequest(b"/e", -1)))
    client.connection.closed()
    server.settle()
    assert b"/e" in server.core.tree.nodes
    found = other.ask(Op.getEphemerals, c.GetEphemeralsRequest(b"/")).record(Op.getEphemerals)
    assert found.ephemerals == [b"/e"]
    assert server.core.attached[client.session_id] is other.connection


def test_watches_stay_with_the_old_connection(server: Server) -> None:
    client = server.client()
    client.create(b"/a")
    client.ask(Op.getData, c.GetDataRequest(b"/a", True))
    other = again(client)
    other.hello()
    client.connection.closed()
    assert other.ask(Op.setData, c.SetDataRequest(b"/a", b"", -1)).err == 0
    assert other.replies() == []


def test_taking_a_session_up_keeps_it_alive_with_the_new_timeout(server: Server) -> None:
    client = server.client(2_000)
    server.wait(1_800)
    other = again(client, timeout=9_000)
    assert other.hello().timeout == 9_000
    server.wait(8_000)
    assert client.session_id in server.core.sessions
    server.wait(3_000)
    server.settle()
    assert client.session_id not in server.core.sessions


@pytest.mark.parametrize("secret", [b"", bytes(16), b"x" * 16])
def test_a_wrong_password_is_refused_and_disturbs_nobody(server: Server, secret: bytes) -> None:
    client = server.client()
    other = again(client, password=secret)
    response = other.hello()
    assert (response.session_id, response.timeout, response.passwd) == (0, 0, bytes(16))
    assert other.connection.closing
    assert not client.connection.closing
    assert client.ask(Op.exists, c.ExistsRequest(b"/", False)).err == 0


def test_sessions_that_are_over_or_never_were(server: Server) -> None:
    client = server.client()
    client.send(request(1, Op.closeSession))
    closing = again(client)  # its end is on the way to the disk
    assert closing.hello().session_id == 0
    server.settle()
    assert again(client).hello().session_id == 0
    never = server.dial()
    never.send(connect(session_id=0x77, password=password(0x77)))
    assert never.hello().session_id == 0


def test_a_session_whose_client_vanished_before_the_answer_can_expire(server: Server) -> None:
    client = server.dial()
    client.send(connect(2_000))
    client.connection.closed()
    server.settle()
    assert len(server.core.sessions) == 1
    server.wait(4_000)
    server.settle()
    assert len(server.core.sessions) == 0


# --- strangers


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_four_letter_words(server: Server, cut: int) -> None:
    client = server.dial()
    client.send(b"ruok"[:cut])
    client.send(b"ruok"[cut:])
    assert client.take() == b"imok"
    assert client.connection.closing


def test_http_is_answered_and_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = server.dial()
    client.send(b"GET /metrics HTTP/1.1\r\nHost: zoo\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 400 ")
    assert client.connection.closing
    assert "HTTP request from 10.0.0.1" in caplog.text


def test_tls_gets_an_alert(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = server.dial()
    client.send(b"\x16\x03\x01\x02\x00\x01")
    assert client.take()[:1] == b"\x15"
    assert client.connection.closing
    assert "TLS handshake" in caplog.text


@pytest.mark.parametrize("length", [-1, -(1 << 31), 5_000, (1 << 31) - 1])
def test_an_impossible_first_frame(
    server: Server, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = server.dial()
    client.send(Struct(">i").pack(length) + bytes(100))
    assert client.take() == b""
    assert client.connection.closing
    assert f"claims {length} bytes" in caplog.text


def test_an_undecodable_connect_request_closes(server: Server) -> None:
    client = server.dial()
    client.send(Struct(">i").pack(9) + bytes(9))
    assert client.connection.closing
    assert client.take() == b""


def test_the_hello_may_come_byte_by_byte(server: Server) -> None:
    client = server.dial()
    for byte in connect():
        client.send(bytes((byte,)))
    server.settle()
    assert client.hello().session_id


def test_connections_without_a_session_are_dropped_after_a_while(server: Server) -> None:
    silent, waiting, served = server.dial(), server.dial(), server.client()
    waiting.send(connect(20_000))  # answered once it is durable, which is not the client's fault
    patience = server.core.config.sessionless_cnxn_timeout_ms
    server.wait(patience - 100)
    assert not silent.connection.closing
    server.wait(300)
    assert silent.connection.closing
    assert not waiting.connection.closing
    assert served.session_id
