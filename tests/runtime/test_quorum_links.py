from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.runtime.hubs import (
    LoneHub,
    listening,
    wait_for_bytes,
    wait_for_end,
    wait_until,
)
from zoo.errors import ProtocolViolation
from zoo.runtime import quorum_links
from zoo.runtime.quorum_links import QuorumLinks, QuorumSettings
from zoo.testing.ports import free_ports
from zoo.zab.link import PeerLink
from zoo.zab.vote import ServerState


class Owner:
    """Keeps what it gets; "!" is against the protocol."""

    def __init__(self, link: PeerLink) -> None:
        self.link = link
        self.data = b""
        self.broken = 0
        link.owner = self

    def link_received(self, data: bytes) -> bytes:
        if b"!" in data:
            raise ProtocolViolation("no exclamations")
        self.data += data
        return b""

    def link_broken(self) -> None:
        self.broken += 1


class Peer:
    """Of a peer only what has to do with links."""

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self.wanted_leader: int | None = None
        self.wants_observer_master = False
        self.observers: list[Owner] = []
        self.dirty: list[PeerLink] = []
        self.log = SimpleNamespace(backlog=0)
        self.learners: list[Owner] = []
        self.leaders: list[Owner | None] = []

    def learner_link(self, link: PeerLink) -> None:
        self.learners.append(Owner(link))

    def observer_link(self, link: PeerLink) -> None:
        self.observers.append(Owner(link))

    def leader_link(self, link: PeerLink | None) -> None:
        self.wanted_leader = None
        self.leaders.append(None if link is None else Owner(link))


class Rig:
    def __init__(self, state: ServerState, leader: tuple[str, int] | None = None) -> None:
        self.hub = LoneHub()
        self.peer = Peer(state)
        self.failures: list[str] = []
        port, observer_port = free_ports(2)
        self.address = ("127.0.0.1", port)
        self.observer_address = ("127.0.0.1", observer_port)
        self.links = QuorumLinks(
            self.hub,
            self.peer,
            {7: [leader]} if leader else {},
            QuorumSettings((self.address,), observers_on=(self.observer_address,)),
            self.failures.append,
            {8: [leader]} if leader else {},
        )
        self.links.start()

    def wait_until(self, condition: object) -> None:
        wait_until(condition, self.hub, after=self.links.after_turn)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        sock = socket.create_connection(self.address, 5)
        self.wait_until(lambda: True)
        return sock

    def close(self) -> None:
        self.links.close()
        self.hub.close()


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.close()


def rig(rigs: list[Rig], state: ServerState, leader: tuple[str, int] | None = None) -> Rig:
    made = Rig(state, leader)
    rigs.append(made)
    return made


def led(rigs: list[Rig]) -> tuple[Rig, socket.socket, Owner]:
    """A leader with one learner."""
    leader = rig(rigs, ServerState.LEADING)
    sock = leader.connect()
    leader.wait_until(lambda: leader.peer.learners)
    return leader, sock, leader.peer.learners[0]


