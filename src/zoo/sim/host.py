"""A machine of the simulated world and the one process on it: its life, its pauses, its clocks.

Theory of operation. What a process plans with `later` happens only if it still lives then: a crash
begins a new `life`. A stopped process (SIGSTOP, a long collection) does nothing while bytes pile up
in front of it, and then everything at once. A suspended machine does the same, but its monotonic
clock has not moved meanwhile. The wall clock jumps wherever it likes.
"""

from __future__ import annotations

from collections.abc import Callable

from zoo.persistence.storage import StorageFailed
from zoo.sim.disk import Interrupted
from zoo.sim.schedule import Schedule

WALL_START_MS = 1_700_000_000_000


class Host:
    """Times given and taken are microseconds of the world's time, clocks show milliseconds."""

    def __init__(
        self, schedule: Schedule, sid: int, trace: Callable[[str], None] | None = None
    ) -> None:
        self.schedule = schedule
        self.sid = sid
        self.life = 0
        self.is_up = False
        self.has_power = True
        self.stalled_until = 0
        self.wall_offset_ms = 0
        self.on_stop: Callable[[], None] = lambda: None
        self._slept = 0
        self._trace = trace

    def __repr__(self) -> str:
        return f"s{self.sid}"

    def trace(self, text: str) -> None:
        if self._trace is not None:
            self._trace(f"s{self.sid} {text}")

    @property
    def is_traced(self) -> bool:
        return self._trace is not None

    # --- clocks

    @property
    def now_ms(self) -> int:
        """The monotonic clock; each machine's begins somewhere else."""
        return (self.schedule.now - self._slept) // 1000 + 1_000_000 * self.sid

    @property
    def wall_ms(self) -> int:
        return WALL_START_MS + self.schedule.now // 1000 + self.wall_offset_ms

    # --- life

    @property
    def is_stalled(self) -> bool:
        return self.schedule.now < self.stalled_until

    def stall(self, duration: int, *, asleep: bool = False) -> None:
        """Do nothing for a while; `asleep`: the monotonic clock stands still, too."""
        if self.is_stalled:
            return
        self.stalled_until = self.schedule.now + duration
        if asleep:
            self._slept += duration

    def end(self) -> None:
        """The process is gone, with all it had planned."""
        self.life += 1
        self.is_up = False
        self.stalled_until = 0

    def later(self, delay: int, action: Callable[[], None]) -> None:
        """Plan something for this life; a pause puts it off."""
        life = self.life

        def run() -> None:
            if life != self.life:
                return
            if self.schedule.now < self.stalled_until:
                self.schedule.after(self.stalled_until - self.schedule.now, run)
                return
            try:
                action()
            except self.fatal as failure:
                self.stopped(failure)

        self.schedule.after(delay, run)

    @property
    def fatal(self) -> tuple[type[Exception], ...]:
        """What ends the process."""
        return StorageFailed, Interrupted

    def stopped(self, failure: Exception) -> None:
        """The disk broke its promise, so the process ends itself; or it was ended in mid-work."""
        raise NotImplementedError from failure
