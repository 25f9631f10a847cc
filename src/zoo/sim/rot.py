"""Disks of a simulated ensemble whose bits flip, and the operator who replaces them.

Theory of operation. Now and then a bit of some member's logs or snapshots flips. It is found when
the member reads the file, as a rule at its next start, so most are ended soon after. A member that
can go back to an older snapshot and its logs does. One that refuses its disk's content is given an
empty disk by the operator, who puts the configuration files back, and starts as one that has lost
its history (zookeeper.db.autocreate=false): without a vote until a leader has sent it everything.
As long as those that are in order are a quorum, nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from zoo.persistence.storage import parse_log_name, parse_snapshot_name
from zoo.sim.cluster_faults import SECOND, Faults
from zoo.sim.cluster_server import ClusterServer
from zoo.sim.schedule import Schedule


class Rot:
    """`every` is the mean time between two flips, in µs; 0: never."""

    def __init__(
        self,
        schedule: Schedule,
        seed: int,
        servers: Sequence[ClusterServer],
        faults: Faults,
        every: int,
    ) -> None:
        self.schedule = schedule
        self.rng = Random(f"rot of {seed}")  # as in ClusterScenario.extended
        self.servers = list(servers)
        self.faults = faults
        self.every = every
        self.counts = {"flips": 0, "refusals": 0}
        self.is_quiet = False
        self._replacing: dict[int, None] = {}

    def begin(self) -> None:
        if self.every:
            for server in self.servers:
                server.on_refusal = self._refused
            self._later()

    def end(self) -> None:
        self.is_quiet = True

    def _later(self) -> None:
        self.schedule.after(int(self.rng.expovariate(1 / self.every)), self._strike)

    def _strike(self) -> None:
        if self.is_quiet:
            return
        victim = self.rng.choice(self.servers)
        names = sorted(name for name in victim.files.files if _may_rot(name))
        if names and self._others_suffice(victim):
            self._flip(victim, self.rng.choice((names[-1], self.rng.choice(names))))
        self._later()

    def _others_suffice(self, victim: ClusterServer) -> bool:
        """Are those whose disks are in order a quorum still?"""
        if not victim.is_up:
            return False
        well = [
            server.sid
            for server in self.servers
            if server is not victim and not server.has_rotted and not server.is_lacking
        ]
        return victim.configurations.committed.quorum.contains_quorum(well)

    def _flip(self, victim: ClusterServer, name: str) -> None:
        file = victim.files.files[name]
        if not file.data or not file.durable:
            return
        self.counts["flips"] += 1
        victim.trace(f"has a bit of {name} flipped")
        victim.files.rot(name, self.rng)
        victim.has_rotted = True
        if self.rng.random() < 0.6:
            self.faults.crash(victim, power=self.rng.random() < 0.5)

    def _refused(self, server: ClusterServer) -> None:
        self.counts["refusals"] += 1
        if server.sid not in self._replacing:
            self._replacing[server.sid] = None
            self.schedule.after(
                self.rng.randint(SECOND // 10, 5 * SECOND), lambda: self._replace(server)
            )

    def _replace(self, server: ClusterServer) -> None:
        self._replacing.pop(server.sid, None)
        if not server.is_up:
            server.replace_disk()
            server.start()


def _may_rot(name: str) -> bool:
    return parse_log_name(name) is not None or parse_snapshot_name(name) is not None
