from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.runtime.hubs import (
    LoneHub,
    listening,
    wait_for_bytes,
    wait_for_end,
    wait_until,
)
from zoo.errors import ProtocolViolation
from zoo.runtime import election_mesh
from zoo.runtime.election_mesh import ElectionMesh, MeshEvents, MeshSettings
from zoo.testing.ports import free_ports
from zoo.zab.mesh_protocol import encode_greeting, frame

NOWHERE = ("127.0.0.1", 9)


class Member:
    """A mesh and all it was told."""

    def __init__(self, sid: int, ports: dict[int, int], **settings: object) -> None:
        self.sid = sid
        self.address = ("127.0.0.1", ports[sid])
        self.hub = LoneHub()
        self.heard: list[tuple[int, bytes]] = []
        self.events: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self.on_reachable: Callable[[int], None] = lambda sid: None
        others = {n: [("127.0.0.1", port)] for n, port in ports.items() if n != sid}
        given: dict[str, object] = {"listen_on": (self.address,), **settings}
        self.mesh = ElectionMesh(
            self.hub,
            sid,
            [self.address],
            others,
            MeshSettings(**given),  # type: ignore[arg-type]
            MeshEvents(self._received, self._reachable, self._unreachable, self.failures.append),
        )

    def _received(self, sid: int, message: bytes) -> None:
        if message == b"nonsense":
            raise ProtocolViolation("that is no vote")
        self.heard.append((sid, message))

    def _reachable(self, sid: int) -> None:
        self.events.append(("up", sid))
        self.on_reachable(sid)

    def _unreachable(self, sid: int) -> None:
        self.events.append(("down", sid))

    def start(self) -> Member:
        self.mesh.start()
        return self

    def say(self, sid: int, message: bytes) -> None:
        self.mesh.send(sid, message)
        self.mesh.flush()

    def close(self) -> None:
        self.mesh.close()
        self.hub.close()


class Mesh:
    """Members that run in turns."""

    def __init__(self, *sids: int) -> None:
        self.ports = dict(zip(sids, free_ports(len(sids))))
        self.members: dict[int, Member] = {}

    def member(self, sid: int, **settings: object) -> Member:
        made = self.members[sid] = Member(sid, self.ports, **settings)
        return made

    def stop(self, sid: int) -> None:
        self.members.pop(sid).close()

    @property
    def hubs(self) -> list[LoneHub]:
        return [member.hub for member in self.members.values()]

    def wait_until(self, condition: Callable[[], object]) -> None:
        def flush() -> None:
            for member in self.members.values():
                member.mesh.flush()

        wait_until(condition, *self.hubs, after=flush)

    def close(self) -> None:
        for member in self.members.values():
            member.close()


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    made = Mesh(1, 2, 3)
    yield made
    made.close()


def connected(mesh: Mesh, a: Member, b: Member) -> None:
    mesh.wait_until(lambda: a.mesh.is_up(b.sid) and b.mesh.is_up(a.sid))


@pytest.mark.parametrize(("speaker", "listener"), [(1, 2), (2, 1)])
def test_a_message_arrives_whoever_has_the_larger_number(
    mesh: Mesh, speaker: int, listener: int
) -> None:
    a, b = mesh.member(speaker).start(), mesh.member(listener).start()
    a.say(listener, b"vote")
    mesh.wait_until(lambda: b.heard == [(speaker, b"vote")])
    assert a.events == [("up", listener)]
    assert b.events == [("up", speaker)]
    b.say(speaker, b"mine")
    mesh.wait_until(lambda: a.heard == [(listener, b"mine")])


def test_there_is_one_link_though_both_speak_first(mesh: Mesh) -> None:
    a, b = mesh.member(1).start(), mesh.member(2).start()
    a.say(2, b"one")
    b.say(1, b"two")
    mesh.wait_until(lambda: a.heard and b.heard)
    over: list[int] = []
    a.hub.later(0.05, lambda: over.append(1))
    mesh.wait_until(lambda: over)
    assert (a.events, b.events) == ([("up", 2)], [("up", 1)])
    assert not a.mesh._ungreeted
    assert not b.mesh._ungreeted


