"""One server in virtual time: the core, and a driver that does what zoo.runtime.driver does.

Theory of operation. The contract of zoo.zab.ready is carried out in single steps with time between
them: roll and append, fsync, the report back to the core. Meanwhile the core serves. A crash may
come between any two steps, also between two chunks of a snapshot, its commit and a purge.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from random import Random
from typing import Protocol

from zoo.config import Config
from zoo.persistence.storage import StorageFailed
from zoo.persistence.txn_log import encode_entry
from zoo.runtime.loading import load, write_snapshot
from zoo.runtime.purge import purge
from zoo.server.core import ServerCore
from zoo.sim.client_port import ClientPort
from zoo.sim.disk import Disk, MemorySnapshotWriter, MemoryStorage
from zoo.sim.host import Host
from zoo.sim.schedule import Schedule
from zoo.zab.ready import Ready

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who watches the server for the checkers; called at the very moment."""

    def recovered(self, core: ServerCore) -> None: ...

    def handed(self, ready: Ready) -> None:
        """The core has given these entries to the disk."""

    def durable(self, ready: Ready) -> None:
        """They are on the disk; the core is about to be told."""

    def heard(self, session_id: int) -> None:
        """Bytes of this session's client have reached the core."""

    def stalled(self, duration_us: int) -> None: ...


class SimServer(Host, ClientPort):
    """A standalone server on a simulated disk. `fsync_us` is how long an fsync takes."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        config: Config,
        observer: Observer,
        trace: Callable[[str], None],
        fsync_us: tuple[int, int] = (100, 8_000),
    ) -> None:
        Host.__init__(self, schedule, 0, trace)
        self.rng = rng
        self.config = config
        self.observer = observer
        self.fsync_us = fsync_us
        self.disk = Disk()
        self.failure: Exception | None = None
        self.sockets = {}
        self.syncs = self.snapshots = self.purges = 0
        self._disk_busy = False
        self._snapshot: Iterator[bytes] | None = None

    def heard_from(self, session_id: int) -> None:
        self.observer.heard(session_id)

    # --- life and death

    def start(self) -> None:
        """Recover and serve. Raises what recovery raises."""
        self.storage = MemoryStorage(self.disk)
        loaded = load(
            self.config,
            self.storage,
            moment=(self.now_ms, self.wall_ms),
            rng=Random(self.rng.getrandbits(64)),
        )
        self.core = loaded.core
        self.is_up = True
        self.failure = None
        self._disk_busy = False
        self._snapshot = None
        self.trace(
            f"starts: zxid 0x{self.core.tree.last_zxid:x}, {len(self.core.tree.nodes)} "
            f"znodes, {len(self.core.sessions)} sessions, {loaded.replayed} replayed"
        )
        self.observer.recovered(self.core)
        try:
            if loaded.snapshot is None:
                write_snapshot(self.core, self.storage)
        except StorageFailed as failure:
            self.stopped(failure)
            return
        self._tick()
        if self.config.purge_interval_ms:
            self.later(self.config.purge_interval_ms * 1000, self._purge)

    def crash(self, *, power: bool) -> None:
        """kill -9, or the power fails: then unsynced bytes are lost."""
        if power:
            self.disk.power_failure(self.rng)
        else:
            self.disk.kill()
        self.end()
        self.break_clients()

    def stall(self, duration: int, *, asleep: bool = False) -> None:
        super().stall(duration, asleep=asleep)
        self.observer.stalled(duration)

    def stopped(self, failure: Exception) -> None:
        """End, before anything that is not durable was acknowledged."""
        self.trace(f"stops: {failure}")
        self.failure = failure
        self.crash(power=False)
        self.on_stop()

    # --- turns

    def _begin_turn(self) -> None:
        self.core.turn(self.now_ms, self.wall_ms)

    def _end_turn(self) -> None:
        core = self.core
        core.go_on()
        self.flush_dirty()
        if not self._disk_busy:
            ready = core.ready()
            if ready is not None:
                self._write(ready)

    def _tick(self) -> None:
        self._begin_turn()
        self.core.tick()
        self._end_turn()
        self.later(min(250_000, self.config.tick_time_ms * 250), self._tick)

    # --- the log: the steps of a Ready

    def _write(self, ready: Ready) -> None:
        self._disk_busy = True
        self.observer.handed(ready)
        self.later(self.rng.randint(1, 50), lambda: self._append(ready))

    def _append(self, ready: Ready) -> None:
        if ready.roll:
            self.storage.roll()
        self.storage.append(b"".join(map(encode_entry, ready.entries)), ready.first_zxid)
        self.later(self.rng.randint(*self.fsync_us), lambda: self._sync(ready))

    def _sync(self, ready: Ready) -> None:
        self.storage.sync()
        self.syncs += 1
        self.later(self.rng.randint(1, 100), lambda: self._durable(ready))

    def _durable(self, ready: Ready) -> None:
        self._begin_turn()
        self._disk_busy = False
        self.observer.durable(ready)
        self.core.persisted(ready.last_zxid)
        if self._snapshot is None and self.core.snapshot_due():
            self._begin_snapshot()
        self._end_turn()

    # --- snapshots and purging

    def _begin_snapshot(self) -> None:
        zxid = self.core.tree.last_zxid
        self._snapshot = self.core.begin_snapshot().chunks()
        writer = self.storage.begin_snapshot(zxid)
        self.trace(f"snapshot begins at 0x{zxid:x}")
        self.later(self.rng.randint(1, 5_000), lambda: self._snapshot_slice(writer))

    def _snapshot_slice(self, writer: MemorySnapshotWriter) -> None:
        assert self._snapshot is not None
        chunk = next(self._snapshot, None)
        if chunk is None:
            self.later(self.rng.randint(*self.fsync_us), lambda: self._commit_snapshot(writer))
            return
        writer.write(chunk)
        self.later(self.rng.randint(1, 20_000), lambda: self._snapshot_slice(writer))

    def _commit_snapshot(self, writer: MemorySnapshotWriter) -> None:
        self.trace(f"{writer.commit()} is complete")
        self._snapshot = None
        self.snapshots += 1

    def _purge(self) -> None:
        plan = purge(self.storage, self.config.snap_retain_count, log.debug)
        if plan.snapshots or plan.logs:
            self.purges += 1
            self.trace(f"purged {', '.join(plan.snapshots + plan.logs)}")
        self.later(self.config.purge_interval_ms * 1000, self._purge)
