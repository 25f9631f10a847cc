"""A process of an application in the simulated world, and whoever starts it again.

Theory of operation. A process runs a program, a coroutine function, on an event loop of its own. A
program that returns is done. One that is killed, whose machine loses its power, or that ends with
an error of the client, is started again after a while, as a supervisor would, with nothing left of
its memory: its sessions live on at the servers until they time out. Any other exception is the
program's own failure, and the run's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, NamedTuple, Protocol

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES, Converter
from zoo.client.errors import ClientError
from zoo.client.session import Options
from zoo.sim.client_loop import ProcessLoop
from zoo.sim.client_loop_transport import Port
from zoo.sim.schedule import Schedule

Program = Callable[["Process"], Awaitable[Any]]
_AGAIN_US = (10_000, 1_500_000)


class Note(NamedTuple):
    """What a program told with `Process.note`; `at` is seconds since the world began."""

    at: float
    process: str
    what: str
    value: Any


class Sight(Protocol):
    """What a check may know of the world and no program can."""

    def has_ended(self, session_id: int) -> bool:
        """Have the servers agreed on the end of a session?"""
        ...

    def were_servers_well(self) -> bool:
        """Has nothing gone wrong with servers and between them so far?"""
        ...

    def were_clocks_well(self) -> bool:
        """Have all servers had the same time so far?"""
        ...

    def newest_zxid(self) -> int:
        """Of what the servers have agreed on so far."""
        ...


class Process:
    """What a program is given: its number, its source of chance, and a way to connect."""

    def __init__(
        self,
        number: int,
        program: Program,
        schedule: Schedule,
        rng: Random,
        port: Port,
        hosts: str,
        session_timeout: float,
        notes: list[Note],
        trace: Callable[[str], None],
        fail: Callable[[str], None],
        sight: Sight,
    ) -> None:
        self.sight = sight
        self.number = number
        self.name = f"p{number}"
        self.rng = rng
        """Chance from the seed; a program that takes it from elsewhere cannot be replayed."""
        self.hosts = hosts
        """The connect string of all servers."""
        self.is_ending = False
        """The time of faults is over: finish what was begun, and return."""
        self.life = 0
        """How often it was started again."""
        self.woke_at = -1e9
        """When its machine last woke from a sleep that its clock knows nothing of."""
        self.troubled_until = -1e9
        """When what last went wrong with it, or between it and the servers, is over."""
        self.is_done = False
        self.result: Any = None
        self._program = program
        self._schedule = schedule
        self._port = port
        self.session_timeout = session_timeout
        """In seconds, as `connect` asks for it unless told otherwise."""
        self._notes = notes
        self._trace = trace
        self._fail = fail
        self._loop = self._new_loop()
        self._task: asyncio.Task[Any] | None = None
        self._graves: list[ProcessLoop] = []
        self._is_up = False

    def __repr__(self) -> str:
        return f"<Process {self.name}>"

    # --- for programs

    def connect(
        self, chroot: str = "", *, data: Converter[Any] = BYTES, **options: Any
    ) -> AsyncClient[Any]:
        """`async with process.connect() as zk`: the production client; `options` are Options'."""
        options.setdefault("session_timeout", self.session_timeout)
        return AsyncClient.at(self.hosts + chroot, data, Options(**options))

    def note(self, what: str, value: Any = None) -> None:
        """Tell the checks at the end of the run; and the trace."""
        if self._loop.is_dead:
            return  # a `finally` clause, after the end of the world
        self._notes.append(Note(self._schedule.now / 1e6, self.name, what, value))
        self._trace(f"{self.name} notes {what} {'' if value is None else value}")

    @property
    def now(self) -> float:
        """Seconds since the world began, by no clock of any machine: for checks, not to act on."""
        return self._schedule.now / 1e6

    @property
    def clock(self) -> float:
        """Seconds by its machine's clock, which stands still while that sleeps: for checks."""
        return self._loop.time()

    # --- for the world

    @property
    def is_up(self) -> bool:
        return self._is_up

    @property
    def waits_in(self) -> str:
        """Where its program is: the innermost function that waits, and those above it."""
        found: list[str] = []
        coroutine: Any = None if self._task is None else self._task.get_coro()
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            module = frame.f_globals.get("__name__", "").rpartition(".")[2]
            found.append(f"{module}.{frame.f_code.co_name}:{frame.f_lineno}")
            coroutine = coroutine.cr_await
        return " < ".join(found[:0:-1]) or "nothing"

    def start(self) -> None:
        if self._is_up or self.is_done:
            return
        self._is_up = True
        self._trace(f"{self.name} starts")
        self._task = self._loop.create_task(self._main(), name=self.name)
        self._task.add_done_callback(self._ended)

    async def _main(self) -> Any:
        return await self._program(self)

    def _new_loop(self) -> ProcessLoop:
        return ProcessLoop(self._schedule, self.rng, self._port, self._unhandled)

    def _unhandled(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, ClientError):  # those that nobody waits for any more
            self._fail(f"{self.name}: {context.get('message')}: {error!r}")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, ClientError):
            self._trace(f"{self.name} ends: {error!r}")
            self.crash(power=False)
        elif error is not None:
            self._fail(f"{self.name}: {type(error).__name__}: {error}")
        else:
            self.is_done = True
            self.result = task.result()
            self._trace(f"{self.name} is done")
            self._end()

    def _end(self) -> None:
        self._is_up = False
        self._loop.die()
        self._graves.append(self._loop)
        self._port.break_links()

    def crash(self, *, power: bool) -> None:
        """End it now, without a word to itself; it is started again."""
        if not self._is_up:
            return
        self._trace(f"{self.name} {'loses its power' if power else 'is gone'}")
        if power:
            self._port.lose_power()
        self._end()
        self.life += 1
        self._loop = self._new_loop()
        self._schedule.after(self.rng.randint(*_AGAIN_US), self.start)

    def stall(self, duration_us: int, *, asleep: bool) -> None:
        if self._is_up and not self._loop.is_stalled:
            how = "is asleep" if asleep else "stands still"
            self._trace(f"{self.name} {how} for {duration_us / 1e6:.3f} s")
            self._loop.stall(duration_us, asleep=asleep)
            if asleep:
                self.woke_at = (self._schedule.now + duration_us) / 1e6

    def break_links(self) -> None:
        self._trace(f"{self.name} loses its connections")
        self._port.break_links()

    def bury(self) -> None:
        self._loop.die()
        for loop in (*self._graves, self._loop):
            loop.bury()