def test_only_the_newest_message_waits_for_a_member(mesh: Mesh) -> None:
    a = mesh.member(2).start()
    for number in range(5):
        a.say(1, b"%d" % number)
    mesh.wait_until(lambda: ("down", 1) in a.events)
    b = mesh.member(1).start()
    mesh.wait_until(lambda: b.heard)
    assert b.heard == [(2, b"4")]
    assert a.events == [("down", 1), ("up", 1)]


def test_a_link_that_breaks_is_told_at_once_and_comes_back(mesh: Mesh) -> None:
    a, b = mesh.member(1).start(), mesh.member(2).start()
    a.say(2, b"vote")
    mesh.wait_until(lambda: b.heard)
    mesh.stop(2)
    mesh.wait_until(lambda: a.events == [("up", 2), ("down", 2)])
    b = mesh.member(2).start()
    # What was said shortly before the end may have been lost: it is said again.
    mesh.wait_until(lambda: b.heard == [(1, b"vote")])
    assert a.events == [("up", 2), ("down", 2), ("up", 2)]


def test_a_newer_message_takes_the_place_of_one_in_doubt(mesh: Mesh) -> None:
    a, b = mesh.member(2).start(), mesh.member(1).start()
    a.say(1, b"old")
    mesh.wait_until(lambda: b.heard)
    mesh.stop(1)
    a.on_reachable = lambda sid: a.mesh.send(sid, b"new")
    b = mesh.member(1).start()
    mesh.wait_until(lambda: b.heard)
    assert b.heard == [(2, b"new")]


def test_old_news_is_not_said_again(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election_mesh, "_DOUBT_SECONDS", -1.0)
    a, b = mesh.member(2).start(), mesh.member(1).start()
    a.say(1, b"old")
    mesh.wait_until(lambda: b.heard)
    mesh.stop(1)
    b = mesh.member(1).start()
    connected(mesh, a, b)
    a.say(1, b"new")
    mesh.wait_until(lambda: b.heard)
    assert b.heard == [(2, b"new")]


