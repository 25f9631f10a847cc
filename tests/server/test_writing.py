"""Who decides about writes and sessions; the deciding itself is tested where clients meet it."""

from __future__ import annotations

import pytest

from tests.server.rig import CONNECT, Client, Server, create, frame, put
from zoo.jute.client_records import ConnectRequest
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.server.writing import Deciding, NotServing, ReadOnly
from zoo.session.ids import password


def test_a_standalone_server_decides() -> None:
    server = Server()
    assert isinstance(server.core.writing, Deciding)
    assert server.core.writing.decides
    client = server.client()
    replies = client.ask((Op.create, create(b"/a")), (Op.setData, put(b"/a", b"1")))
    assert [reply.err for reply in replies] == [0, 0]


def test_nothing_is_decided_without_a_role() -> None:
    server = Server()
    connection = server.client().connection
    writing = NotServing()
    assert not writing.decides
    with pytest.raises(AssertionError):
        writing.prepare(connection, 1, Op.create, encode(create(b"/a")))
    with pytest.raises(AssertionError):
        writing.open_session(connection, 1000)
    with pytest.raises(AssertionError):
        writing.close_session(connection, 1)
    with pytest.raises(AssertionError):
        writing.take_up(connection, 1, 1000)
    writing.forgotten(connection)
    assert server.core.connections


def test_a_server_without_a_role_admits_nobody_and_forgets_what_was_under_way() -> None:
    server = Server()
    client = server.client()
    session_id = client.connection.session_id
    server.disk_works = False
    client.ask((Op.create, create(b"/lost")))
    server.core.stop_serving()
    server.end()
    assert not client.is_open
    assert server.core.outstanding == 0
    assert not server.core.proposals
    assert server.core.outstanding_view.get(b"/lost") is None
    assert session_id in server.core.sessions
    newcomer = Client(server)
    again = ConnectRequest(0, 0, 10_000, session_id, password(session_id), False)
    newcomer.send(frame(encode(again)))
    assert not newcomer.is_open
    assert newcomer.take() == b""


def test_a_session_that_was_only_prepared_is_forgotten_with_the_role() -> None:
    server = Server()
    server.disk_works = False
    Client(server).send(frame(encode(CONNECT)))
    assert len(server.core.sessions) == 1
    server.core.stop_serving()
    assert len(server.core.sessions) == 0


def test_of_many_who_are_refused_the_log_names_the_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = Server()
    server.core.stop_serving()
    for _ in range(3):
        client = Client(server)
        client.send(frame(encode(CONNECT)))
        assert not client.is_open
    assert isinstance(server.core.writing, NotServing)
    assert server.core.writing.refused == 3
    assert caplog.text.count("has no leader") == 1


def test_of_many_who_want_more_than_reads_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = Server()
    server.core.stop_serving()
    writing = ReadOnly(server.core)
    server.core.serve(writing, None)
    for _ in range(3):
        client = Client(server)
        client.send(frame(encode(CONNECT)))
        assert not client.is_open
    reader = Client(server)
    reader.send(frame(encode(ConnectRequest(0, 0, 10_000, 0, bytes(16), True))))
    assert reader.is_open
    assert writing.refused == 3
    assert caplog.text.count("wants more than reads") == 1
