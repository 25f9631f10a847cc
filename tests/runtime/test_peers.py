from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.runtime.hubs import LoneHub, wait_until
from zoo.config import Config, config_from
from zoo.config_ensemble import parse_ensemble_text
from zoo.runtime.peers import Peers, PortUnusable
from zoo.testing.ports import free_ports
from zoo.zab.configurations import Configurations, configuration_of
from zoo.zab.link import PeerLink
from zoo.zab.vote import ServerState


class Owner:
    def __init__(self, link: PeerLink) -> None:
        self.link = link
        self.data = b""
        self.broken = False
        link.owner = self

    def link_received(self, data: bytes) -> bytes:
        self.data += data
        return b""

    def link_broken(self) -> None:
        self.broken = True


class Peer:
    """The greatest number leads; who follows says hello."""

    def __init__(self, my_id: int, config: Config) -> None:
        self.my_id = my_id
        self.configurations = Configurations(configuration_of(config.ensemble), is_enabled=True)
        self.state = ServerState.LOOKING
        self.mesh_out: list[tuple[int, bytes]] = []
        self.wanted_leader: int | None = None
        self.wants_observer_master = False
        self.dirty: list[PeerLink] = []
        self.log = SimpleNamespace(backlog=0)
        self.heard: list[tuple[int, bytes]] = []
        self.up: dict[int, bool] = {}
        self.link: Owner | None = None

    def notification(self, sid: int, data: bytes) -> None:
        self.heard.append((sid, data))
        if sid > self.my_id:
            self.state = ServerState.FOLLOWING
            self.wanted_leader = sid
        else:
            self.state = ServerState.LEADING

    def reachable(self, sid: int) -> None:
        self.up[sid] = True

    def unreachable(self, sid: int) -> None:
        self.up[sid] = False

    def learner_link(self, link: PeerLink) -> None:
        self.link = Owner(link)

    def leader_link(self, link: PeerLink | None) -> None:
        self.wanted_leader = None
        assert link is not None
        self.link = Owner(link)
        link.send(b"hello")


class Server:
    def __init__(self, config: Config, my_id: int) -> None:
        self.failures: list[PortUnusable] = []
        self.peer = Peer(my_id, config)
        self.hub = LoneHub()
        self.peers = Peers(self.hub, config, self.peer, self.failures.append)
        self.peers.start()


class Ensemble:
    def __init__(self, tmp_path: Path, **values: object) -> None:
        q1, e1, q2, e2 = free_ports(4)
        text = f"server.1=localhost:{q1}:{e1}\nserver.2=127.0.0.1:{q2}:{e2}"
        self.ports = [q1, e1, q2, e2]
        self.servers: list[Server] = []
        made = member_config(tmp_path, text, **values)
        self.servers = [Server(made, my_id) for my_id in (1, 2)]

    def wait_until(self, condition: object) -> None:
        def after() -> None:
            for server in self.servers:
                server.peers.after_turn()

        hubs = [server.hub for server in self.servers]
        wait_until(condition, *hubs, after=after)  # type: ignore[arg-type]


def member_config(tmp_path: Path, text: str, **values: object) -> Config:
    made = config_from({"dataDir": tmp_path, "clientPort": 0, "initLimit": 5, "syncLimit": 2})
    return replace(made, ensemble=parse_ensemble_text(text), **values)  # type: ignore[arg-type]


@pytest.fixture(params=[False, True])
def ensemble(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ensemble]:
    made = Ensemble(tmp_path, quorum_listen_on_all_ips=request.param)
    yield made
    for server in made.servers:
        server.peers.close()
        assert server.failures == []


def test_members_elect_and_link(ensemble: Ensemble) -> None:
    one, two = (server.peer for server in ensemble.servers)
    one.mesh_out.append((2, b"vote of 1"))
    two.mesh_out.append((1, b"vote of 2"))
    ensemble.wait_until(lambda: two.link is not None and two.link.data == b"hello")
    assert one.heard == [(2, b"vote of 2")]
    assert two.heard == [(1, b"vote of 1")]
    assert (one.up, two.up) == ({2: True}, {1: True})


def test_the_end_of_one_is_noticed_by_the_other(ensemble: Ensemble) -> None:
    one, two = (server.peer for server in ensemble.servers)
    one.mesh_out.append((2, b"vote of 1"))
    two.mesh_out.append((1, b"vote of 2"))
    ensemble.wait_until(lambda: two.link is not None and two.link.data == b"hello")
    leader = ensemble.servers.pop()
    leader.peers.close()
    ensemble.wait_until(lambda: one.link is not None and one.link.broken)
    ensemble.wait_until(lambda: one.up == {2: False})
    ensemble.servers.append(leader)
    assert one.up == {2: False}


def test_who_moves_is_found_at_its_new_ports(tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path)
    one, two = (server.peer for server in ensemble.servers)
    one.mesh_out.append((2, b"vote of 1"))
    ensemble.wait_until(lambda: two.heard)
    q1, e1 = ensemble.ports[:2]
    q2, e2 = free_ports(2)
    text = f"server.1=localhost:{q1}:{e1}\nserver.2=127.0.0.1:{q2}:{e2}\nversion=9"
    moved = configuration_of(parse_ensemble_text(text))
    for peer in (one, two):
        peer.configurations.activate(moved)
    ensemble.wait_until(lambda: True)
    listeners = ensemble.servers[1].peers
    ensemble.wait_until(
        lambda: listeners.mesh.listener.ports == [e2] and listeners.links.listener.ports == [q2]
    )
    link = one.link
    two.state, one.wanted_leader = ServerState.LEADING, 2
    ensemble.wait_until(lambda: one.link is not link)
    for server in ensemble.servers:
        server.peers.close()
        assert server.failures == []


def test_a_port_that_is_taken_is_the_end(tmp_path: Path) -> None:
    q1, q2, e2 = free_ports(3)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        e1 = holder.getsockname()[1]
        text = f"server.1=127.0.0.1:{q1}:{e1}\nserver.2=127.0.0.1:{q2}:{e2}"
        server = Server(member_config(tmp_path, text, election_port_bind_retry=1), 1)
        server.peers.close()
    assert f"cannot listen on 127.0.0.1 port {e1}" in str(server.failures[0])
