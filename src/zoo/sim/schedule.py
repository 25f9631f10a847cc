"""Virtual time: what happens next, and nothing happens in between.

Times are integer microseconds since the start of the world. Events of one moment happen in the
order in which they were planned, so a run depends on nothing but its seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Schedule:
    """A queue of events in virtual time."""

    def __init__(self) -> None:
        self.now = 0
        self.count = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._planned = 0

    @property
    def now_ms(self) -> int:
        return self.now // 1000

    def after(self, delay: int, event: Callable[[], None]) -> None:
        """Plan an event `delay` microseconds from now."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now + max(0, delay), self._planned, event))

    def run_until(self, moment: int) -> None:
        """Let everything happen up to `moment` inclusive, then be there."""
        heap = self._heap
        while heap and heap[0][0] <= moment:
            self.now, _, event = heapq.heappop(heap)
            self.count += 1
            event()
        self.now = max(self.now, moment)
