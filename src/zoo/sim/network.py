"""Client connections of the simulated world.

Theory of operation. A link is a TCP connection: in each direction bytes arrive in order, in pieces
cut anywhere, and none is lost until the link breaks; then what is under way is lost. Towards the
client the network holds `WINDOW` bytes at most; what does not fit stays with the server, so a
client that does not read fills the server's buffers as a real one would. While a direction is not
open (a partition), what is under way in it waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from zoo.sim.schedule import Schedule

WINDOW = 16 * 1024


class Receiver(Protocol):
    def received(self, data: bytes) -> None: ...

    def broken(self) -> None:
        """The link is gone; said once."""


class Pipe:
    """One direction of a link."""

    def __init__(self, schedule: Schedule, rng: Random, latency: tuple[int, int]) -> None:
        self._schedule = schedule
        self._rng = rng
        self._latency = latency
        self._arrival = 0
        self._flying: deque[bytes | None] = deque()
        self.is_cut = False
        self.in_flight = 0
        self.deliver: Callable[[bytes], None] | None = None
        self.is_open: Callable[[], bool] = lambda: True
        self.on_end: Callable[[], None] = lambda: None
        self._stuck = 0

    def send(self, data: bytes) -> None:
        """Data goes off in one to three pieces, each delayed by its own latency, in order."""
        rng = self._rng
        cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.choice((0, 0, 0, 1, 2))))
        start = 0
        for cut in [*cuts, len(data)]:
            piece = data[start:cut]
            start = cut
            if piece:
                due = self._schedule.now + rng.randint(*self._latency)
                self._arrival = max(self._arrival, due)
                self._flying.append(piece)
                self.in_flight += len(piece)
                self._schedule.after(self._arrival - self._schedule.now, self._arrive)

    def _arrive(self) -> None:
        if self.is_cut:
            return
        if not self.is_open():
            self._stuck += 1
            return
        piece = self._flying.popleft()
        if piece is None:
            self.is_cut = True
            self.on_end()
            return
        self.in_flight -= len(piece)
        if self.deliver is not None:
            self.deliver(piece)

    def finish(self) -> None:
        """Nothing more is sent; `on_end` is called behind all that was."""
        self._flying.append(None)
        self._schedule.after(max(0, self._arrival - self._schedule.now), self._arrive)

    def unstick(self) -> None:
        """What was held up while the way was not open may arrive."""
        stuck, self._stuck = self._stuck, 0
        for _ in range(stuck):
            self._schedule.after(self._latency[1], self._arrive)

    def cut(self) -> None:
        """Lose what is under way and all that follows."""
        self.is_cut = True
        self._flying.clear()
        self.in_flight = 0


class Link:
    """A connection between a client and a server."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        client: Receiver,
        server: Receiver,
        latency: tuple[int, int] = (50, 2_000),
    ) -> None:
        self._schedule = schedule
        self._latency = latency
        self.client = client
        self.server = server
        self.to_server = Pipe(schedule, rng, latency)
        self.to_client = Pipe(schedule, rng, latency)
        self.to_server.deliver = server.received
        self.to_client.deliver = client.received
        self.is_broken = False

    @property
    def room(self) -> int:
        """Bytes that the server may send now."""
        return WINDOW - self.to_client.in_flight

    @property
    def is_over(self) -> bool:
        """Nothing can arrive any more."""
        return self.to_server.is_cut and self.to_client.is_cut

    def unstick(self) -> None:
        """The net is whole again."""
        self.to_server.unstick()
        self.to_client.unstick()

    def break_both(self) -> None:
        """Both ends learn of it, a little later."""
        if self.is_broken:
            return
        self.is_broken = True
        self.to_server.cut()
        self.to_client.cut()
        self._schedule.after(self._latency[0], self.client.broken)
        self._schedule.after(self._latency[0], self.server.broken)

    def give_up(self) -> None:
        """The client closes: what it has sent arrives, then the server learns that it is over."""
        if self.is_broken:
            return
        self.is_broken = True
        self.to_client.cut()
        self.to_server.on_end = self.server.broken
        self.to_server.finish()
        self._schedule.after(self._latency[0], self.client.broken)

    def close_behind(self) -> None:
        """The server closes: what it has sent arrives, then the client learns that it is over."""
        if self.is_broken:
            return
        self.is_broken = True
        self.to_server.cut()
        last = self.to_client

        def end() -> None:
            if last.in_flight:
                self._schedule.after(self._latency[1], end)
            else:
                self.client.broken()

        self._schedule.after(self._latency[1], end)
