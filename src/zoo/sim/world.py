"""The simulated world: one server, its disk, its network and its clients, all from one seed.

Theory of operation. The seed draws a scenario (how large the limits, how slow the disk, how often
what goes wrong) and then everything that happens. The world runs `duration` of virtual time with
faults, then lets the clients fall away, waits until every session has had to expire, and starts
the server a last time from its disk. A broken promise is a `Violation`; so is an AssertionError of
the server, a server that does not start, and anything else that it raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from zoo.config import Config, config_from
from zoo.persistence.recovery import NoUsableSnapshot
from zoo.persistence.snapshot import InvalidSnapshot
from zoo.persistence.storage import StorageFailed
from zoo.persistence.txn_log import CorruptLog
from zoo.sim import checkers as promises
from zoo.sim.checking import Checker, Checkers, Violation
from zoo.sim.client import SimClient
from zoo.sim.client_port import ServerLink
from zoo.sim.disk import Faults, MemoryStorage
from zoo.sim.history import History
from zoo.sim.network import Link
from zoo.sim.outcomes import Outcomes
from zoo.sim.schedule import Schedule
from zoo.sim.server import SimServer
from zoo.sim.session_checker import Sessions
from zoo.sim.watching import Watches
from zoo.sim.workload import Workload
from zoo.tree.acl import UnknownAclError

SECOND = 1_000_000
_INSPECT_EVERY = SECOND // 2
_REFUSALS_TO_START = (CorruptLog, NoUsableSnapshot, InvalidSnapshot, StorageFailed, UnknownAclError)

CHECKERS: tuple[Callable[[History, Schedule], Checker], ...] = (
    promises.Durability,
    promises.Contiguity,
    promises.Origin,
    promises.TreeEquality,
    promises.Order,
    promises.Progress,
    promises.Reads,
    Outcomes,
    Sessions,
    Watches,
)


@dataclass(frozen=True)
class Scenario:
    """How rough the world is. Mean times between faults in microseconds, 0 for never."""

    clients: int = 4
    tick_ms: int = 400
    snap_count: int = 300
    purge_every_ms: int = 4_000
    outstanding_limit: int = 1_000
    max_unsent: int = 1 << 20
    fsync_us: tuple[int, int] = (100, 8_000)
    power_every: int = 12 * SECOND
    kill_every: int = 12 * SECOND
    stall_every: int = 10 * SECOND
    disk_fault_every: int = 20 * SECOND

    @staticmethod
    def drawn(rng: Random) -> Scenario:
        def mean(*seconds: int) -> int:
            return rng.choice(seconds) * SECOND

        return Scenario(
            clients=rng.choice((1, 3, 5, 8)),
            tick_ms=rng.choice((200, 500, 1_000)),
            snap_count=rng.choice((20, 100, 400, 5_000)),
            purge_every_ms=rng.choice((0, 1_500, 5_000)),
            outstanding_limit=rng.choice((5, 1_000)),
            max_unsent=rng.choice((20_000, 1 << 20)),
            fsync_us=rng.choice(((50, 500), (100, 8_000), (2_000, 60_000))),
            power_every=mean(0, 3, 10),
            kill_every=mean(0, 3, 10),
            stall_every=mean(0, 4, 10),
            disk_fault_every=mean(0, 0, 8, 20),
        )


def config_of(scenario: Scenario) -> Config:
    config = config_from(
        {
            "dataDir": "/simulated",
            "clientPort": 2181,
            "tickTime": scenario.tick_ms,
            "snapCount": scenario.snap_count,
            "globalOutstandingLimit": scenario.outstanding_limit,
            "extendedTypesEnabled": "true",
        }
    )
    return replace(
        config,
        purge_interval_ms=scenario.purge_every_ms,
        container_check_interval_ms=1_000,
        container_max_per_minute=600,
        max_client_cnxns=0,
    )


class World:
    """One run. `trace` gets one line per event; `kinds` are the checkers that watch."""

    def __init__(
        self,
        seed: int,
        *,
        scenario: Scenario | None = None,
        trace: Callable[[str], None] | None = None,
        kinds: Sequence[Callable[[History, Schedule], Checker]] = CHECKERS,
        server_class: type[SimServer] = SimServer,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.scenario = Scenario.drawn(self.rng) if scenario is None else scenario
        self.schedule = Schedule()
        self.checkers = Checkers(self.schedule, kinds)
        self.fingerprint = hashlib.sha256()
        self.crashes = self.stalls = self.disk_faults = 0
        self._sink = trace
        self._restarting = False
        self._quiet = False
        self._damaged: dict[str, None] = {}
        self.server = server_class(
            self.schedule,
            self._fork(),
            config_of(self.scenario),
            self.checkers,
            self.trace,
            self.scenario.fsync_us,
        )
        self.server.on_stop = self._restart_later
        self.clients: list[SimClient] = []
        self.workloads: list[Workload] = []
        for number in range(self.scenario.clients):
            self._add_client(number)

    def _fork(self) -> Random:
        """A source of chance of its own, so that one part's draws do not shift another's."""
        return Random(self.rng.getrandbits(64))

    def trace(self, text: str) -> None:
        line = f"{self.schedule.now / SECOND:12.6f} {text}"
        self.fingerprint.update(line.encode())
        if self._sink is not None:
            self._sink(line)

    def _add_client(self, number: int) -> None:
        tick = self.scenario.tick_ms
        timeout = self.rng.randint(2 * tick, 12 * tick)
        client = SimClient(
            f"c{number}",
            self.schedule,
            self._fork(),
            self.checkers,
            self._dial,
            timeout,
            self.trace,
        )
        workload = Workload(client, self._fork(), number)
        self.clients.append(client)
        self.workloads.append(workload)
        watches = [checker for checker in self.checkers.all if isinstance(checker, Watches)]
        if watches:
            self._keep_book(client, workload, watches[0])

    def _keep_book(self, client: SimClient, workload: Workload, watches: Watches) -> None:
        """At each disconnection hand the client's watches to its workload, to be set again."""

        def dial(client: SimClient) -> Link:
            workload.saved = watches.books.get(client) if client.session_id else None
            return self._dial(client)

        client.dial = dial

    def _dial(self, client: SimClient) -> Link:
        end = ServerLink(self.server)
        link = Link(self.schedule, self._fork(), client, end)
        self.server.accept(end, link, f"{client.name}:{self.schedule.now}")
        return link

    # --- running

    def run(self, duration_us: int) -> None:
        """Live through `duration_us` with faults and to the quiet end. Raises Violation."""
        try:
            self._start()
            for client in self.clients:
                client.reconnect_later()
            self._plan_faults()
            self.schedule.after(_INSPECT_EVERY, self._inspect)
            self.schedule.run_until(duration_us)
            self._wind_down()
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"{type(error).__name__}: {error}") from error

    def _wind_down(self) -> None:
        """No more faults, no more clients: all sessions end. Then start once more from the disk."""
        self._quiet = True
        self.server.disk.faults = Faults()
        for workload, client in zip(self.workloads, self.clients, strict=True):
            workload.stopped = True
            client.may_connect = False
            client.hang_up()
        longest = max(client.timeout_ms for client in self.clients)
        ending = (longest + 3 * self.scenario.tick_ms + 15_000) * 1000
        awake = max(self.schedule.now, self.server.stalled_until)
        self.schedule.run_until(awake + ending)
        self.checkers.finished(self.server.core)
        self.server.crash(power=True)
        self._start()
        self.checkers.finished(self.server.core)

    def _start(self) -> None:
        self._restarting = False
        self.server.disk.faults = Faults()
        try:
            self.server.start()
        except _REFUSALS_TO_START as error:
            raise Violation(f"the server does not start again: {error}") from error
        if self.server.is_up:
            self.server.core.max_unsent = self.scenario.max_unsent

    def _inspect(self) -> None:
        if self.server.is_up and self.schedule.now >= self.server.stalled_until:
            self.checkers.inspect(self.server.core)
        self.schedule.after(_INSPECT_EVERY, self._inspect)

    # --- faults

    def _plan_faults(self) -> None:
        scenario = self.scenario
        self._every(scenario.power_every, lambda: self._crash(power=True))
        self._every(scenario.kill_every, lambda: self._crash(power=False))
        self._every(scenario.stall_every, self._stall)
        self._every(scenario.disk_fault_every, self._break_disk)

    def _every(self, mean: int, fault: Callable[[], None]) -> None:
        if not mean:
            return
        rng = self._fork()

        def strike() -> None:
            if self._quiet:
                return
            if self.server.is_up:
                fault()
            self.schedule.after(int(rng.expovariate(1 / mean)), strike)

        self.schedule.after(int(rng.expovariate(1 / mean)), strike)

    def _crash(self, *, power: bool) -> None:
        self.trace("the power fails" if power else "the server is killed")
        self.crashes += 1
        self.server.crash(power=power)
        if power and self.rng.random() < 0.3:
            self._damage_snapshot()
        self._restart_later()

    def _damage_snapshot(self) -> None:
        """The newest snapshot rots; there is an older one, and the logs from there on."""
        disk = self.server.disk
        snapshots = [s for s in MemoryStorage(disk).snapshots() if s.name not in self._damaged]
        disk.kill()
        if len(snapshots) > 1:
            name = snapshots[-1].name
            self.trace(f"a bit of {name} flips")
            disk.flip_bit(name, self.rng)
            self._damaged[name] = None

    def _restart_later(self) -> None:
        if self._restarting:
            return
        self._restarting = True
        self.schedule.after(self.rng.randint(1_000, 2 * SECOND), self._start)

    def _stall(self) -> None:
        if self.schedule.now < self.server.stalled_until:
            return
        duration = int(self.rng.choice((0.05, 0.5, 3, 30)) * SECOND)
        self.trace(f"the server stalls for {duration / SECOND} s")
        self.stalls += 1
        self.server.stall(duration)

    def _break_disk(self) -> None:
        kind = self.rng.choice(("full", "write", "sync"))
        self.trace(f"the disk will fail: {kind}")
        self.disk_faults += 1
        faults = self.server.disk.faults
        if kind == "full":
            faults.capacity = self.rng.randint(0, 20_000)
        elif kind == "write":
            faults.writes_until_failure = self.rng.randint(1, 20)
        else:
            faults.syncs_until_failure = self.rng.randint(1, 20)

    def summary(self) -> str:
        checkers, server = self.checkers, self.server
        return (
            f"seed {self.seed}: {self.schedule.now / SECOND:.0f} s, {checkers.txns} txns, "
            f"{checkers.replies} replies, {checkers.events} events, {self.crashes} crashes, "
            f"{self.stalls} stalls, {self.disk_faults} disk faults, {server.snapshots} snapshots, "
            f"{server.purges} purges, zxid 0x{checkers.history.last_zxid:x}"
        )
