"""Members whose ports are changed by reconfig while they serve."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

import zoo
from zoo.client.errors import ClientError
from zoo.client.states import State
from zoo.config_ensemble import QuorumServer, parse_ensemble_text
from zoo.testing.ports import free_ports
from zoo.testing.servers import ADDRESS, EmbeddedEnsemble

SETTINGS = {"reconfigEnabled": "true", "skipACL": "yes", "4lw.commands.whitelist": "conf"}
DEADLINE = 30.0


@pytest.fixture
def ensemble() -> Iterator[EmbeddedEnsemble]:
    with EmbeddedEnsemble(3, SETTINGS) as running:
        yield running


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), 1):
        return True
    return False


def told(port: int, word: str) -> str:
    with socket.create_connection((ADDRESS, port), 10) as sock:
        sock.sendall(word.encode())
        return b"".join(iter(lambda: sock.recv(1 << 16), b"")).decode()


def members(client: zoo.Client[bytes]) -> dict[int, QuorumServer]:
    return dict(parse_ensemble_text(client.get_config().data, "the test").servers)


def line(sid: int, quorum: int, election: int, client: int) -> str:
    return f"server.{sid}={ADDRESS}:{quorum}:{election}:participant;{ADDRESS}:{client}"


def change(client: zoo.Client[bytes], text: str) -> None:
    """Ask until it is done: the connection may break on the way."""

    def is_done() -> bool:
        with contextlib.suppress(ClientError):
            if text in client.get_config().data:
                return True
            client.reconfig(joining=text)
        return False

    wait_until(is_done, text)


@pytest.mark.parametrize("of_leader", [False, True])
def test_the_port_for_clients_moves_and_connections_stay(
    ensemble: EmbeddedEnsemble, of_leader: bool
) -> None:
    leader = ensemble.leader()
    server = next(each for each in ensemble.servers if (each is leader) == of_leader)
    sid = ensemble.servers.index(server) + 1
    (new,) = free_ports(1)
    noticed: list[State] = []
    with zoo.Client(server.hosts) as client:
        client.add_listener(noticed.append)
        client.create("/a", b"1")
        (old,) = members(client)[sid].addresses
        change(client, line(sid, old.quorum_port, old.election_port, new))
        wait_until(lambda: listens(new), "the new port is open")
        wait_until(lambda: not listens(server.port), "the old one is closed")
        assert f"clientPort={new}\n" in told(new, "conf")
        client.set("/a", b"2")
        with zoo.Client(f"{ADDRESS}:{new}") as other:
            other.sync("/a")
            assert other.get("/a").data == b"2"
        assert noticed == []
    assert ensemble.servers[0].is_running


def test_ports_between_members_move(ensemble: EmbeddedEnsemble) -> None:
    leader = ensemble.leader()
    follower = next(each for each in ensemble.servers if each is not leader)
    sid = ensemble.servers.index(follower) + 1
    quorum, election = free_ports(2)
    with zoo.Client(leader.hosts) as client:
        (old,) = members(client)[sid].addresses
        change(client, line(sid, quorum, election, follower.port))
        wait_until(lambda: listens(quorum) and listens(election), "the new ports are open")
        wait_until(lambda: not listens(old.quorum_port), "the old ones are closed")
        wait_until(lambda: not listens(old.election_port), "the old ones are closed")
        wait_until(lambda: follower.mode == "follower", "it follows")
        assert f"electionPort={election}\nquorumPort={quorum}\n" in told(follower.port, "conf")
        client.create("/a", b"1")
        with zoo.Client(follower.hosts) as other:
            other.sync("/a")
            assert other.get("/a").data == b"1"
    leader.kill()
    assert ensemble.leader() is not leader, "it is reached at its new ports"
