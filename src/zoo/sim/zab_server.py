"""A member of the pure protocol in virtual time: the production `Peer` on an abstract disk.

Theory of operation. A Ready is carried out effect by effect with time between them, and a crash may
come before each: at random moments, or because `crash_here`, which is asked every time, says so.
The service above is a ZabReplica; transactions are opaque.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from zoo.sim.cluster_checking import ClusterCheckers
from zoo.sim.learner_links import Links
from zoo.sim.mesh import Mesh
from zoo.sim.peer_host import PeerHost
from zoo.sim.prefixes import Prefix
from zoo.sim.schedule import Schedule
from zoo.sim.zab_disk import Trouble, ZabDisk
from zoo.sim.zab_replica import ZabReplica
from zoo.zab.configurations import Configuration
from zoo.zab.context import Epochs, Settings
from zoo.zab.history import History
from zoo.zab.log_queue import LogQueue
from zoo.zab.peer import Peer
from zoo.zab.ready import Ready
from zoo.zab.replica import Leading, Learning


class ZabServer(PeerHost):
    """One member. `disk_us` is how long a write takes, `fsync_us` an fsync."""

    def __init__(
        self,
        schedule: Schedule,
        sid: int,
        rng: Random,
        mesh: Mesh,
        links: Links,
        others: dict[int, PeerHost],
        checkers: ClusterCheckers,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(schedule, sid, rng, mesh, links, others, trace)
        self.checkers = checkers
        self.disk = ZabDisk(checkers.ensemble.prefixes)
        self.may_change = False
        """Whether the configuration may (reconfigEnabled)."""
        self.settings = Settings()
        self.feeds_observers = False
        self.window = 100_000
        self.snapshot_padding = 100
        self.fsync_us = (100, 8_000)
        self.disk_us = (1, 50)
        self.report_us = (1, 100)
        """From the last effect of a Ready until the peer hears of it."""
        self.on_own_commit: Callable[[int, int], None] = lambda session_id, cxid: None
        self.on_synced: Callable[[], None] = lambda: None
        self.on_serving: Callable[[], None] = lambda: None
        self._busy = False

    # --- what checkers look at

    @property
    def state(self) -> Prefix:
        return self.replica.state

    @property
    def is_serving(self) -> bool:
        return self.is_up and self.replica.is_serving

    @property
    def is_leading(self) -> bool:
        return self.is_up and self.replica.leader is not None

    # --- life

    @property
    def is_prepared(self) -> bool:
        return self.disk.configured is not None

    def prepare(self, configuration: Configuration) -> None:
        self.disk.prepare(configuration)

    def start(self) -> None:
        """Recover and look for a leader; who is no member by its own configuration does not."""
        known = self.disk.configurations(self.may_change)
        if known is None or self.sid not in known.committed.ensemble.servers:
            self.trace("is no member and does not start")
            return
        old_log, old_synced = self.disk.log, self.disk.synced
        self.disk.trouble = Trouble()
        state = self.disk.recover()
        self._moved(old_log, old_synced)
        self._busy = False
        self.replica = ZabReplica(self.disk.prefixes, state, self.rng, self)
        self.replica.snapshot_padding = self.snapshot_padding
        history = History(state.zxid)
        if self.disk.base.depth < state.depth and state.depth - self.disk.base.depth <= self.window:
            history = self._history_from(self.disk.base, state)
        history.max_txns = self.window
        self.peer = Peer(
            self.sid,
            known.quorum,
            self.replica,
            rng=self.rng,
            log=LogQueue(state.zxid),
            history=history,
            epochs=Epochs(self.disk.accepted, self.disk.current),
            settings=self.settings,
            can_truncate=self.disk.can_truncate,
            feeds_observers=self.feeds_observers,
            configurations=known,
        )
        self.tick_ms = self.settings.tick_ms
        self.trace(
            f"starts: log ends at 0x{state.zxid:x}, accepted epoch {self.disk.accepted}, "
            f"current epoch {self.disk.current}"
        )
        self.checkers.tell("started", self)
        self.began()

    def _history_from(self, base: Prefix, state: Prefix) -> History:
        history = History(base.zxid)
        for prefix in state.since(base):
            history.load(prefix.zxid, prefix.entry)
        return history

    def crash(self, *, power: bool) -> None:
        self.trace("loses its power" if power else "is killed")
        if power:
            self.disk.power_failure(self.rng)
        self.died(power=power)
        self.checkers.tell("crashed", self)

    def stopped(self, failure: Exception) -> None:
        self.trace(f"stops: {failure}")
        self.crash(power=False)
        self.on_stop()

    # --- the disk

    def break_disk(self, rng: Random) -> str:
        kind = rng.choice(("write", "sync"))
        if kind == "write":
            self.disk.trouble.writes_until_failure = rng.randint(1, 20)
        else:
            self.disk.trouble.syncs_until_failure = rng.randint(1, 20)
        return kind

    def mend_disk(self) -> None:
        self.disk.trouble = Trouble()

    def _begin_ready(self) -> bool:
        if self._busy:
            return False
        ready = self.peer.ready()
        if ready is None:
            return False
        self._busy = True
        self._take_steps(list(self._steps(ready)), ready)
        return True

    def _steps(self, ready: Ready) -> list[tuple[str, tuple[int, int], Callable[[], None]]]:
        """The effects of a Ready in the contract's order: name, duration, what to do."""
        disk = self.disk
        steps: list[tuple[str, tuple[int, int], Callable[[], None]]] = []
        accepted, truncate = ready.accepted_epoch, ready.truncate
        install, current, configured = ready.install, ready.current_epoch, ready.configured
        if configured is not None:
            steps.append(("configure", self.fsync_us, lambda: disk.configure(configured)))
        if accepted is not None:
            steps.append(("accept", self.fsync_us, lambda: disk.accept(accepted)))
        if truncate is not None:
            steps.append(("truncate", self.fsync_us, lambda: disk.truncate(truncate)))
        if install is not None:
            duration = self.fsync_us if install.is_last else self.disk_us
            steps.append(("install", duration, lambda: disk.install(install)))
        if ready.entries:
            steps.append(
                ("append", self.disk_us, lambda: disk.append(ready.entries, ready.first_zxid))
            )
            steps.append(("sync", self.fsync_us, disk.sync))
        if current is not None:
            steps.append(("follow", self.fsync_us, lambda: disk.follow(current)))
        return steps

    def _take_steps(
        self, steps: list[tuple[str, tuple[int, int], Callable[[], None]]], ready: Ready
    ) -> None:
        if not steps:
            self.later(self.rng.randint(*self.report_us), lambda: self._durable(ready))
            return
        (name, duration, effect), *rest = steps

        def step() -> None:
            if self.crash_here(name):
                return
            old_log, old_synced = self.disk.log, self.disk.synced
            effect()
            if name == "accept":
                self.checkers.tell("promised", self, self.disk.accepted)
            elif name == "follow":
                self.checkers.tell("entered", self, self.disk.current)
            self._moved(old_log, old_synced)
            self._take_steps(rest, ready)

        self.later(self.rng.randint(*duration), step)

    def _moved(self, log: Prefix, synced: Prefix) -> None:
        if self.disk.log is not log:
            self.checkers.tell("logged", self, log, self.disk.log)
        if self.disk.synced is not synced:
            self.checkers.tell("synced", self, synced, self.disk.synced)

    def _durable(self, ready: Ready) -> None:
        if self.crash_here("persisted"):
            return
        self._busy = False
        self.begin_turn()
        if ready.truncate is not None and ready.truncate < self.replica.last_zxid:
            self.replica.reload(self.disk.log.cut(ready.truncate))
        self.peer.persisted(ready)
        self.settle()

    def take_snapshot(self) -> None:
        """Keep the state on the disk, so that nobody can go back behind it."""
        if self.is_serving:
            self.checkers.tell("snapshot", self, self.replica.state)
            self.disk.snapshot(self.replica.state)

    # --- what the replica tells

    def applied(self, prefix: Prefix) -> None:
        self.checkers.agree(self, prefix)
        self.checkers.tell("applied", self, prefix)

    def began_leading(self, leader: Leading) -> None:
        self.checkers.agree(self, self.state)
        self.checkers.tell("leading", self, self.peer.epochs.current)
        self.trace(f"leads in epoch {self.peer.epochs.current} from {self.state.zxid:#x} on")
        self.on_serving()

    def began_learning(self, learner: Learning) -> None:
        self.checkers.agree(self, self.state)
        self.checkers.tell("learning", self)
        self.trace(f"learns from {self.state.zxid:#x} on")
        self.on_serving()

    def stopped_serving(self) -> None:
        self.checkers.tell("stopped", self)
        self.trace("stops serving")

    def committed_own(self, session_id: int, cxid: int) -> None:
        self.on_own_commit(session_id, cxid)

    def was_synced(self) -> None:
        self.on_synced()

    def configured(self) -> None:
        known = self.configurations.committed
        self.trace(f"goes by version 0x{known.version:x} of the configuration: {known.quorum}")
        self.checkers.configured(self)
