"""The one place where the core meets time, disk and network.

A turn: tell the core the time, feed it what has arrived, send what it has to say, hand the disk its
next batch. The order that durability rests on is written in zoo.zab.ready; here it is `_end_turn`
(steps 1 and 2 are begun) and `_disk_done` (step 3).

Nothing is retried and nothing dies quietly: whatever a disk thread or the core raises ends the
server with the reason, before anything that was not durable could be acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator

from zoo.persistence.storage import SnapshotWriter, Storage
from zoo.runtime.client_listener import ClientListener
from zoo.runtime.disk import Background, LogDisk
from zoo.runtime.purge import purge
from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10.0
_MAX_SNAPSHOT_BACKLOG = 64  # chunks of at most 64 KiB that may wait for the disk


class Driver:
    """Runs one core until `stop` is called or something fails."""

    def __init__(self, core: ServerCore, storage: Storage, sockets: list[socket.socket]) -> None:
        self.core = core
        self.storage = storage
        self.disk = LogDisk(storage)
        self.listener = ClientListener(core, sockets, self._begin_turn, self._end_turn)
        self.listener.watch(self.disk.eventfd, self._disk_done)
        self.background = Background(self._background_failed)
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tick_seconds = min(0.25, core.config.tick_time_ms / 4000)
        self._snapshot: Iterator[bytes] | None = None
        self._snapshot_started = 0.0
        self._stopping = False

    async def run(self) -> None:
        """Serve. Returns after `stop`; raises what made going on impossible."""
        self._loop.add_reader(self.listener.epoll.fileno(), self._guarded_ready)
        self._tick()
        if self.core.config.purge_interval_ms:
            self._purge_later()
        try:
            await self._over
        finally:
            self._loop.remove_reader(self.listener.epoll.fileno())
            self.listener.close()
            self.disk.close()
            if self._over.exception() is None:
                self.background.close()

    def stop(self) -> None:
        """Drain: no new requests; what is prepared becomes durable and is answered; then end."""
        if not self._stopping:
            self._stopping = True
            self.listener.stop_listening()
            self._drained(time.monotonic() + _DRAIN_SECONDS)

    def _drained(self, deadline: float) -> None:
        waiting = bool(self.core.proposals) or self.disk.busy or self.listener.has_unsent()
        if (waiting and time.monotonic() < deadline) or (
            self._snapshot is not None and time.monotonic() < deadline
        ):
            self._loop.call_later(0.005, self._drained, deadline)
        else:
            self._finish(None)

    def _finish(self, failure: BaseException | None) -> None:
        if self._over.done():
            return
        if failure is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(failure)

    # --- turns

    def _guarded_ready(self) -> None:
        try:
            self.listener.on_ready()
        except BaseException as failure:
            self._finish(failure)

    def _begin_turn(self) -> None:
        self.core.turn(int(time.monotonic() * 1000), int(time.time() * 1000))

    def _end_turn(self) -> None:
        core = self.core
        core.go_on()
        while core.dirty:
            dirty, core.dirty = core.dirty, []
            flush = self.listener.flush
            for connection in dirty:
                if connection.dirty:
                    flush(connection)
        if not self.disk.busy:
            ready = core.ready()
            if ready is not None:
                self.disk.submit(ready)

    def _disk_done(self) -> None:
        done = self.disk.collect()
        if done is None:
            return
        if self.disk.last_ms > self.core.config.fsync_warning_threshold_ms:
            self.core.stats.fsync_threshold_exceed_count += 1
            log.warning(
                "writing the transaction log took %d ms: a slow disk makes clients wait and "
                "sessions expire (fsync.warningthresholdms=%d)",
                self.disk.last_ms,
                self.core.config.fsync_warning_threshold_ms,
            )
        self.core.stats.metrics.fsynctime.add(int(self.disk.last_ms))
        self.core.persisted(done.last_zxid)
        if self._snapshot is None and not self._stopping and self.core.snapshot_due():
            self.begin_snapshot()

    def _tick(self) -> None:
        try:
            self._begin_turn()
            self.core.tick()
            self._end_turn()
        except BaseException as failure:
            self._finish(failure)
            return
        self._loop.call_later(self._tick_seconds, self._tick)

    # --- snapshots: encoded here in slices, written by the background thread

    def begin_snapshot(self) -> None:
        zxid = self.core.tree.last_zxid
        self._snapshot_started = time.monotonic()
        self._snapshot = self.core.begin_snapshot().chunks()
        writer = self.storage.begin_snapshot(zxid)
        log.info("taking a snapshot at zxid 0x%x", zxid)
        self._snapshot_slice(writer)

    def _snapshot_slice(self, writer: SnapshotWriter) -> None:
        """Encode one chunk, then leave the loop to others for as long as that took."""
        if self._over.done():
            return
        assert self._snapshot is not None
        if self.background.backlog() > _MAX_SNAPSHOT_BACKLOG:
            self._loop.call_later(0.005, self._snapshot_slice, writer)
            return
        started = time.monotonic()
        try:
            chunk = next(self._snapshot, None)
        except BaseException as failure:
            self._finish(failure)
            return
        if chunk is None:
            self.background.submit(lambda: self._snapshot_written(writer))
            return
        self.background.submit(lambda: writer.write(chunk))
        self._loop.call_later(time.monotonic() - started, self._snapshot_slice, writer)

    def _snapshot_written(self, writer: SnapshotWriter) -> None:
        """In the background thread."""
        name = writer.commit()
        elapsed = int((time.monotonic() - self._snapshot_started) * 1000)
        self._loop.call_soon_threadsafe(self._snapshot_done, name, elapsed)

    def _snapshot_done(self, name: str, elapsed: int) -> None:
        self._snapshot = None
        self.core.stats.metrics.snapshottime.add(elapsed)
        log.info("snapshot %s is complete after %d ms", name, elapsed)

    # --- purging

    def _purge_later(self) -> None:
        self.background.submit(self._purge)
        self._loop.call_later(self.core.config.purge_interval_ms / 1000, self._purge_later)

    def _purge(self) -> None:
        """In the background thread."""
        plan = purge(self.storage, self.core.config.snap_retain_count, log.warning)
        if plan.snapshots or plan.logs:
            log.info("purged %d snapshots and %d logs", len(plan.snapshots), len(plan.logs))

    def _background_failed(self, failure: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._finish, failure)
