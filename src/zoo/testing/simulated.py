"""Programs under seeds: production clients and recipes in simulated processes, servers that fail.

    async def worker(process):
        async with process.connect() as zk, Lock(zk, "/lock") as place:
            process.note("holds", place.token)

    run = simulate(worker, seed=7, processes=3, servers=3)

Everything happens in virtual time in this thread; the same seed gives the same events. A program
must take chance from `process.rng` and time from its event loop, and open no sockets of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

from zoo.sim.checking import Violation
from zoo.sim.client_loop_process import Note, Process, Program
from zoo.sim.client_loop_world import ProcessFaults, ProgramWorld
from zoo.sim.cluster_faults import FaultMix
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.sim.history import NodeState

__all__ = ["Faults", "Note", "Process", "Program", "Run", "Violation", "simulate"]


@dataclass(frozen=True)
class Faults:
    """How rough it is: the mean number of seconds between strikes, 0 for none.

    What strikes is drawn from the seed. Servers are killed, lose their power, stand still, have
    disks that fail, are cut off; processes likewise, and lose connections and sessions.
    """

    servers: float = 6.0
    processes: float = 5.0


class Run:
    """What became of a run, for checks."""

    def __init__(self, world: ProgramWorld) -> None:
        self.seed = world.seed
        self.notes = world.notes
        self.results = [process.result for process in world.processes]
        """What the programs returned."""
        self.fingerprint = world.fingerprint.hexdigest()
        """Of the whole trace: equal for equal runs."""
        self.summary = world.summary()
        self._history = world.history

    def __repr__(self) -> str:
        return f"<Run {self.summary}>"

    def noted(self, what: str) -> list[Note]:
        return [note for note in self.notes if note.what == what]

    @property
    def tree(self) -> dict[str, bytes]:
        """The data of all znodes at the end, by path."""
        nodes = self._history.tree().items()
        return {path.decode(): state.data or b"" for path, state in nodes}

    def versions(self, path: str) -> list[tuple[int, NodeState | None]]:
        """Every state of a znode, oldest first: (zxid, state), None where it was deleted."""
        return list(self._history.versions(path.encode()))

    def at(self, path: str, zxid: int) -> NodeState | None:
        """The znode once the transaction `zxid` was applied."""
        return self._history.at(path.encode(), zxid)

    def paths(self) -> Iterator[str]:
        """All paths that ever were."""
        return (path.decode() for path in self._history.paths())


def simulate(
    program: Program | Sequence[Program],
    *,
    seed: int = 1,
    processes: int = 3,
    servers: int = 3,
    duration: float = 30.0,
    faults: Faults | bool = True,
    check: Callable[[Run], Any] | None = None,
    trace: Callable[[str], None] | None = None,
) -> Run:
    """Run a program in `processes` processes, or a sequence of programs in one each.

    For `duration` seconds things go wrong as `faults` says (True: as the seed draws it, False:
    never); then `process.is_ending` turns true and all programs must return. `servers` 0: as many
    as the seed draws. `trace` is given one line per event. Raises Violation, an AssertionError,
    when a program fails or does not end, when `check(run)` fails, or a server breaks a promise.
    """
    programs = [program] * processes if callable(program) else list(program)
    world = ProgramWorld(
        seed,
        programs,
        drawn=partial(_scenario, servers=servers, faults=faults),
        faults=_process_faults(seed, faults),
        trace=trace,
    )
    with _quiet():
        world.run(int(duration * 1e6))
    run = Run(world)
    if check is not None:
        try:
            check(run)
        except AssertionError as error:
            raise Violation(f"seed {seed}: {error}") from error
    return run


def _scenario(rng: Random, *, servers: int, faults: Faults | bool) -> ClusterScenario:
    one = ClusterScenario.drawn(rng, servers, 0)
    if faults is True:
        return one
    mean = faults.servers if isinstance(faults, Faults) else 0
    mix = replace(FaultMix() if mean else one.faults, every=int(mean * 1e6))
    return replace(one, faults=mix, crash_chance=one.crash_chance if mean else 0.0)


def _process_faults(seed: int, faults: Faults | bool) -> ProcessFaults:
    drawn = ProcessFaults.drawn(Random(seed))
    if faults is True:
        return drawn
    mean = faults.processes if isinstance(faults, Faults) else 0
    return replace(ProcessFaults(), every=int(mean * 1e6))


@contextmanager
def _quiet() -> Iterator[None]:
    """The servers' logs would go to the real ones' place."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
