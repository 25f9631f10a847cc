"""The one thread whose event loop serves all blocking clients of a process.

It is started when first needed and ends with the process. Callbacks of the application never run
in it: each blocking client has a `Dispatcher`, a thread that is born with its first callback.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from zoo.client.streams import hash_of

T = TypeVar("T")


class _Crossing(Generic[T]):
    """A coroutine there, and who waits for it here, woken in the very turn in which it ends.

    (asyncio.run_coroutine_threadsafe has a future with a condition, and takes a turn more.)
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._task: asyncio.Task[None]
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    # --- on the loop

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result.append(await self._work)
        except asyncio.CancelledError:
            self._error = concurrent.futures.CancelledError()
        except BaseException as error:
            self._error = error
        self._ended.release()

    def cancel(self) -> None:
        # Not before it has begun: the work would never be awaited.
        asyncio.get_running_loop().call_soon(self._task.cancel)

    # --- in the caller's thread

    def wait(self) -> None:
        self._ended.acquire()

    def result(self) -> T:
        error, self._error = self._error, None
        if error is None:
            return self._result[0]
        try:
            raise error
        finally:
            del error  # its traceback holds this frame


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
        crossing = _Crossing(work)
        self.post(crossing.begin)
        try:
            crossing.wait()
        except BaseException:
            self.post(crossing.cancel)
            raise
        return crossing.result()

    @property
    def is_current(self) -> bool:
        """Are we in its thread, where nothing may block?"""
        return threading.current_thread() is self._thread

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        self.loop.call_soon_threadsafe(function, *arguments)


_lock = threading.RLock()  # a signal's handler may come back to it while its thread holds it
_portal: Portal | None = None


def portal() -> Portal:
    """The process's portal."""
    global _portal
    if _portal is not None:
        return _portal
    with _lock:
        if _portal is None:
            made = Portal()
            _portal = _portal or made  # a handler was here meanwhile, and uses its own
        return _portal


def _forget() -> None:
    """In a forked child: the parent's thread is not here."""
    global _portal, _lock
    _portal, _lock = None, threading.RLock()


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

    def stop(self, last: Callable[[], object] | None = None) -> None:
        """After what is queued, and then `last`."""
        if self._thread is None:  # a thread that is born later must not find that it is over
            if last is not None:
                last()
            return
        if last is not None:
            self._queue.put(last)
        self._queue.put(None)
        self._thread = None

    def _main(self) -> None:
        while (callback := self._queue.get()) is not None:
            try:
                callback()
            except Exception as error:
                self._report(error)


class Forward:
    """A callback on the loop that has the application's called by the dispatcher.

    Two of one callback are equal: a watch that is asked for again has one watcher still.
    """

    __slots__ = ("_callback", "_dispatcher", "_hash")

    def __init__(self, dispatcher: Dispatcher, callback: Callable[[Any], object]) -> None:
        self._dispatcher = dispatcher
        self._callback = callback
        self._hash = hash_of(callback)

    def __call__(self, told: Any) -> None:
        self._dispatcher.call(partial(self._callback, told))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Forward)
            and self._dispatcher is other._dispatcher
            and self._hash == other._hash
            and self._callback == other._callback
        )

    def __hash__(self) -> int:
        return self._hash
