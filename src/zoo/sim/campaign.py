"""Many seeds: which world a seed is lived in, what became of it, several at a time.

Theory of operation. A `Plan` says which kind of world is simulated; `live` runs one seed of it and
returns a plain `Outcome`, so seeds can be lived in several processes and the outcomes come back in
the order of the seeds.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from zoo.sim.checking import Violation
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.sim.schedule import Schedule
from zoo.sim.world import World
from zoo.sim.zab_world import ZabScenario, ZabWorld


class AnyWorld(Protocol):
    """What all kinds of worlds have."""

    schedule: Schedule

    def run(self, duration_us: int) -> None: ...

    def summary(self) -> str: ...


class AnyPlan(Protocol):
    """Which kind of world the seeds are lived in; can be sent to other processes."""

    @property
    def duration_us(self) -> int: ...

    def world(self, seed: int, trace: Callable[[str], None] | None = None) -> AnyWorld: ...

    def options(self) -> str:
        """What a replay says besides the seed."""
        ...


@dataclass(frozen=True)
class Plan:
    """`servers` is the number of voters, 0 for what the seed draws; `observers` likewise -1.

    One server is a standalone one, but with `zab`: the protocol alone.
    """

    duration_us: int
    servers: int = 1
    observers: int = -1
    zab: bool = False

    def world(self, seed: int, trace: Callable[[str], None] | None = None) -> AnyWorld:
        if self.zab:
            return ZabWorld(
                seed,
                trace=trace,
                drawn=partial(ZabScenario.drawn, voters=self.servers, observers=self.observers),
            )
        if self.servers == 1:
            return World(seed, trace=trace)
        return ClusterWorld(
            seed,
            trace=trace,
            drawn=partial(ClusterScenario.drawn, voters=self.servers, observers=self.observers),
        )

    def options(self) -> str:
        """What a replay says besides the seed."""
        words = [f"--duration {self.duration_us // 1000}ms"]
        if self.zab:
            words.append("--zab")
        if self.servers != (0 if self.zab else 1):
            words.append(f"--servers {self.servers}")
        if self.observers >= 0:
            words.append(f"--observers {self.observers}")
        return " ".join(words)


class Outcome(NamedTuple):
    """`failure` is None for a world in which every promise was kept; times in µs."""

    seed: int
    simulated_us: int
    cpu_us: int
    summary: str
    failure: str | None


def live(plan: AnyPlan, seed: int, trace: Callable[[str], None] | None = None) -> Outcome:
    """Live through one seed."""
    began = time.process_time()
    world = plan.world(seed, trace)
    failure = None
    try:
        world.run(plan.duration_us)
    except Violation as violation:
        failure = str(violation)
    spent = int((time.process_time() - began) * 1e6)
    return Outcome(seed, world.schedule.now, spent, world.summary(), failure)


def campaign(plan: AnyPlan, seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    """Live through all `seeds`, `jobs` at a time in processes of their own, in order."""
    if jobs <= 1:
        yield from (live(plan, seed) for seed in seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        yield from pool.imap(partial(live, plan), seeds, chunksize=4)
