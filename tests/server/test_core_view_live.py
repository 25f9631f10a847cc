"""The view follows a core whose clients come, wait and go; every word can be asked of it."""

from __future__ import annotations

import pytest

from tests.server.rig import NOW, WALL, Client, Server, create, put
from tests.server.view_double import conforms
from zoo.jute.client_records import ConnectRequest, GetChildrenRequest, GetDataRequest
from zoo.jute.operations import Op
from zoo.server.core_view import CoreView
from zoo.server.four_letter_words import WORDS, answer

SESSION = ConnectRequest(0, 0, 9000, 0, bytes(16), False)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Client:
    """With an ephemeral, a data watch and a children watch."""
    client = server.client(SESSION)
    client.ask(
        (Op.create, create(b"/e", b"12345", flags=1)),
        (Op.getData, GetDataRequest(b"/e", True)),
        (Op.getChildren, GetChildrenRequest(b"/", True)),
    )
    return client


def view_of(server: Server) -> CoreView:
    view = server.core.view
    assert isinstance(view, CoreView)
    assert conforms(view) is view
    return view


def test_clocks(server: Server) -> None:
    view = view_of(server)
    assert view.wall_offset_ms == WALL - NOW
    server.tick(after_ms=500)
    assert view.wall_offset_ms == WALL - NOW
    server.wall += 3_600_000  # somebody sets the clock
    server.tick()
    assert view.wall_offset_ms == WALL - NOW + 3_600_000


def test_sessions_and_connections(server: Server, client: Client) -> None:
    view = view_of(server)
    session = client.connection.session_id
    stranger = Client(server, "10.0.0.2:7")
    assert [stats.address for stats in view.connections()] == ["10.0.0.1:50000", "10.0.0.2:7"]
    stats = next(iter(view.connections()))
    assert (stats.session_id, stats.session_timeout_ms) == (session, 9000)
    assert (view.global_session_count(), view.local_session_count()) == (1, 0)
    (moment,) = view.session_expiry()
    assert NOW + 9000 < moment <= NOW + 12_000
    assert view.session_expiry() == {moment: [session]}
    assert view.connection_expiry() == {moment: [stats]}
    stranger.leave()
    client.leave()
    assert view.connections() == []
    assert view.connection_expiry() == {}
    assert view.session_expiry() == {moment: [session]}


def test_outstanding_requests(server: Server, client: Client) -> None:
    view = view_of(server)
    server.disk_works = False
    client.ask((Op.setData, put(b"/e")), (Op.getData, GetDataRequest(b"/e", False)))
    assert view.stats.outstanding_requests == 1
    assert [stats.outstanding for stats in view.connections()] == [2]
    server.commit()
    assert view.stats.outstanding_requests == 0
    assert [stats.outstanding for stats in view.connections()] == [0]


def test_ephemerals(server: Server, client: Client) -> None:
    view = view_of(server)
    session = client.connection.session_id
    assert view.ephemerals_count() == 1
    assert {sid: list(paths) for sid, paths in view.ephemerals().items()} == {session: [b"/e"]}
    client.ask(Op.closeSession)
    assert (view.ephemerals_count(), dict(view.ephemerals())) == (0, {})


def test_watches(server: Server, client: Client) -> None:
    view = view_of(server)
    session = f"0x{client.connection.session_id:x}"
    assert view.watch_count() == 2
    assert view.wchs() == "1 connections watching 1 paths\nTotal watches:1"
    assert view.wchp() == f"/e\n\t{session}\n"
    assert view.wchc() == f"{session}\n\t/e\n"
    client.leave()
    assert view.watch_count() == 0


def test_the_digest_log(server: Server, client: Client) -> None:
    client.ask(*[(Op.setData, put(b"/e", b"x"))] * 130)
    ((zxid, digest),) = view_of(server).digest_log()
    assert zxid == 128
    assert digest != server.tree.digest


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_finds_what_it_needs(server: Server, client: Client, word: bytes) -> None:
    client.ask(*[(Op.setData, put(b"/e", b"x"))] * 130)  # for the digest log
    request = word + bytes(8) if word == b"stmk" else word
    every = frozenset(known.decode() for known in WORDS)
    text = answer(request, view_of(server), every, server.now)
    assert text
    assert b"not executed" not in text
