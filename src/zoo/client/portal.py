"""The one thread whose event loop serves all blocking clients of a process.

It is started when first needed and ends with the process. Callbacks of the application never run
in it: each blocking client has a `Dispatcher`, a thread that is born with its first callback.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines in its thread for callers in others."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="zoo portal", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for its result. Interrupted (Ctrl-C), the coroutine is cancelled."""
        if self.is_current:
            work.close()
            raise RuntimeError("a blocking call from the portal's own thread would wait for ever")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @property
    def is_current(self) -> bool:
        """Are we in its thread, where nothing may block?"""
        return threading.current_thread() is self._thread

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        self.loop.call_soon_threadsafe(function, *arguments)


_lock = threading.Lock()
_portal: Portal | None = None


def portal() -> Portal:
    """The process's portal."""
    global _portal
    with _lock:
        if _portal is None:
            _portal = Portal()
        return _portal


def _forget() -> None:
    """In a forked child: the parent's thread is not here."""
    global _portal, _lock
    _portal, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


class Dispatcher:
    """Calls an application's callbacks one after the other, in a thread of their own."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._report = report
        self._thread: threading.Thread | None = None

    def call(self, callback: Callable[[], object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="zoo callbacks", daemon=True)
            self._thread.start()
        self._queue.put(callback)

    def stop(self) -> None:
        """After what is queued."""
        self._queue.put(None)
        self._thread = None

    def _main(self) -> None:
        while (callback := self._queue.get()) is not None:
            try:
                callback()
            except Exception as error:
                self._report(error)
