"""How large and how rough the world of a simulated ensemble is, and what its zoo.cfg says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

from zoo.auth.digest import digest
from zoo.config import Config
from zoo.sim.cluster_faults import SECOND, FaultMix


class SessionKind(Enum):
    """What becomes of a new session."""

    GLOBAL = "global"
    LOCAL = "local"
    UPGRADING = "local, until it creates an ephemeral znode"


@dataclass(frozen=True)
class ClusterScenario:
    """How large and how rough the world is. Times in µs but for `tick_ms`."""

    voters: int = 3
    observers: int = 0
    spares: int = 0
    """Servers that may join."""
    reconfig_every: int = 0
    """The mean time between two requests for another configuration; 0: it cannot change."""
    clients: int = 4
    lockers: int = 2
    """Clients that take turns under a lock."""
    tick_ms: int = 400
    init_limit: int = 5
    sync_limit: int = 3
    snap_count: int = 300
    purge_every_ms: int = 4_000
    outstanding_limit: int = 1_000
    max_unsent: int = 1 << 20
    window: int = 1_000
    latency: tuple[int, int] = (100, 1_500)
    fsync_us: tuple[int, int] = (100, 8_000)
    pause_us: int = 60_000
    """The mean time between a client's bursts."""
    crash_chance: float = 0.0
    faults: FaultMix = field(default_factory=FaultMix)
    feeds_observers: bool = False
    """Followers do, not the leader alone."""
    sessions: SessionKind = SessionKind.GLOBAL
    read_only: bool = False
    """Who has no leader serves reads; some clients are content with that."""
    rot_every: int = 0
    """The mean time between two bits that flip on disks; 0: never."""

    @staticmethod
    def drawn(rng: Random, voters: int = 0, observers: int = -1) -> ClusterScenario:
        return ClusterScenario(
            voters=voters or rng.choice((2, 3, 3, 3, 4, 5, 5, 7)),
            observers=observers if observers >= 0 else rng.choice((0, 0, 1, 2)),
            clients=rng.choice((1, 3, 5)),
            lockers=rng.choice((0, 2, 4)),
            tick_ms=rng.choice((200, 500, 2_000)),
            init_limit=rng.choice((5, 10)),
            sync_limit=rng.choice((2, 5)),
            snap_count=rng.choice((20, 100, 400, 5_000)),
            purge_every_ms=rng.choice((0, 1_500, 5_000)),
            outstanding_limit=rng.choice((5, 1_000)),
            max_unsent=rng.choice((20_000, 1 << 20)),
            window=rng.choice((3, 30, 1_000)),
            latency=rng.choice(((50, 300), (100, 1_500), (1_000, 30_000))),
            fsync_us=rng.choice(((50, 500), (100, 8_000), (2_000, 60_000))),
            pause_us=rng.choice((20_000, 100_000, 400_000)),
            crash_chance=rng.choice((0.0, 0.0, 0.001, 0.01)),
            faults=FaultMix.drawn(rng),
            feeds_observers=rng.random() < 0.5,
            spares=rng.choice((0, 1, 2)),
            reconfig_every=rng.choice((0, 0, 1, 3, 3, 10)) * SECOND,
        )

    def extended(self, seed: int) -> ClusterScenario:
        """With what worlds did not have from the beginning: a source of chance of its own leaves
        all that else is drawn from the seed as it was.
        """
        rng = Random(f"more of {seed}")
        return replace(
            self,
            sessions=rng.choice((*[SessionKind.GLOBAL] * 6, *list(SessionKind)[1:])),
            read_only=rng.random() < 0.25,
            # Where members change, those that are in order may cease to be a quorum.
            rot_every=0 if self.reconfig_every else rng.choice((0, 3, 10, 30)) * SECOND,
        )


ADMIN = b"super:simulated"


def settings_of(scenario: ClusterScenario) -> dict[str, object]:
    """zoo.cfg, but for the members."""
    pairs: dict[str, object] = {
        "dataDir": "/simulated",
        "clientPort": 2181,
        "tickTime": scenario.tick_ms,
        "initLimit": scenario.init_limit,
        "syncLimit": scenario.sync_limit,
        "snapCount": scenario.snap_count,
        "globalOutstandingLimit": scenario.outstanding_limit,
        "extendedTypesEnabled": "true",
        "observerMasterPort": 2191 if scenario.feeds_observers else 0,
        "standaloneEnabled": "false",
    }
    if scenario.sessions is not SessionKind.GLOBAL:
        pairs["localSessionsEnabled"] = "true"
    if scenario.sessions is SessionKind.UPGRADING:
        pairs["localSessionsUpgradingEnabled"] = "true"
    if scenario.read_only:
        pairs["readonlymode.enabled"] = "true"
    if scenario.reconfig_every:
        pairs["reconfigEnabled"] = "true"
        pairs["DigestAuthenticationProvider.superDigest"] = digest(ADMIN.decode())
    return pairs


def adjusted(config: Config, scenario: ClusterScenario) -> Config:
    """With what zoo.cfg says in hours or minutes happening within seconds."""
    return replace(
        config,
        purge_interval_ms=scenario.purge_every_ms,
        container_check_interval_ms=1_000,
        container_max_per_minute=600,
        max_client_cnxns=0,
    )
