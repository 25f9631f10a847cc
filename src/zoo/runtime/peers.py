"""The other members: the election mesh and the learner links of one server, as one thing to drive.

The driver feeds it readiness and due timers within its turns, and at the end of each calls
`after_turn`, which carries out what the peer has decided meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from zoo.config import Config
from zoo.config_ensemble import PeerAddress, QuorumServer
from zoo.runtime.election_mesh import ElectionMesh, MeshEvents, MeshSettings
from zoo.runtime.hub import Hub
from zoo.runtime.port_listener import ANY
from zoo.runtime.quorum_links import LinkingPeer, QuorumLinks, QuorumSettings
from zoo.zab.configurations import Configurations

log = logging.getLogger("zoo.ensemble")


class PortUnusable(Exception):
    """The quorum or election port cannot be opened; the text says which and why."""


class NetworkedPeer(LinkingPeer, Protocol):
    """What of zoo.zab.peer.Peer has to do with the network."""

    my_id: int
    configurations: Configurations
    mesh_out: list[tuple[int, bytes]]

    def notification(self, sid: int, data: bytes) -> None: ...

    def reachable(self, sid: int) -> None: ...

    def unreachable(self, sid: int) -> None: ...


class Peers:
    """`failed` is told when a port is lost for good: the server must end. `clients_at` is told
    when clients are to be served at another address.
    """

    def __init__(
        self,
        hub: Hub,
        config: Config,
        peer: NetworkedPeer,
        failed: Callable[[PortUnusable], None],
        clients_at: Callable[[tuple[str, int]], None] = lambda address: None,
    ) -> None:
        self.hub = hub
        self._peer = peer

        def lost(reason: str) -> None:
            failed(PortUnusable(reason))

        servers = config.ensemble.servers
        self._mine = servers[peer.my_id]
        self._configured = peer.configurations.committed, peer.configurations.committed
        mine = self._mine.addresses
        self._all_ips = all_ips = config.quorum_listen_on_all_ips
        self._clients_at = clients_at
        self._feeding_port = config.observer_master_port
        self._feeds_at = self._observers_on(self._mine)
        self.mesh = ElectionMesh(
            self.hub,
            peer.my_id,
            [_election(address) for address in mine],
            {
                sid: [_election(address) for address in server.addresses]
                for sid, server in servers.items()
                if sid != peer.my_id
            },
            MeshSettings(
                listen_on=tuple((ANY if all_ips else a.host, a.election_port) for a in mine),
                connect_seconds=config.cnx_timeout_ms / 1000,
                greeting_seconds=_greeting_ms(config) / 1000,
                bind_attempts=config.election_port_bind_retry,
                keep_alive=config.tcp_keep_alive,
                multi_address=config.multi_address_enabled,
            ),
            MeshEvents(peer.notification, peer.reachable, peer.unreachable, lost),
        )
        self.links = QuorumLinks(
            self.hub,
            peer,
            {
                sid: [(address.host, address.quorum_port) for address in server.addresses]
                for sid, server in servers.items()
            },
            QuorumSettings(
                listen_on=tuple((ANY if all_ips else a.host, a.quorum_port) for a in mine),
                connect_seconds=_connect_ms(config) / 1000,
                bind_attempts=config.election_port_bind_retry,
                observers_on=self._feeds_at,
            ),
            lost,
            self._masters(servers),
        )

    def _observers_on(self, mine: QuorumServer) -> tuple[tuple[str, int], ...]:
        """Where this server takes observers, should it follow."""
        if not self._feeding_port or self._peer.my_id not in self._configured[0].quorum.voters:
            return ()
        host = ANY if self._all_ips else None
        return tuple((host or each.host, self._feeding_port) for each in mine.addresses)

    def _masters(self, servers: Mapping[int, QuorumServer]) -> dict[int, list[tuple[str, int]]]:
        """Where all servers do."""
        return {
            sid: [(address.host, self._feeding_port) for address in server.addresses]
            for sid, server in servers.items()
        }

    def _follow_configuration(self) -> None:
        """The members have changed, or are about to: the mesh and the links know them all."""
        known = self._peer.configurations
        now = known.committed, known.seen
        if now == self._configured:
            return
        self._configured = now
        servers = known.servers
        me = self._peer.my_id
        self.mesh.set_members(
            {
                sid: [_election(address) for address in server.addresses]
                for sid, server in servers.items()
                if sid != me
            }
        )
        self.links.set_leaders(
            {
                sid: [(address.host, address.quorum_port) for address in server.addresses]
                for sid, server in servers.items()
            },
            self._masters(servers),
        )
        mine = known.committed.ensemble.servers.get(me)
        if mine is not None:
            if mine != self._mine:
                self._move(mine)
            self._feed(self._observers_on(mine))

    def _feed(self, listen_on: tuple[tuple[str, int], ...]) -> None:
        if listen_on != self._feeds_at:
            self._feeds_at = listen_on
            self.links.feed(listen_on)

    def _move(self, mine: QuorumServer) -> None:
        """Our own line says something else now."""
        old, self._mine = self._mine, mine
        if mine.client is not None and mine.client != old.client:
            self._clients_at(mine.client)
        if mine.addresses == old.addresses:
            return
        log.info("this server is at %s now", mine)
        host = ANY if self._all_ips else None
        addresses = mine.addresses
        self.mesh.move(
            [_election(each) for each in addresses],
            tuple((host or each.host, each.election_port) for each in addresses),
        )
        self.links.move(tuple((host or each.host, each.quorum_port) for each in addresses))

    def start(self) -> None:
        self.mesh.start()
        self.links.start()

    def after_turn(self) -> None:
        """Send, dial and close as the peer has decided; what comes of it may decide more."""
        peer, mesh = self._peer, self.mesh
        while True:
            self._follow_configuration()
            if peer.mesh_out:
                out, peer.mesh_out[:] = list(peer.mesh_out), []
                for sid, message in out:
                    mesh.send(sid, message)
            mesh.flush()
            self.links.after_turn()
            if not peer.mesh_out and not peer.dirty:
                return

    def close(self) -> None:
        """Close all sockets at once. A peer that is to part in peace is stopped before."""
        self.links.close()
        self.mesh.close()
        self.hub.close()


def _election(address: PeerAddress) -> tuple[str, int]:
    return address.host, address.election_port


def _greeting_ms(config: Config) -> int:
    """How long somebody on the election port may take to say who he is."""
    if config.quorum_cnxn_timeout_ms > 0:
        return config.quorum_cnxn_timeout_ms
    return config.tick_time_ms * config.sync_limit


def _connect_ms(config: Config) -> int:
    """How long one attempt to reach the leader may take."""
    limit = config.connect_to_learner_master_limit or config.init_limit
    return config.tick_time_ms * min(limit, config.sync_limit)