def test_a_leader_talks_with_a_learner(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        assert learner.link.peer == f"127.0.0.1:{sock.getsockname()[1]}"
        sock.send(b"hello")
        leader.wait_until(lambda: learner.data == b"hello")
        learner.link.send(b"wel")
        learner.link.send(b"come")
        leader.links.after_turn()
        assert wait_for_bytes(sock, 7, leader.hub) == b"welcome"
        assert learner.link.out_size == 0
    leader.wait_until(lambda: learner.broken)
    assert learner.broken == 1


def test_who_comes_too_early_waits_until_we_lead(rigs: list[Rig]) -> None:
    server = rig(rigs, ServerState.LOOKING)
    with server.connect() as sock:
        sock.send(b"FOLLOWERINFO")
        server.wait_until(lambda: server.links._held)
        assert not server.peer.learners
        server.peer.state = ServerState.LEADING
        server.wait_until(lambda: server.peer.learners)
        (learner,) = server.peer.learners
        server.wait_until(lambda: learner.data == b"FOLLOWERINFO")


@pytest.mark.parametrize("state", [ServerState.FOLLOWING, ServerState.OBSERVING])
def test_who_waited_in_vain_is_let_go_at_once(rigs: list[Rig], state: ServerState) -> None:
    server = rig(rigs, ServerState.LOOKING)
    with server.connect() as sock:
        server.wait_until(lambda: server.links._held)
        server.peer.state = state
        server.links.after_turn()
        assert wait_for_end(sock, server.hub) == b""
    with server.connect() as another:
        assert wait_for_end(another, server.hub) == b""
    assert not server.peer.learners


def test_nobody_waits_for_ever(rigs: list[Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum_links, "_HOLD_SECONDS", 0.02)
    server = rig(rigs, ServerState.LOOKING)
    with server.connect() as sock:
        assert wait_for_end(sock, server.hub) == b""
    assert not server.links._held


def test_a_bounded_number_waits(rigs: list[Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum_links, "_MAX_HELD", 1)
    server = rig(rigs, ServerState.LOOKING)
    with server.connect():
        server.wait_until(lambda: server.links._held)
        with server.connect() as second:
            assert wait_for_end(second, server.hub) == b""
        assert len(server.links._held) == 1


def test_dials_the_leader_and_talks(rigs: list[Rig]) -> None:
    with listening() as leader:
        follower = rig(rigs, ServerState.FOLLOWING, leader.getsockname())
        follower.peer.wanted_leader = 7
        follower.wait_until(lambda: follower.peer.leaders)
        (link,) = follower.peer.leaders
        assert link is not None
        with leader.accept()[0] as sock:
            link.link.send(b"hi")
            follower.links.after_turn()
            assert wait_for_bytes(sock, 2, follower.hub) == b"hi"


def test_nothing_is_read_while_the_disk_is_behind(rigs: list[Rig]) -> None:
    with listening() as leader:
        follower = rig(rigs, ServerState.FOLLOWING, leader.getsockname())
        follower.peer.wanted_leader = 7
        follower.wait_until(lambda: follower.peer.leaders)
        (link,) = follower.peer.leaders
        assert link is not None
        with leader.accept()[0] as sock:
            follower.peer.log.backlog = quorum_links.MAX_BACKLOG + 1
            follower.links.after_turn()
            sock.send(b"more of a snapshot")
            link.link.send(b"still heard")
            follower.links.after_turn()
            assert wait_for_bytes(sock, 11, follower.hub) == b"still heard"
            assert link.data == b""
            follower.peer.log.backlog = 0
            follower.wait_until(lambda: link.data == b"more of a snapshot")


def test_says_that_the_leader_does_not_answer(rigs: list[Rig]) -> None:
    (dead,) = free_ports(1)
    follower = rig(rigs, ServerState.FOLLOWING, ("127.0.0.1", dead))
    for tries in (1, 2):
        follower.peer.wanted_leader = 7
        follower.wait_until(lambda tries=tries: len(follower.peer.leaders) == tries)
    assert follower.peer.leaders == [None, None]


def test_a_leader_that_is_no_longer_wanted_is_not_reported(rigs: list[Rig]) -> None:
    with listening() as leader:
        follower = rig(rigs, ServerState.FOLLOWING, leader.getsockname())
        follower.peer.wanted_leader = 7
        follower.links.after_turn()
        follower.peer.wanted_leader = None
        follower.links.after_turn()
        over: list[int] = []
        follower.hub.later(0.02, lambda: over.append(1))
        follower.wait_until(lambda: over)
        assert follower.peer.leaders == []


def test_what_was_said_last_is_sent_before_closing(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        learner.link.send(b"x" * 3_000_000)
        learner.link.close()
        leader.links.after_turn()
        received = 0

        def all_came() -> bool:
            nonlocal received
            try:
                piece = sock.recv(1 << 20)
            except BlockingIOError:
                return False
            received += len(piece)
            return not piece

        sock.setblocking(False)
        leader.wait_until(all_came)
        assert received == 3_000_000
        assert learner.broken == 1


def test_who_does_not_read_is_not_waited_for_after_closing(
    rigs: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quorum_links, "_LAST_WORDS_SECONDS", 0.02)
    leader, sock, learner = led(rigs)
    with sock:
        learner.link.send(b"x" * 50_000_000)
        learner.link.close()
        leader.wait_until(lambda: learner.broken)
        assert not leader.links._sockets


def test_an_aborted_link_sends_nothing_more(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        learner.link.send(b"x" * 50_000_000)
        leader.links.after_turn()
        assert learner.link.out_size > 0
        learner.link.abort("too slow")
        leader.links.after_turn()
        assert learner.broken == 1
        assert len(wait_for_end(sock, leader.hub)) < 50_000_000


def test_a_stream_is_made_as_there_is_room(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        pieces = [bytes([n]) * 500_000 for n in range(20)]
        biggest = 0

        def more() -> None:
            nonlocal biggest
            if pieces:
                learner.link.send(pieces.pop(0))
            biggest = max(biggest, learner.link.out_size)

        learner.link.on_drained = more
        more()
        received = b""

        def all_came() -> bool:
            nonlocal received
            try:
                received += sock.recv(1 << 20)
            except BlockingIOError:
                return False
            return len(received) == 10_000_000

        sock.setblocking(False)
        leader.wait_until(all_came)
        assert received == b"".join(bytes([n]) * 500_000 for n in range(20))
        assert biggest == 500_000


def test_a_stream_leaves_the_turn_to_others(
    rigs: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quorum_links, "STREAM_STEP", 40_000)
    leader, sock, learner = led(rigs)
    made = 0

    def more() -> None:
        nonlocal made
        made += 10_000
        learner.link.send(bytes(10_000))

    with sock:
        learner.link.on_drained = more
        more()
        leader.links.after_turn()
        assert 40_000 <= made <= 50_000
        leader.links.after_turn()
        assert made <= 50_000, "it has to wait until the socket says that there is room"
        leader.wait_until(lambda: made > 50_000)


def test_a_violation_ends_the_link(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        sock.send(b"what!")
        leader.wait_until(lambda: learner.broken)
        assert wait_for_end(sock, leader.hub) == b""


def test_closing_leaves_nothing_open(rigs: list[Rig]) -> None:
    leader, sock, learner = led(rigs)
    with sock:
        leader.links.close()
        assert wait_for_end(sock, leader.hub) == b""
        assert learner.broken == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(leader.address, 5)


def test_observers_come_by_a_port_of_their_own(rigs: list[Rig]) -> None:
    follower = rig(rigs, ServerState.FOLLOWING)
    with socket.create_connection(follower.observer_address, 5) as sock:
        follower.wait_until(lambda: follower.peer.observers)
        sock.sendall(b"observe")
        (owner,) = follower.peer.observers
        follower.wait_until(lambda: owner.data == b"observe")
    assert not follower.peer.learners


def test_an_observer_master_is_dialled_at_its_own_port(rigs: list[Rig]) -> None:
    with listening() as server:
        observer = rig(rigs, ServerState.OBSERVING, server.getsockname())
        observer.peer.wanted_leader, observer.peer.wants_observer_master = 8, True
        observer.wait_until(lambda: observer.peer.leaders)
        (owner,) = observer.peer.leaders
        assert owner is not None
        assert owner.link.peer == "observer master 8"
