"""Programs in the simulated world: processes of applications, among servers that fail.

Theory of operation. An ensemble as in `ClusterWorld`, with its faults and the checkers of its
protocol, serves the production client. The processes have faults of their own: killed, without
power, stopped, asleep, cut off, their connections broken. After `duration` all is mended and the
processes are told to end; the servers must all serve and every program must return. What the
servers agreed on is in `history`, version by version, for the checks that come last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from zoo.client.outside import Outside, replaced_by
from zoo.sim.checking import Violation
from zoo.sim.client_loop_process import Note, Process, Program
from zoo.sim.client_loop_transport import Port
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.sim.cluster_server import ClusterServer
from zoo.sim.history import History
from zoo.sim.host import WALL_START_MS

_KINDS = ("kill", "power", "stop", "sleep", "cut", "part")


@dataclass(frozen=True)
class ProcessFaults:
    """Mean time between strikes in µs (0: never), and how often each kind is drawn."""

    every: int = 5 * SECOND
    kill: int = 2
    power: int = 1
    stop: int = 2
    sleep: int = 1
    cut: int = 2
    part: int = 2

    @staticmethod
    def drawn(rng: Random) -> ProcessFaults:
        return ProcessFaults(
            rng.choice((0, 1, 2, 4, 8)) * SECOND, *(rng.choice((0, 1, 1, 3)) for _ in _KINDS)
        )


class SeededOutside(Outside):
    """Chance, names and wall time of a simulated world."""

    def __init__(self, rng: Random, now_ms: Callable[[], int]) -> None:
        self._rng = rng
        self._now_ms = now_ms

    def random(self) -> Random:
        return Random(self._rng.getrandbits(64))

    def unique_name(self) -> str:
        text = f"{self._rng.getrandbits(128):032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def wall_time(self) -> float:
        return (WALL_START_MS + self._now_ms()) / 1000


class ProgramWorld(ClusterWorld):
    """One run of programs, one process each."""

    SERVICE = ()  # those checkers judge clients that hide nothing

    def __init__(
        self,
        seed: int,
        programs: Sequence[Program],
        *,
        scenario: ClusterScenario | None = None,
        drawn: Callable[[Random], ClusterScenario] = ClusterScenario.drawn,
        faults: ProcessFaults | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:

        def without_clients(rng: Random) -> ClusterScenario:
            # Where members change there is an operator's session, too, and nobody to judge it.
            one = scenario or drawn(rng)
            return replace(one, clients=0, lockers=0, spares=0, reconfig_every=0)

        super().__init__(seed, drawn=without_clients, trace=trace)
        self.process_faults = faults or ProcessFaults.drawn(self._fork())
        self.strikes: dict[str, int] = {}
        self.notes: list[Note] = []
        self.processes = [
            self._add_process(number, program) for number, program in enumerate(programs)
        ]
        self._outside = SeededOutside(self._fork(), lambda: self.schedule.now_ms)
        self._chance = self._fork()

    @property
    def history(self) -> History:
        """What the servers have agreed on, and every version of every znode."""
        return self.service.history

    def _extended(self, scenario: ClusterScenario) -> ClusterScenario:
        return scenario  # programs are written for what is usual

    def _add_process(self, number: int, program: Program) -> Process:
        hosts = ",".join(f"10.0.0.{server.sid}:2181" for server in self.servers)
        timeout = self.rng.randint(2, 12) * self.scenario.tick_ms / 1000
        port = Port(f"p{number}", self._fork(), self.reach, self._at)
        self.faults.hosts.append(port.host)
        return Process(
            *(number, program, self.schedule, self._fork(), port, hosts, timeout, self.notes),
            trace=self.trace,
            fail=self._fail,
            sight=self,
        )

    def has_ended(self, session_id: int) -> bool:
        lives = self.history.sessions.get(session_id)
        return lives is not None and lives[-1][1] is None

    def were_servers_well(self) -> bool:
        return not self.faults.counts

    def were_clocks_well(self) -> bool:
        return not self.faults.counts.get("clock")

    def newest_zxid(self) -> int:
        return self.history.last_zxid

    def _at(self, address: str) -> ClusterServer | None:
        return next((s for s in self.servers if address == f"10.0.0.{s.sid}"), None)

    def _fail(self, text: str) -> None:
        def fail() -> None:
            raise Violation(text)

        self.schedule.after(0, fail)

    # --- faults of processes

    def _plan_strike(self) -> None:
        if self.process_faults.every:
            pause = int(self._chance.expovariate(1 / self.process_faults.every))
            self.schedule.after(pause, self._strike)

    def _strike(self) -> None:
        if self.faults.is_quiet:
            return
        weights = [getattr(self.process_faults, kind) for kind in _KINDS]
        alive = [process for process in self.processes if process.is_up]
        if alive and any(weights):
            kind = self._chance.choices(_KINDS, weights)[0]
            self.strikes[kind] = self.strikes.get(kind, 0) + 1
            self._hit(self._chance.choice(alive), kind)
        self._plan_strike()

    def _hit(self, process: Process, kind: str) -> None:
        duration = self._duration(process)
        process.troubled_until = (self.schedule.now + duration) / 1e6
        if kind in ("kill", "power"):
            process.crash(power=kind == "power")
        elif kind in ("stop", "sleep"):
            process.stall(duration, asleep=kind == "sleep")
        elif kind == "cut":
            process.break_links()
        else:
            self.trace(f"the net: {process.name} is cut off")
            self.reach.split([process.name], [server.sid for server in self.servers])
            self.schedule.after(duration, self._heal)

    def _duration(self, process: Process) -> int:
        """Mostly short, or so long that the session is over."""
        if self._chance.random() < 0.4:
            return int(process.session_timeout * self._chance.uniform(1.0, 2.0) * SECOND)
        return int(15 * SECOND * self._chance.random() ** 3) + 1_000

    def _heal(self) -> None:
        self.reach.heal()
        self._disturbed()

    # --- running

    def run(self, duration_us: int) -> None:
        """Live through `duration_us` with faults and to the programs' end. Raises Violation."""
        with replaced_by(self._outside):
            try:
                for process in self.processes:
                    self.schedule.after(self.rng.randint(0, SECOND), process.start)
                self._plan_strike()
                super().run(duration_us)
            finally:
                for process in self.processes:
                    process.bury()

    def _wind_down(self) -> None:
        """Mend everything; soon all serve, and every program returns."""
        self._mend()
        for process in self.processes:
            process.is_ending = True
        one = self.scenario
        limits = one.tick_ms * (one.init_limit + one.sync_limit) * 1000
        awake = max([self.schedule.now, *(server.stalled_until for server in self.servers)])
        self.schedule.run_until(awake)
        self._wait(60 * SECOND + 4 * limits, self._all_serve)
        if not self._all_serve():
            raise Violation("Liveness: not all servers serve")
        self._wait(120 * SECOND + 4 * limits, self._all_done)
        waiting = [each for each in self.processes if not each.is_done]
        if waiting:
            where = "; ".join(f"{each.name} waits in {each.waits_in}" for each in waiting)
            raise Violation(f"Liveness: not all programs end: {where}")
        self._wait(20 * SECOND, self._all_agree)
        self.checkers.tell("finished")

    def _all_done(self) -> bool:
        return all(process.is_done for process in self.processes)

    def summary(self) -> str:
        strikes = ", ".join(f"{count} {name}" for name, count in self.strikes.items())
        lives = sum(process.life for process in self.processes)
        return (
            f"{super().summary()}; {len(self.processes)} processes, {lives} restarts, "
            f"{len(self.notes)} notes; {strikes}"
        )
