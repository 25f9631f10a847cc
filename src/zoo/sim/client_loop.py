"""An asyncio event loop on virtual time: the process of an application in the simulated world.

Theory of operation. Production clients, recipes and programs run here unchanged. What asyncio asks
of a loop is answered from the world's schedule: each turn runs what was ready when it began, takes
a little time, and timers wait for the loop's own clock. A stopped process takes no turns, while
bytes and timers pile up in front of it; a machine that sleeps has a clock that stands still as
well; what a dead process had planned never happens, its `finally` clauses included.

There are no sockets, files or threads behind it: `create_connection` and `getaddrinfo` lead into
the simulated network, and `run_in_executor` runs the function a little later, in between.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Protocol, TypeVar

from zoo.sim.schedule import Schedule

T = TypeVar("T")
log = logging.getLogger(__name__)
_MOST_CLAUSES = 100
_TURN_US = (5, 60)
_WORK_US = (50, 3_000)
_RESOLVE_US = (50, 2_000)


class Network(Protocol):
    """Whom the connections of a process go through."""

    async def connect(
        self, loop: ProcessLoop, protocol: asyncio.BaseProtocol, host: str, port: int
    ) -> asyncio.Transport:
        """Raises OSError; waits for ever when nothing answers."""
        ...


class ProcessLoop(asyncio.BaseEventLoop):
    """`report` hears of what no task handles: an exception in a callback, and its context."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        network: Network,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.is_dead = False
        self._rng = rng
        self._network = network
        self._report = report
        self._due_now: deque[asyncio.Handle] = deque()
        self._has_turn = False
        self._stalled_until = 0
        self._slept = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}  # kept, or the collector would end them

    def __repr__(self) -> str:
        return f"<ProcessLoop at {self.time():.6f}{' dead' if self.is_dead else ''}>"

    # --- the process

    @property
    def is_stalled(self) -> bool:
        return self.schedule.now < self._stalled_until

    def stall(self, duration_us: int, *, asleep: bool = False) -> None:
        """Take no turn for so long; `asleep`: the clock stands still, too."""
        if not self.is_stalled:
            self._stalled_until = self.schedule.now + duration_us
            if asleep:
                self._slept += duration_us

    def die(self) -> None:
        """Nothing that was planned will happen."""
        self.is_dead = True
        self._due_now.clear()

    def bury(self) -> None:
        """After the end of the world: take what is left apart, without a word."""
        self.die()
        with self._running():
            while self._tasks:  # the end of one may begin others
                task, _ = self._tasks.popitem()
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())

    # --- turns

    def _turn(self) -> None:
        self._has_turn = False
        if self.is_dead:
            return
        if self.is_stalled:
            self._plan_turn(self._stalled_until - self.schedule.now)
            return
        with self._running():
            for _ in range(len(self._due_now)):
                if self.is_dead:
                    return
                handle = self._due_now.popleft()
                if not handle.cancelled():
                    handle._run()
        if self._due_now:
            self._plan_turn(self._rng.randint(*_TURN_US))

    def _plan_turn(self, delay_us: int) -> None:
        if not self._has_turn:
            self._has_turn = True
            self.schedule.after(delay_us, self._turn)

    @contextmanager
    def _running(self) -> Iterator[None]:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finalize)
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self.create_task(generator.aclose())

    # --- what asyncio asks of a loop

    def time(self) -> float:
        """Seconds since the world began, without those that this machine slept."""
        return (self.schedule.now - self._slept) / 1e6

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.is_dead:
            self._due_now.append(handle)
            self._plan_turn(self._rng.randint(*_TURN_US))
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._wait(timer)
        return timer

    def _wait(self, timer: asyncio.TimerHandle) -> None:
        left = timer.when() - self.time()
        self.schedule.after(max(0, min(round(left * 1e6), 1 << 60)), lambda: self._due(timer))

    def _due(self, timer: asyncio.TimerHandle) -> None:
        if timer.cancelled() or self.is_dead:
            return
        if timer.when() - self.time() > 1e-6:  # the machine has slept meanwhile
            self._wait(timer)
            return
        self._due_now.append(timer)
        self._plan_turn(0)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the schedule, and does nothing when it is due."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, **options)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self._report(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return self.is_dead

    # --- the world outside

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        **_: Any,
    ) -> list[Any]:
        await self._takes(_RESOLVE_US)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        assert host is not None
        assert port is not None
        protocol = protocol_factory()
        return await self._network.connect(self, protocol, host, port), protocol

    async def _takes(self, span_us: tuple[int, int]) -> None:
        await asyncio.sleep(self._rng.randint(*span_us) / 1e6)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        async def work() -> T:
            await self._takes(_WORK_US)
            return func(*args)

        return self.create_task(work())


def _close(coroutine: Any) -> None:
    """End a coroutine from the inside out, also where a `finally` clause waits for more."""
    for _ in range(_MOST_CLAUSES):
        inmost = coroutine
        while getattr(getattr(inmost, "cr_await", None), "cr_frame", None) is not None:
            inmost = inmost.cr_await
        if getattr(inmost, "cr_frame", None) is None:
            return
        try:
            inmost.close()
        except Exception as error:
            log.debug("the end of %r: %r", inmost, error)
