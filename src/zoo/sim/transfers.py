"""Now and then an operator of a simulated ensemble has another server lead.

Whom he asks for is drawn from the seed, and may be a server that cannot lead; how long it gets to
catch up, too, so some transfers are given up half way. The draws are this stream's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from zoo.sim.peer_host import PeerHost
from zoo.sim.schedule import Schedule
from zoo.zab.leader import Leader

SECOND = 1_000_000


class Transfers:
    """`every` is the mean time between two, in µs; 0: never."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        servers: Sequence[PeerHost],
        trace: Callable[[str], None],
    ) -> None:
        self.schedule = schedule
        self.rng = rng
        self.servers = list(servers)
        self.trace = trace
        self.every = rng.choice((0, 0, 1, 3, 10)) * SECOND
        self.begun = 0
        self.is_quiet = False

    def begin(self) -> None:
        if self.every:
            self.schedule.after(int(self.rng.expovariate(1 / self.every)), self._next)

    def end(self) -> None:
        self.is_quiet = True

    def _next(self) -> None:
        if self.is_quiet:
            return
        target = self.rng.choice(self.servers).sid
        timeout_ms = int(3_000 * self.rng.random() ** 2) + 1
        for server in self.servers:
            if server.is_up and not server.is_stalled:
                self.ask(server, target, timeout_ms)
        self.begin()

    def ask(self, server: PeerHost, target: int, timeout_ms: int) -> None:
        """Have this server, if it leads, hand over to the target."""
        role = server.peer.role
        if not isinstance(role, Leader):
            return
        server.begin_turn()
        why_not = role.broadcast.transfer(target, timeout_ms)
        if why_not is None:
            self.begun += 1
        self.trace(f"{server} is to hand over to s{target}: {why_not or 'it begins'}")
        server.settle()