def test_a_member_that_lost_its_link_silently_is_dialled_again(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(election_mesh, "_SETTLING_SECONDS", 0.0)
    (b,) = [mesh.member(2).start()]
    with listening() as one:
        b.mesh._peers[1].addresses = [one.getsockname()]
        b.say(1, b"hello")
        b.mesh.flush()
        mesh.wait_until(lambda: b.mesh._peers[1].dial is None)
        first, _ = one.accept()
        # The other side comes back as if it had never had that link.
        with first, socket.create_connection(b.address, 5) as knock:
            knock.sendall(encode_greeting(1, [NOWHERE], False))
            mesh.wait_until(lambda: b.events == [("up", 1), ("up", 1)])
            second, _ = one.accept()
            with second:
                hello = encode_greeting(2, [b.address], False) + frame(b"hello")
                assert wait_for_bytes(second, len(hello), b.hub) == hello


def test_dials_in_parallel(mesh: Mesh) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        a, b = mesh.member(3).start(), mesh.member(1).start()
        a.mesh._peers[2].addresses = [full.getsockname()]
        a.say(2, b"to who is silent")
        started = time.monotonic()
        a.say(1, b"to who is there")
        mesh.wait_until(lambda: b.heard)
        assert time.monotonic() - started < 2
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        (-12345).to_bytes(8, "big", signed=True) + bytes(20),
        (-65536).to_bytes(8, "big", signed=True) + (1).to_bytes(8, "big") + b"\x7f\xff\xff\xff",
    ],
)
def test_garbage_is_shown_the_door(
    mesh: Mesh, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    a = mesh.member(2).start()
    with socket.create_connection(a.address, 5) as stranger:
        stranger.sendall(data)
        assert wait_for_end(stranger, a.hub) == b""
    mesh.wait_until(lambda: not a.mesh._ungreeted)
    lines = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(lines) == 1
    assert "to the election port" in lines[0]
    assert a.events == []


def test_who_says_nothing_is_not_waited_for(mesh: Mesh) -> None:
    a = mesh.member(2, greeting_seconds=0.02).start()
    with socket.create_connection(a.address, 5) as stranger:
        assert wait_for_end(stranger, a.hub) == b""


def test_a_bounded_number_may_be_silent(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election_mesh, "_MAX_UNGREETED", 2)
    a = mesh.member(2).start()
    sockets = [socket.create_connection(a.address, 5) for _ in range(3)]
    assert wait_for_end(sockets[0], a.hub) == b""
    mesh.wait_until(lambda: len(a.mesh._ungreeted) == 2)
    for sock in sockets:
        sock.close()


def test_a_server_with_our_own_number_is_refused(
    mesh: Mesh, caplog: pytest.LogCaptureFixture
) -> None:
    a = mesh.member(2).start()
    with socket.create_connection(a.address, 5) as twin:
        twin.sendall(encode_greeting(2, [NOWHERE], False))
        assert wait_for_end(twin, a.hub) == b""
    assert "two servers have the same myid" in caplog.text


def test_a_server_that_is_no_member_is_heard_and_answered(mesh: Mesh) -> None:
    """It may know a newer configuration; so Java's servers do."""
    a = mesh.member(2).start()
    with socket.create_connection(a.address, 5) as newcomer:
        newcomer.sendall(encode_greeting(9, [NOWHERE], True) + frame(b"who leads?"))
        mesh.wait_until(lambda: a.heard == [(9, b"who leads?")])
        a.say(9, b"I do")
        assert wait_for_bytes(newcomer, 8, a.hub) == frame(b"I do")
    mesh.wait_until(lambda: 9 not in a.mesh._peers)
    assert a.events == [("up", 9)]


def test_a_newcomer_with_a_smaller_number_is_dialled_where_it_says(mesh: Mesh) -> None:
    a = mesh.member(2).start()
    with listening() as newcomer:
        with socket.create_connection(a.address, 5) as knock:
            knock.sendall(encode_greeting(0, [newcomer.getsockname()], True))
        mesh.wait_until(lambda: a.events == [("up", 0)])
        newcomer.accept()[0].close()
    mesh.wait_until(lambda: 0 not in a.mesh._peers)
    assert ("down", 0) not in a.events, "who is no member is not missed"


def test_there_is_a_bound_on_newcomers(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election_mesh, "_MAX_STRANGERS", 1)
    a = mesh.member(2).start()
    with (
        socket.create_connection(a.address, 5) as first,
        socket.create_connection(a.address, 5) as second,
    ):
        first.sendall(encode_greeting(8, [NOWHERE], True))
        mesh.wait_until(lambda: a.mesh.is_up(8))
        second.sendall(encode_greeting(9, [NOWHERE], True))
        assert wait_for_end(second, a.hub) == b""


def test_a_message_against_the_protocol_ends_the_link(
    mesh: Mesh, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = mesh.member(1).start(), mesh.member(2).start()
    a.say(2, b"nonsense")
    mesh.wait_until(lambda: ("down", 1) in b.events)
    assert "that is no vote" in caplog.text


def test_a_large_message_goes_through_a_narrow_socket(mesh: Mesh) -> None:
    a, b = mesh.member(2).start(), mesh.member(1).start()
    a.say(1, b"first")
    connected(mesh, a, b)
    link = a.mesh._peers[1].link
    assert link is not None
    link._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    big = [bytes([n]) * 500_000 for n in range(3)]
    for message in big:
        a.say(1, message)
    mesh.wait_until(lambda: b.heard and b.heard[-1] == (2, big[-1]))
    assert (2, big[1]) not in b.heard, "an older message that had not left was not replaced"


def test_the_port_that_cannot_be_opened_is_a_failure(mesh: Mesh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        a = mesh.member(1, listen_on=(holder.getsockname(),), bind_attempts=1).start()
    assert "cannot listen on 127.0.0.1" in a.failures[0]


def test_keeps_links_alive_when_told(mesh: Mesh) -> None:
    a, b = mesh.member(1, keep_alive=True).start(), mesh.member(2).start()
    a.say(2, b"x")
    connected(mesh, a, b)
    for member, wanted in ((a, True), (b, False)):
        link = member.mesh._peers[3 - member.sid].link
        assert link is not None
        alive = link._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert bool(alive) is wanted
