"""What goes wrong in a simulated ensemble, drawn from the seed.

Theory of operation. One stream of strikes with exponential pauses; each picks one thing to go wrong
and whom it hits, the leader more often than chance would. Whatever is broken for a while is mended
by an event of its own. `end` mends everything for the quiet time at the end of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Protocol

from zoo.sim.learner_links import Links
from zoo.sim.mesh import Mesh
from zoo.sim.reach import Host, Reach
from zoo.sim.schedule import Schedule

SECOND = 1_000_000


class Victim(Protocol):
    """A server, as faults see it."""

    sid: int
    is_up: bool
    wall_offset_ms: int
    on_stop: Callable[[], None]
    crash_here: Callable[[str], bool]

    @property
    def is_leading(self) -> bool: ...

    @property
    def is_stalled(self) -> bool: ...

    def start(self) -> None: ...

    def crash(self, *, power: bool) -> None: ...

    def stall(self, duration: int, *, asleep: bool = False) -> None: ...

    def break_disk(self, rng: Random) -> str:
        """Let the disk fail soon; returns how."""
        ...

    def mend_disk(self) -> None:
        """Let the disk fail no more."""
        ...

    def trace(self, text: str) -> None: ...


@dataclass(frozen=True)
class FaultMix:
    """Mean time between strikes in µs (0: never), and how often each kind is drawn."""

    every: int = 6 * SECOND
    kill: int = 4
    power: int = 3
    blackout: int = 1
    stall: int = 2
    sleep: int = 1
    clock: int = 1
    isolate: int = 2
    split: int = 1
    one_way: int = 1
    links: int = 2
    slow: int = 1
    mesh: int = 1
    disk: int = 1

    @staticmethod
    def drawn(rng: Random) -> FaultMix:
        return FaultMix(
            rng.choice((0, 1, 2, 4, 4, 8, 15)) * SECOND,
            *(rng.choice((0, 1, 1, 3)) for _ in range(13)),
        )


class Faults:
    """`hosts` are other machines that partitions may cut off: the clients'."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        servers: Sequence[Victim],
        reach: Reach,
        mesh: Mesh,
        links: Links,
        mix: FaultMix,
        trace: Callable[[str], None],
    ) -> None:
        self.schedule = schedule
        self.rng = rng
        self.servers = list(servers)
        self.reach = reach
        self.mesh = mesh
        self.links = links
        self.mix = mix
        self.trace = trace
        self.hosts: list[Host] = []
        self.counts: dict[str, int] = {}
        self.is_quiet = False
        self.on_strike: Callable[[], None] = lambda: None
        """Called whenever something has been broken or mended."""
        self._restarting: dict[int, None] = {}
        weights = {each.name: getattr(mix, each.name) for each in fields(mix)[1:]}
        self._names = [name for name in weights if weights[name]]
        self._weights = [weights[name] for name in self._names]
        for server in self.servers:
            server.on_stop = self._restarter(server)

    def begin(self) -> None:
        if self.mix.every and self._names:
            self._next()

    def _next(self) -> None:
        self.schedule.after(int(self.rng.expovariate(1 / self.mix.every)), self._strike)

    def _strike(self) -> None:
        if self.is_quiet:
            return
        name = self.rng.choices(self._names, self._weights)[0]
        self.counts[name] = self.counts.get(name, 0) + 1
        getattr(self, f"_{name}")()
        self.on_strike()
        self._next()

    def end(self) -> None:
        """Mend everything; no more faults."""
        self.is_quiet = True
        self._heal()
        self._calm()
        for server in self.servers:
            server.mend_disk()
            if not server.is_up:
                self._restart(server)

    # --- whom

    def _victim(self) -> Victim | None:
        leaders = [server for server in self.servers if server.is_leading]
        if leaders and self.rng.random() < 0.4:
            return self.rng.choice(leaders)
        alive = [server for server in self.servers if server.is_up]
        return self.rng.choice(alive) if alive else None

    def _soon(self, most: int = 10 * SECOND) -> int:
        """Short times more often than long ones."""
        return int(most * self.rng.random() ** 3) + 1_000

    # --- servers

    def _kill(self) -> None:
        self._crash(power=False)

    def _power(self) -> None:
        self._crash(power=True)

    def _crash(self, *, power: bool) -> None:
        victim = self._victim()
        if victim is not None:
            self.crash(victim, power=power)

    def crash(self, victim: Victim, *, power: bool) -> None:
        """End a server now; it starts again after a while."""
        victim.crash(power=power)
        self._restarter(victim)()
        self.on_strike()

    def crasher(self, victim: Victim, rng: Random, chance: float) -> Callable[[str], bool]:
        """For its `crash_here`: ends the server now and then, before an effect."""

        def crash_here(where: str) -> bool:
            if self.is_quiet or rng.random() >= chance:
                return False
            victim.trace(f"crashes before {where}")
            self.crash(victim, power=rng.random() < 0.6)
            return True

        return crash_here

    def _blackout(self) -> None:
        """Several machines lose their power at once, perhaps all."""
        alive = [server for server in self.servers if server.is_up]
        for server in self.rng.sample(alive, self.rng.randint(0, len(alive))):
            self.crash(server, power=True)

    def _restarter(self, server: Victim) -> Callable[[], None]:
        def later() -> None:
            if server.sid not in self._restarting:
                self._restarting[server.sid] = None
                self.schedule.after(self._soon(), lambda: self._restart(server))

        return later

    def _restart(self, server: Victim) -> None:
        self._restarting.pop(server.sid, None)
        if not server.is_up:
            server.start()
            self.on_strike()

    def _stall(self) -> None:
        self._pause(asleep=False)

    def _sleep(self) -> None:
        self._pause(asleep=True)

    def _pause(self, *, asleep: bool) -> None:
        victim = self._victim()
        if victim is not None and not victim.is_stalled:
            duration = self._soon(30 * SECOND)
            how = "is asleep" if asleep else "stands still"
            victim.trace(f"{how} for {duration / SECOND:.3f} s")
            victim.stall(duration, asleep=asleep)

    def _clock(self) -> None:
        victim = self._victim()
        if victim is not None:
            victim.wall_offset_ms = self.rng.choice((0, -3_600_000, 3_600_000, -50, 5_000))
            victim.trace(f"has its wall clock {victim.wall_offset_ms} ms off")

    def _disk(self) -> None:
        victim = self._victim()
        if victim is not None:
            victim.trace(f"will fail on its disk: {victim.break_disk(self.rng)}")

    # --- the network

    def _isolate(self) -> None:
        victim = self._victim()
        if victim is not None:
            others = [server.sid for server in self.servers if server is not victim]
            self._cut([victim.sid], [*others, *self._some_hosts()])

    def _split(self) -> None:
        sids = [server.sid for server in self.servers]
        self.rng.shuffle(sids)
        middle = self.rng.randint(0, len(sids))
        clients = self._some_hosts()
        rest = [host for host in self.hosts if host not in clients]
        self._cut([*sids[:middle], *clients], [*sids[middle:], *rest])

    def _some_hosts(self) -> list[Host]:
        return [host for host in self.hosts if self.rng.random() < 0.5]

    def _cut(self, some: list[Host], others: list[Host]) -> None:
        self.trace(f"the net: {_names(some)} and {_names(others)} are parted")
        self.reach.split(some, others)
        self._parted()

    def _one_way(self) -> None:
        victim = self._victim()
        if victim is None:
            return
        others: list[Host] = [s.sid for s in self.servers if s is not victim]
        others = [other for other in others if self.rng.random() < 0.7]
        some: list[Host] = [victim.sid]
        if self.rng.random() < 0.5:
            some, others = others, some
        self.trace(f"the net: nothing comes from {_names(some)} to {_names(others)}")
        self.reach.block(some, others)
        self._parted()

    def _parted(self) -> None:
        if self.rng.random() < 0.3:
            self.links.break_some(0.5)
        self.mesh.blocked()
        self.schedule.after(self._soon(20 * SECOND), self._heal)

    def _heal(self) -> None:
        if not self.reach.is_whole or self.is_quiet:
            self.trace("the net is whole")
            self.reach.heal()
            self.on_strike()

    def _links(self) -> None:
        self.trace(f"the net: {self.links.break_some(self.rng.random())} links break")

    def _slow(self) -> None:
        sids = [server.sid for server in self.servers]
        one, other = self.rng.choice(sids), self.rng.choice(sids)
        factor = self.rng.choice((5, 50, 500))
        self.trace(f"the net: s{one} to s{other} is {factor} times slower")
        self.reach.slow_down(one, other, factor)
        self.schedule.after(self._soon(20 * SECOND), self._heal)

    def _mesh(self) -> None:
        self.reach.loss = self.rng.choice((0.05, 0.3, 0.7))
        self.reach.duplicates = self.rng.choice((0.0, 0.2))
        self.trace(f"the net: the mesh loses {self.reach.loss:.0%}")
        self.schedule.after(self._soon(20 * SECOND), self._calm)

    def _calm(self) -> None:
        self.reach.loss = self.reach.duplicates = 0.0
        self.on_strike()


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(f"s{host}" if isinstance(host, int) else host for host in hosts) or "nobody"
