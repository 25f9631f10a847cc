"""The simulated world of a whole ensemble: members, their clients, disks and network.

Theory of operation. The seed draws a scenario and then everything that happens, as in zoo.sim.world
and zoo.sim.zab_world, of which this is both: members are driven with all their parts, clients
connect to any of them and ride through the changes of leaders. After `duration` everything is
mended: all members must serve, all clients be served and a write of each go through; then the
clients go away, their sessions end, and all members must be in the same state to the last znode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import ClassVar

from zoo.jute.client_records import ReconfigRequest
from zoo.jute.operations import Op
from zoo.sim import cluster_checkers as protocol
from zoo.sim.checking import Checker, Checkers, Violation
from zoo.sim.client import SimClient, State
from zoo.sim.client_port import ServerLink
from zoo.sim.cluster_checking import ClusterCheckers, Ensemble
from zoo.sim.cluster_faults import SECOND, Faults
from zoo.sim.cluster_scenario import ADMIN, ClusterScenario, SessionKind, adjusted, settings_of
from zoo.sim.cluster_server import ClusterServer
from zoo.sim.cluster_service import SERVICE, Agreed, Service
from zoo.sim.configuration_checkers import CONFIGURATION
from zoo.sim.history import History
from zoo.sim.learner_links import End, Links
from zoo.sim.locking import Locker, Locks
from zoo.sim.mesh import Mesh
from zoo.sim.network import Link
from zoo.sim.operator import Operator, initial
from zoo.sim.own_sessions import OwnSessions
from zoo.sim.peer_host import PeerHost
from zoo.sim.reach import Reach
from zoo.sim.reading_only import ReadingOnly
from zoo.sim.rot import Rot
from zoo.sim.schedule import Schedule
from zoo.sim.transfers import Transfers
from zoo.sim.watching import Watches
from zoo.sim.wiretap import PacketRuns, Wiretap, vote_in
from zoo.sim.workload import Workload
from zoo.zab.packets import Packet, PacketType

_GIVE_UP = (200_000, 2_000_000)


class ClusterWorld:
    """One run. `trace` gets one line per event."""

    SERVICE: ClassVar[Sequence[Callable[[History, Schedule], Checker]]] = SERVICE
    """Who checks what clients are promised."""

    def __init__(
        self,
        seed: int,
        *,
        scenario: ClusterScenario | None = None,
        trace: Callable[[str], None] | None = None,
        drawn: Callable[[Random], ClusterScenario] = ClusterScenario.drawn,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.scenario = one = scenario or self._extended(drawn(self.rng))
        self.schedule = Schedule()
        self.fingerprint = hashlib.sha256()
        self._sink = trace
        self._runs = PacketRuns(self._line)
        voters = range(1, one.voters + 1)
        observers = range(one.voters + 1, one.voters + one.observers + 1)
        first = initial(voters, observers)
        self.ensemble = Ensemble(self.schedule, first)
        self.service = self._make_service()
        self.checkers = ClusterCheckers(
            self.ensemble,
            [lambda all_of: Agreed(all_of, self.service), *protocol.PROTOCOL, *CONFIGURATION],
        )
        self.watcher = Service(self.service)
        self.reach = Reach(self._fork(), one.latency)
        self.reach.on_change(self._opened)
        self.mesh = Mesh(self.schedule, self._fork(), self.reach)
        self.mesh.tap = self._voted
        self.links = Links(self.schedule, self._fork(), self.reach)
        self.links.tap = Wiretap(self._tapped)
        self.servers: list[ClusterServer] = []
        self._hosts: dict[int, PeerHost] = {}
        self._crash_rngs: dict[ClusterServer, Random] = {}
        for sid in range(1, one.voters + one.observers + one.spares + 1):
            self._add_server(sid)
        for sid in first.ensemble.servers:
            self._server(sid).prepare(first)
        self.faults = Faults(
            self.schedule,
            self._fork(),
            self.servers,
            self.reach,
            self.mesh,
            self.links,
            one.faults,
            self.trace,
        )
        for server, rng in self._crash_rngs.items():
            server.crash_here = self.faults.crasher(server, rng, one.crash_chance)
        self.transfers = Transfers(self.schedule, Random(~seed), self.servers, self.trace)
        self.rot = Rot(self.schedule, seed, self.servers, self.faults, one.rot_every)
        self.faults.on_strike = self._disturbed
        self._links: list[Link] = []
        self.clients: list[SimClient] = []
        self.workloads: list[Workload] = []
        self.lockers: list[Locker] = []
        for number in range(one.clients + one.lockers):
            self._add_client(number)
        self._admins = [self._new_client("operator")] if one.reconfig_every else []
        for admin in self._admins:
            admin.credentials = ADMIN
        self.operator = Operator(
            self.schedule,
            self._fork(),
            self.servers,
            one.reconfig_every,
            self._ask,
            self.trace,
        )

    def _make_service(self) -> Checkers:
        service = Checkers(self.schedule, self.SERVICE)
        for checker in service.all:
            if isinstance(checker, OwnSessions):
                checker.kind = self.scenario.sessions
            elif isinstance(checker, ReadingOnly):
                checker.may_be = self.scenario.read_only
        return service

    def _extended(self, scenario: ClusterScenario) -> ClusterScenario:
        return scenario.extended(self.seed)

    def _fork(self) -> Random:
        """A source of chance of its own, so that one part's draws do not shift another's."""
        return Random(self.rng.getrandbits(64))

    # --- the trace

    def trace(self, text: str) -> None:
        self._runs.flush()
        self._line(f"{self.schedule.now / SECOND:12.6f} {text}")

    def _line(self, line: str) -> None:
        self.fingerprint.update(line.encode())
        if self._sink is not None:
            self._sink(line)

    def _voted(self, source: int, target: int, data: bytes) -> None:
        self.trace(f"s{source} ~> s{target} {vote_in(data)}")

    def _tapped(self, end: End, packet: Packet) -> None:
        if packet.type != PacketType.PING:
            self._runs.add(self.schedule.now, end, packet)
        if packet.type == PacketType.SNAP:
            leader = self._server(end.host.sid)
            self._server(end.other.host.sid).incoming[packet.zxid] = leader.state.cut(packet.zxid)
        self.checkers.tell("sent", end, packet)

    def _server(self, sid: int) -> ClusterServer:
        return self.servers[sid - 1]

    # --- who takes part

    def _add_server(self, sid: int) -> None:
        one = self.scenario
        server = ClusterServer(
            self.schedule,
            sid,
            self._fork(),
            self.mesh,
            self.links,
            self._hosts,
            self.checkers,
            self.watcher,
            settings_of(one),
            lambda config: adjusted(config, one),
            self.trace,
        )
        server.fsync_us = one.fsync_us
        server.window = one.window
        server.max_unsent = one.max_unsent
        if one.crash_chance:
            self._crash_rngs[server] = self._fork()
        self.servers.append(server)
        self._hosts[sid] = server
        self.ensemble.members[sid] = server
        self.mesh.join(sid, server)

    def _ask(self, request: ReconfigRequest) -> None:
        """Bring a request of the operator to a server, as a client that may do all."""
        for admin in self._admins:
            admin.submit(Op.reconfig, request)

    def _new_client(self, name: str) -> SimClient:
        tick = self.scenario.tick_ms
        timeout = self.rng.randint(2 * tick, 12 * tick)
        client = SimClient(
            name,
            self.schedule,
            self._fork(),
            self.service,
            self._dial,
            timeout,
            self.trace,
        )
        client.patience = 2 / 3
        client.accepts_read_only = self.scenario.read_only and client.rng.random() < 0.8
        self.faults.hosts.append(client.name)
        return client

    def _add_client(self, number: int) -> None:
        client = self._new_client(f"c{number}")
        self.clients.append(client)
        if number >= self.scenario.clients:
            locks = next(one for one in self.service.all if isinstance(one, Locks))
            self.lockers.append(Locker(client, self._fork(), locks))
            return
        workload = Workload(client, self._fork(), number)
        workload.pause_us = self.scenario.pause_us
        self.workloads.append(workload)
        watches = next(one for one in self.service.all if isinstance(one, Watches))

        def dial(client: SimClient) -> Link:
            workload.saved = watches.books.get(client) if client.session_id else None
            return self._dial(client)

        client.dial = dial

    def _dial(self, client: SimClient) -> Link:
        """To any member, as a client does with its list of servers."""
        server = client.rng.choice(self.servers)
        if client.server and self._goes_back(client):
            server = self._server(client.server)
        client.server = server.sid
        end = ServerLink(server)
        link = Link(self.schedule, self._fork(), client, end, self.scenario.latency)
        host, sid = client.name, server.sid
        link.to_server.is_open = lambda: self.reach.is_open(host, sid)
        link.to_client.is_open = lambda: self.reach.is_open(sid, host)
        self._links.append(link)
        if not server.has_power or not (link.to_server.is_open() and link.to_client.is_open()):
            end.is_dead = True
            self.schedule.after(client.rng.randint(*_GIVE_UP), link.break_both)
        else:
            server.accept(end, link, f"{client.name}:{self.schedule.now}")
        return link

    def _goes_back(self, client: SimClient) -> bool:
        """To where its session is known, if it is a local one; unless nobody is there."""
        if self.scenario.sessions is SessionKind.GLOBAL or client.rng.random() >= 0.7:
            return False
        return client.session_id != 0 and self._server(client.server).is_up

    def _opened(self) -> None:
        self._links = [link for link in self._links if not link.is_over]
        for link in self._links:
            link.unstick()

    def _disturbed(self) -> None:
        until = max([self.schedule.now, *(server.stalled_until for server in self.servers)])
        if not self.reach.is_calm:
            until = 1 << 62
        self.watcher.disturbed(until, self.scenario.tick_ms)

    # --- running

    def run(self, duration_us: int) -> None:
        """Live through `duration_us` with faults and to the quiet end. Raises Violation."""
        try:
            for server in self.servers:
                self.schedule.after(self.rng.randint(0, SECOND), self._starter(server))
            for client in (*self.clients, *self._admins):
                client.reconnect_later()
            self.faults.begin()
            self.transfers.begin()
            self.rot.begin()
            self.operator.begin()
            self.schedule.run_until(duration_us)
            self._wind_down()
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"{type(error).__name__}: {error}") from error

    def _starter(self, server: ClusterServer) -> Callable[[], None]:
        def start() -> None:
            if not server.is_up:
                server.start()

        return start

    def _wind_down(self) -> None:
        """Mend everything; soon all serve and are served. Then the clients go, and all agree."""
        self._mend()
        awake = max([self.schedule.now, *(server.stalled_until for server in self.servers)])
        self.schedule.run_until(awake + SECOND)
        one = self.scenario
        limits = one.tick_ms * (one.init_limit + one.sync_limit) * 1000
        for _ in range(2):
            self._wait(60 * SECOND + 4 * limits, self._all_serve)
            if self._all_serve():
                break
            self.operator.repair(self.ensemble.configuration)
        self._serve_all_clients(limits)
        for workload in self.workloads:
            workload.stopped = True
        for locker in self.lockers:
            locker.stopped = True
        everybody = [*self.clients, *self._admins]
        for client in everybody:
            client.may_connect = False
            client.hang_up()
        longest = max(client.timeout_ms for client in everybody)
        ending = (longest + 5 * one.tick_ms + 15_000) * 1000
        self.schedule.run_until(self.schedule.now + ending)
        self._wait(20 * SECOND, self._all_agree)
        self.checkers.tell("finished")
        for sid in self.ensemble.configuration.ensemble.servers:
            self.service.finished(self._server(sid).core)

    def _mend(self) -> None:
        """Nothing goes wrong any more, and nobody wants anything to change."""
        self.faults.end()
        self.transfers.end()
        self.rot.end()
        self.operator.stopped = True

    def _serve_all_clients(self, limits: int) -> None:
        """Everybody is answered now."""
        before = {client: client.answered for client in self.clients}

        def served() -> bool:
            return all(client.answered > before[client] for client in self.clients)

        for workload in self.workloads:
            workload.is_calm = True
            if workload.client.state is State.SILENT:
                workload.client.hang_up()
        self._wait(30 * SECOND + 4 * limits, served)
        waiting = [client for client in self.clients if client.answered == before[client]]
        if waiting:
            raise Violation(f"Liveness: nobody answers {waiting}")

    def _wait(self, limit: int, condition: Callable[[], bool]) -> None:
        end = self.schedule.now + limit
        while self.schedule.now < end and not condition():
            self.schedule.run_until(self.schedule.now + SECOND // 4)

    def _all_serve(self) -> bool:
        leaders = sum(server.is_leading for server in self.servers)
        return leaders == 1 and all(
            member.is_serving and not member.configurations.is_changing
            for member in self.ensemble.belonging
        )

    def _all_agree(self) -> bool:
        agreed = self.ensemble.agreed
        return self._all_serve() and all(
            member.state is agreed and member.disk.synced.contains(agreed)
            for member in self.ensemble.belonging
        )

    def summary(self) -> str:
        one, checkers = self.scenario, self.service
        faults = ", ".join(f"{count} {name}" for name, count in self.faults.counts.items())
        snapshots = sum(server.snapshots for server in self.servers)
        reloads = sum(server.reloads for server in self.servers)
        return (
            f"seed {self.seed}: {one.voters}+{one.observers} members, "
            f"{self.schedule.now / SECOND:.0f} s, {checkers.txns} txns, {checkers.replies} "
            f"replies, {checkers.events} events, epoch {self.ensemble.agreed.zxid >> 32}, "
            f"{self.ensemble.changes} of {self.operator.asked} changes, "
            f"{snapshots} snapshots, {reloads} reloads, {self.schedule.count} steps; {faults}"
        )
