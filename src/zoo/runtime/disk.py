"""The thread that makes batches durable.

One batch is under way at a time: write, fdatasync, report. fdatasync takes as long as a hundred
requests do; on the event loop it would halve the throughput and block heartbeats. The thread holds
the interpreter lock for a few bytecodes only: both calls let go of it. Both sides wake each other
through an eventfd: the event loop polls its one like a socket, and the thread blocks reading the
other, which costs 40 us less a round trip here than a queue's locks do.

A failed write or fsync is final: the thread reports it and does nothing more, and the server must
stop.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from zoo.persistence.storage import Storage
from zoo.persistence.txn_log import encode_entries
from zoo.zab.carry_out import Carrier, ConfigurationFiles
from zoo.zab.ready import Ready

log = logging.getLogger(__name__)


class LogDisk:
    """Carries out Readies in its own thread. Mostly they hold entries alone: these are encoded
    before, in the thread that hands them over, which holds the interpreter lock anyway.
    """

    def __init__(self, storage: Storage, configurations: ConfigurationFiles | None = None) -> None:
        self.eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.busy = False
        self.last_ms = 0.0
        self._submitted = 0.0
        self._storage = storage
        self._carrier = Carrier(storage, log.warning, configurations)
        self._kick = os.eventfd(0, os.EFD_CLOEXEC)
        self._batch: tuple[bytes | None, Ready] | None = (
            None  # written before a kick, read after it
        )
        self._stopping = False
        self._done: Ready | None = None
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="log-disk", daemon=True)
        self._thread.start()

    def submit(self, ready: Ready) -> None:
        """Begin to make a Ready durable. One at a time."""
        assert not self.busy
        self.busy = True
        self._submitted = time.monotonic()
        self._batch = (encode_entries(ready.entries) if _is_plain(ready) else None, ready)
        os.eventfd_write(self._kick, 1)

    def collect(self) -> Ready | None:
        """The Ready that has become durable, if one has. Raises what the disk raised."""
        try:
            os.eventfd_read(self.eventfd)
        except BlockingIOError:
            return None
        if self._failure is not None:
            raise self._failure
        done, self._done = self._done, None
        self.busy = False
        return done

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def silent_seconds(self) -> float:
        """How long the batch under way has been under way; 0 when none is."""
        return time.monotonic() - self._submitted if self.busy else 0.0

    def stop(self) -> None:
        """Let the thread end after the batch under way; `is_alive` tells when it has."""
        self._stopping = True
        os.eventfd_write(self._kick, 1)

    def close(self) -> None:
        """Wait for the thread's end and let go of the eventfds."""
        self.stop()
        self._thread.join()
        os.close(self.eventfd)
        os.close(self._kick)

    def _run(self) -> None:
        storage = self._storage
        while True:
            os.eventfd_read(self._kick)
            batch, self._batch = self._batch, None
            if batch is None:
                if self._stopping:
                    return
                continue
            records, ready = batch
            try:
                started = time.monotonic()
                if records is None or self._carrier.is_installing:
                    self._carrier.carry_out(ready)
                else:
                    if ready.roll:
                        storage.roll()
                    storage.append(records, ready.first_zxid)
                    storage.sync()
                self.last_ms = (time.monotonic() - started) * 1000
            except BaseException as failure:
                self._failure = failure
                os.eventfd_write(self.eventfd, 1)
                return
            self._done = ready
            os.eventfd_write(self.eventfd, 1)


def _is_plain(ready: Ready) -> bool:
    return (
        ready.accepted_epoch is None
        and ready.truncate is None
        and ready.install is None
        and ready.current_epoch is None
        and ready.configured is None
    )


class Background:
    """One thread for the slow jobs nobody waits for: snapshot files, purging. Jobs run in order.

    A job that raises ends the thread; `failed` is then called, in this thread, with what it raised.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], object]) -> None:
        self._jobs.put(job)

    def backlog(self) -> int:
        return self._jobs.qsize()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let the thread end after the jobs that are queued; `is_alive` tells when it has."""
        self._jobs.put(None)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                job()
            except BaseException as failure:
                self._failed(failure)
                return
