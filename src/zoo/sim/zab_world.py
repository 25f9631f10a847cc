"""The simulated world of the pure protocol: a whole ensemble of peers from one seed.

Theory of operation. The seed draws a scenario (how many members, how fast, how much goes wrong) and
then everything that happens. After `duration` all faults are mended and the clients fall silent;
within a bounded time a leader must stand, all members serve the same state and a write goes
through. A broken promise is a `Violation`; so is an AssertionError or anything else a peer raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from zoo.sim.checking import Violation
from zoo.sim.cluster_checkers import PROTOCOL
from zoo.sim.cluster_checking import ClusterChecker, ClusterCheckers, Ensemble
from zoo.sim.cluster_faults import SECOND, FaultMix, Faults
from zoo.sim.configuration_checkers import CONFIGURATION
from zoo.sim.learner_links import End, Links
from zoo.sim.mesh import Mesh
from zoo.sim.operator import Operator, initial
from zoo.sim.peer_host import PeerHost
from zoo.sim.reach import Reach
from zoo.sim.schedule import Schedule
from zoo.sim.transfers import Transfers
from zoo.sim.wiretap import PacketRuns, Wiretap, vote_in
from zoo.sim.zab_server import ZabServer
from zoo.sim.zab_workload import ZabClients
from zoo.zab.context import Settings
from zoo.zab.packets import Packet, PacketType

CHECKERS = (*PROTOCOL, *CONFIGURATION)


@dataclass(frozen=True)
class ZabScenario:
    """How large and how rough the world is. Times in µs but for `tick_ms`."""

    voters: int = 3
    observers: int = 0
    feeds_observers: bool = False
    """Followers do, not the leader alone."""
    spares: int = 0
    """Servers that may join."""
    reconfig_every: int = 0
    """The mean time between two requests for another configuration; 0: it cannot change."""
    tick_ms: int = 1000
    init_limit: int = 5
    sync_limit: int = 3
    latency: tuple[int, int] = (100, 1_500)
    fsync_us: tuple[int, int] = (100, 8_000)
    pause_us: int = 50_000
    window: int = 1_000
    """Transactions that members remember for DIFFs."""
    snapshot_every: int = 20 * SECOND
    max_unsent: int = 1 << 20
    snapshot_padding: int = 100
    dirty: bool = False
    """No disk can go back behind what was applied: as with a snapshot that a Java server left."""
    crash_chance: float = 0.0
    """How often an effect on a disk is preceded by a crash."""
    faults: FaultMix = field(default_factory=FaultMix)

    @staticmethod
    def drawn(rng: Random, voters: int = 0, observers: int = -1) -> ZabScenario:
        voters = voters or rng.choice((1, 2, 3, 3, 3, 4, 5, 5, 7))
        return ZabScenario(
            voters=voters,
            observers=observers if observers >= 0 else rng.choice((0, 0, 1, 2)),
            tick_ms=rng.choice((200, 1000, 2000)),
            init_limit=rng.choice((5, 10)),
            sync_limit=rng.choice((2, 5)),
            latency=rng.choice(((50, 300), (100, 1_500), (1_000, 30_000))),
            fsync_us=rng.choice(((50, 500), (100, 8_000), (2_000, 60_000))),
            pause_us=rng.choice((20_000, 100_000, 500_000, 2_000_000)),
            window=rng.choice((3, 30, 1_000, 100_000)),
            snapshot_every=rng.choice((2, 20, 200)) * SECOND,
            max_unsent=rng.choice((20_000, 1 << 20)),
            snapshot_padding=rng.choice((0, 100, 100_000)),
            crash_chance=rng.choice((0.0, 0.0, 0.001, 0.02)),
            faults=FaultMix.drawn(rng),
            spares=rng.choice((0, 1, 2, 3)),
            reconfig_every=rng.choice((0, 0, 1, 3, 3, 10)) * SECOND,
            dirty=rng.random() < 0.2,
            feeds_observers=rng.random() < 0.5,
        )


class ZabWorld:
    """One run. `trace` gets one line per event; `kinds` are the checkers that watch."""

    def __init__(
        self,
        seed: int,
        *,
        scenario: ZabScenario | None = None,
        trace: Callable[[str], None] | None = None,
        kinds: Sequence[Callable[[Ensemble], ClusterChecker]] = CHECKERS,
        drawn: Callable[[Random], ZabScenario] = ZabScenario.drawn,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.scenario = scenario or drawn(self.rng)
        self.schedule = Schedule()
        self._sink = trace
        self._runs = PacketRuns(trace or (lambda line: None))
        one = self.scenario
        voters = range(1, one.voters + 1)
        observers = range(one.voters + 1, one.voters + one.observers + 1)
        first = initial(voters, observers)
        self.ensemble = Ensemble(self.schedule, first)
        self.checkers = ClusterCheckers(self.ensemble, kinds)
        self.reach = Reach(self._fork(), one.latency)
        self.mesh = Mesh(self.schedule, self._fork(), self.reach)
        self.mesh.tap = self._voted if self._sink is not None else None
        self.links = Links(self.schedule, self._fork(), self.reach)
        self.links.tap = Wiretap(self._tapped)
        self.servers: list[ZabServer] = []
        self._hosts: dict[int, PeerHost] = {}
        self._crash_rngs: dict[ZabServer, Random] = {}
        for sid in range(1, one.voters + one.observers + one.spares + 1):
            self._add_server(sid)
        for sid in first.ensemble.servers:
            self.servers[sid - 1].prepare(first)
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
        self.clients = ZabClients(self.schedule, self._fork(), self.servers, one.pause_us)
        self.operator = Operator(
            self.schedule,
            self._fork(),
            self.servers,
            one.reconfig_every,
            self.clients.reconfigure_somewhere,
            self.trace,
        )

    def _fork(self) -> Random:
        """A source of chance of its own, so that one part's draws do not shift another's."""
        return Random(self.rng.getrandbits(64))

    def _add_server(self, sid: int) -> None:
        one = self.scenario
        server = ZabServer(
            self.schedule,
            sid,
            self._fork(),
            self.mesh,
            self.links,
            self._hosts,
            self.checkers,
            self.trace if self._sink is not None else None,
        )
        server.settings = Settings(
            one.tick_ms, one.init_limit, one.sync_limit, max_unsent=one.max_unsent
        )
        server.may_change = one.reconfig_every > 0
        server.window = one.window
        server.disk.is_dirty = one.dirty
        server.fsync_us = one.fsync_us
        server.snapshot_padding = one.snapshot_padding
        server.feeds_observers = one.feeds_observers
        if one.crash_chance:
            self._crash_rngs[server] = self._fork()
        self.servers.append(server)
        self._hosts[sid] = server
        self.ensemble.members[sid] = server
        self.mesh.join(sid, server)

    def trace(self, text: str) -> None:
        if self._sink is not None:
            self._runs.flush()
            self._sink(f"{self.schedule.now / SECOND:12.6f} {text}")

    def flush_trace(self) -> None:
        """Packets that may be joined with later ones are written now."""
        self._runs.flush()

    def _voted(self, source: int, target: int, data: bytes) -> None:
        self.trace(f"s{source} ~> s{target} {vote_in(data)}")

    def _tapped(self, end: End, packet: Packet) -> None:
        if self._sink is not None and packet.type != PacketType.PING:
            self._runs.add(self.schedule.now, end, packet)
        self.checkers.tell("sent", end, packet)

    # --- running

    def run(self, duration_us: int) -> None:
        """Live through `duration_us` with faults and to the quiet end. Raises Violation."""
        try:
            for server in self.servers:
                self.schedule.after(self.rng.randint(0, SECOND), self._starter(server))
            self.clients.begin()
            self.faults.begin()
            self.transfers.begin()
            self.operator.begin()
            if self.scenario.snapshot_every:
                self._snapshots()
            self.schedule.run_until(duration_us)
            self._wind_down()
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"{type(error).__name__}: {error}") from error

    def _starter(self, server: ZabServer) -> Callable[[], None]:
        def start() -> None:
            if not server.is_up:
                server.start()

        return start

    def _snapshots(self) -> None:
        server = self.rng.choice(self.servers)
        if not server.is_stalled:
            server.take_snapshot()
        mean = self.scenario.snapshot_every // len(self.servers)
        self.schedule.after(int(self.rng.expovariate(1 / mean)), self._snapshots)

    def _wind_down(self) -> None:
        """Mend everything; soon all serve. Then a last write, which reaches all."""
        self.faults.end()
        self.transfers.end()
        self.clients.stopped = self.operator.stopped = True
        awake = max([self.schedule.now, *(server.stalled_until for server in self.servers)])
        self.schedule.run_until(awake + SECOND)
        one = self.scenario
        limits = one.tick_ms * (one.init_limit + one.sync_limit) * 1000
        for _ in range(2):
            self._wait(60 * SECOND + 4 * limits, self._all_serve)
            if self._all_serve():
                break
            self.operator.repair(self.ensemble.configuration)
        leader = next((server for server in self.servers if server.is_leading), None)
        wanted = self.clients.answered
        if leader is not None:
            self.clients.write(leader, 3)
            wanted += 3
        self._wait(20 * SECOND, lambda: self.clients.answered >= wanted and self._all_agree())
        if self.clients.answered < wanted:
            raise Violation("Liveness: the last writes are not answered")
        self.checkers.tell("finished")

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
        return all(
            each.is_serving and each.state is agreed and each.disk.synced.contains(agreed)
            for each in self.ensemble.belonging
        )

    def summary(self) -> str:
        one = self.scenario
        faults = ", ".join(f"{count} {name}" for name, count in self.faults.counts.items())
        return (
            f"seed {self.seed}: {one.voters}+{one.observers} members, "
            f"{self.schedule.now / SECOND:.0f} s, {self.ensemble.agreed.depth} committed, "
            f"{self.clients.answered} of {self.clients.asked} answered, "
            f"epoch {self.ensemble.agreed.zxid >> 32}, {self.transfers.begun} transfers, "
            f"{self.ensemble.changes} of {self.operator.asked} changes, "
            f"{self.schedule.count} events; {faults}"
        )
