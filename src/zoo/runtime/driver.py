"""The one place where the core meets time, disk and network.

A turn: tell the core the time, feed it what has arrived, send what it has to say, hand the disk its
next batch. The order that durability rests on is written in zoo.zab.ready; here it is `_all_read`
(the steps up to 6 are begun, in the disk's thread) and `_disk_done` (step 7). What a member of an
ensemble does besides is in zoo.runtime.member_driver.

Nothing is retried and nothing dies quietly: whatever the core, a callback or a thread raises ends
the server with the reason, before anything that was not durable could be acknowledged. Nor does it
wait for ever: a disk that never answers is left behind, and `disk_hangs` tells whoever must then
leave the process without touching that disk again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Generator
from typing import Any, Protocol

from zoo.persistence.storage import SnapshotWriter, Storage, StorageFailed
from zoo.runtime.client_listener import IN, ClientListener
from zoo.runtime.disk import Background, LogDisk
from zoo.runtime.purge import purge
from zoo.runtime.turn_loop import Events, running_loop
from zoo.server.core import ServerCore
from zoo.zab.carry_out import ConfigurationFiles
from zoo.zab.ready import Ready

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10.0
_THREADS_END_SECONDS = 2.0
_DISK_SILENCE_SECONDS = 5.0
_REST_FACTOR = 9  # a tenth of the time at most goes into snapshots
_FULL_BATCH = 256  # transactions
_MAX_SNAPSHOT_BACKLOG = 64  # chunks of at most 64 KiB that may wait for the disk


class DiskHangs(Exception):
    """The disk has not finished a write for so long that the server leaves without it."""


class Node(Protocol):
    """What is driven: a core that is alone, or the member that it belongs to."""

    def turn(self, now_ms: int, wall_ms: int) -> None: ...

    def tick(self) -> None: ...

    def ready(self) -> Ready | None: ...

    def snapshot_due(self, rested: bool = True) -> bool: ...


class Driver:
    """Runs one core until `stop` is called or something fails."""

    def __init__(
        self,
        core: ServerCore,
        storage: Storage,
        sockets: list[socket.socket],
        node: Node | None = None,
        configurations: ConfigurationFiles | None = None,
    ) -> None:
        self.core = core
        self.node: Node = core if node is None else node
        self.storage = storage
        self.disk = LogDisk(storage, configurations)
        self._loop = running_loop()
        self.readiness = readiness = self._loop.readiness
        self.listener = ClientListener(
            core, sockets, readiness.epoll, self._begin_turn, self._end_turn, self._all_read
        )
        readiness.epoll.register(self.disk.eventfd, IN)
        self.listener.watched[self.disk.eventfd] = self._disk_done
        self.background = Background(self._background_failed)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tick_seconds = min(0.25, core.config.tick_time_ms / 4000)
        self._snapshot: Generator[bytes, None, None] | None = None
        self._writer: SnapshotWriter | None = None  # of a snapshot that is not complete yet
        self._snapshot_started = 0.0
        self._rested_at = 0.0  # from when on a snapshot may be taken again
        self.stopping = False
        self.disk_hangs = False
        self._silence_told = False

    async def run(self) -> None:
        """Serve. Returns after `stop`; raises what made going on impossible."""
        hook, threading.excepthook = threading.excepthook, self._thread_failed
        try:
            await self.run_as_guest()
        finally:
            threading.excepthook = hook

    async def run_as_guest(self) -> None:
        """The same in a process whose other threads are none of ours."""
        self._loop.set_exception_handler(self._loop_failed)
        self.readiness.serve = self._serve
        self._tick()
        if self.core.config.purge_interval_ms:
            self._purge_later()
        try:
            await self._over
        finally:
            self.readiness.serve = None
            self._close_links()
            await self._end_threads()

    def _close_links(self) -> None:
        """Nothing that nobody serves any more may stay where the event loop looks."""
        self.readiness.epoll.unregister(self.disk.eventfd)
        self.listener.close()

    async def _end_threads(self) -> None:
        """Let both threads finish what they have, but not for ever: a fsync may never return."""
        self.disk.stop()
        if self._writer is not None:
            # The log holds everything: a restart needs no snapshot, a stop need not wait for one.
            self.background.submit(self._writer.abort)
        self.background.stop()
        deadline = time.monotonic() + _THREADS_END_SECONDS
        while (self.disk.is_alive or self.background.is_alive) and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        self.disk_hangs = self.disk.is_alive
        if not self.disk_hangs:
            self.disk.close()

    def stop(self) -> None:
        """Drain: no new requests; what is prepared becomes durable and is answered; then end."""
        if not self.stopping and not self._over.done():
            self.stopping = True
            self.listener.stop_listening()
            self._drained(time.monotonic() + _DRAIN_SECONDS)

    def _is_undurable(self) -> bool:
        """Something that is prepared is not durable and answered."""
        return bool(self.core.proposals) or self.disk.busy

    def _drained(self, deadline: float) -> None:
        undurable = self._is_undurable()
        if time.monotonic() < deadline:
            if undurable or self.listener.has_unsent():
                self._loop.call_later(0.005, self._drained, deadline)
            else:
                self._finish(None)
        elif undurable:
            self._finish(
                DiskHangs(
                    f"the transaction log was not written within {_DRAIN_SECONDS:g} s: the writes "
                    "under way are not acknowledged"
                )
            )
        else:
            self._finish(None)

    def _finish(self, failure: BaseException | None) -> None:
        if not self._over.done():
            if failure is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(failure)
        elif failure is not None:
            log.error("while stopping: %s", failure, exc_info=failure)

    def _loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of the event loop raised: asyncio alone would log it and go on."""
        self._finish(context.get("exception") or RuntimeError(context["message"]))

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        self._background_failed(args.exc_value or args.exc_type())

    def _background_failed(self, failure: BaseException) -> None:
        """In the thread that failed."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(self._finish, failure)

    def end(self) -> None:
        """At once, as if killed: what is not durable may be lost; nobody was told otherwise."""
        self.stopping = True
        self.listener.stop_listening()
        self._finish(None)

    # --- turns

    def _serve(self, events: Events) -> Events:
        if self._over.done():
            return events
        try:
            return self.listener.serve(events)
        except BaseException as failure:
            self._finish(failure)
            return []

    def _begin_turn(self) -> None:
        self.node.turn(int(time.monotonic() * 1000), int(time.time() * 1000))

    def _end_turn(self) -> None:
        core = self.core
        core.go_on()
        while core.dirty:
            dirty, core.dirty = core.dirty, []
            flush = self.listener.flush
            for connection in dirty:
                if connection.dirty:
                    flush(connection)
        # A batch that is worth its fsync goes at once; a smaller one waits until all that is ready
        # has been read, or two clients would share an fsync where sixteen could.
        if not self.disk.busy and core.undurable >= _FULL_BATCH:
            self._all_read()

    def _all_read(self) -> None:
        """Hand the disk its next batch."""
        if not self.disk.busy:
            ready = self.node.ready()
            if ready is not None:
                self._submit(ready)

    def _submit(self, ready: Ready) -> None:
        self.disk.submit(ready)

    def _disk_done(self, _mask: int) -> None:
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
        metrics = self.core.stats.metrics
        metrics.fsynctime.add(int(self.disk.last_ms))
        metrics.sync_processor_batch_size.add(len(done.entries))
        metrics.sync_processor_request_queued.value += len(done.entries)
        self._persisted(done)
        if self._snapshot is None and not self.stopping:
            rested = time.monotonic() >= self._rested_at
            if self.node.snapshot_due(rested):
                self.begin_snapshot()

    def _persisted(self, ready: Ready) -> None:
        self.core.persisted(ready.last_zxid)

    def _tick(self) -> None:
        if self._over.done():
            return
        try:
            self._begin_turn()
            self.node.tick()
            self.listener.tick()
            self._end_turn()
            self._all_read()
            self._watch_disk()
        except BaseException as failure:
            self._finish(failure)
            return
        self._loop.call_later(self._tick_seconds, self._tick)

    def _watch_disk(self) -> None:
        """Say once that the disk is silent: writes wait, and nothing else would show why."""
        silent = self.disk.silent_seconds()
        if silent < _DISK_SILENCE_SECONDS:
            self._silence_told = False
        elif not self._silence_told:
            self._silence_told = True
            log.error("the transaction log's disk is silent for %.0f s: all writes wait", silent)

    # --- snapshots: encoded here in slices, written by the background thread

    def begin_snapshot(self) -> None:
        zxid = self.core.tree.last_zxid
        self._snapshot_started = time.monotonic()
        self._snapshot = self.core.begin_snapshot().chunks()
        writer = self._writer = self.storage.begin_snapshot(zxid)
        log.info("taking a snapshot at zxid 0x%x", zxid)
        self._snapshot_slice(writer)

    def _snapshot_slice(self, writer: SnapshotWriter) -> None:
        """Encode one chunk, then leave the loop to others for as long as that took."""
        if self._over.done() or self.stopping or self._writer is not writer:
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
            self._writer = None
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
        self._rested_at = time.monotonic() + _REST_FACTOR * elapsed / 1000
        self.core.stats.metrics.snapshottime.add(elapsed)
        log.info("snapshot %s is complete after %d ms", name, elapsed)

    # --- purging

    def _purge_later(self) -> None:
        self.background.submit(self._purge)
        self._loop.call_later(self.core.config.purge_interval_ms / 1000, self._purge_later)

    def _purge(self) -> None:
        """In the background thread."""
        try:
            plan = purge(self.storage, self.core.config.snap_retain_count, log.warning)
        except (StorageFailed, OSError) as failure:
            # What is not deleted costs room, not safety.
            hours = self.core.config.purge_interval_ms / 3_600_000
            log.error("purging failed, the next attempt comes in %g h: %s", hours, failure)
            return
        if plan.snapshots or plan.logs:
            log.info("purged %d snapshots and %d logs", len(plan.snapshots), len(plan.logs))
