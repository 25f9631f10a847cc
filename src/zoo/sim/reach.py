"""Which host reaches which, how fast, and what is lost on the way.

Theory of operation. A partition is a set of directed pairs of hosts; what is sent over a blocked
pair is lost on the election mesh and waits on a learner link, as TCP sends it again and again,
until the pair is open or the link is given up. Each pair has its own latency and bandwidth. Clients
live on hosts of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

Host = int | str


class Reach:
    """The state of the network. Latencies in microseconds, bandwidth in bytes per second."""

    def __init__(self, rng: Random, latency: tuple[int, int] = (100, 1_500)) -> None:
        self._rng = rng
        self.latency = latency
        self.loss = 0.0
        """How often a message of the election mesh is lost, from 0 to 1."""
        self.duplicates = 0.0
        self.bandwidth = 100_000_000
        self._slow: dict[tuple[Host, Host], int] = {}
        self._blocked: dict[tuple[Host, Host], None] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """`listener` is called when pairs have been opened."""
        self._listeners.append(listener)

    def is_open(self, source: Host, target: Host) -> bool:
        return not self._blocked or (source, target) not in self._blocked

    def delay(self, source: Host, target: Host, size: int = 0) -> int:
        """How long `size` bytes are under way."""
        delay = self._rng.randint(*self.latency) + size * 1_000_000 // self.bandwidth
        if self._slow:
            delay *= self._slow.get((source, target), 1)
        return delay

    # --- what faults do

    def block(self, sources: Iterable[Host], targets: Iterable[Host]) -> None:
        """Nothing comes through from any of `sources` to any of `targets`."""
        targets = list(targets)
        for source in sources:
            for target in targets:
                if source != target:
                    self._blocked[source, target] = None

    def split(self, some: Iterable[Host], others: Iterable[Host]) -> None:
        """Nothing comes through between the two, either way."""
        some, others = list(some), list(others)
        self.block(some, others)
        self.block(others, some)

    def slow_down(self, source: Host, target: Host, factor: int) -> None:
        self._slow[source, target] = factor

    def heal(self) -> None:
        """All pairs are open and as fast as they were."""
        self._blocked.clear()
        self._slow.clear()
        for listener in self._listeners:
            listener()

    @property
    def is_calm(self) -> bool:
        """Nothing is blocked or slow, and nothing gets lost."""
        return not (self._blocked or self._slow or self.loss)

    @property
    def is_whole(self) -> bool:
        return not self._blocked
