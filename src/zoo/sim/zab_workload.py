"""Clients of the pure protocol: they write opaque transactions wherever somebody serves.

Theory of operation. Every stay of a server in a role has a session of its own, whose requests are
numbered; so the checkers can tell in which order they were asked. Now and then a client asks for a
`sync`, and its server must have applied by the answer what was committed anywhere when it asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random

from zoo.jute.client_records import ReconfigRequest
from zoo.sim.checking import Violation
from zoo.sim.schedule import Schedule
from zoo.sim.zab_server import ZabServer


class ZabClients:
    """All clients of all servers. `pause_us` is the mean time between two bursts."""

    def __init__(
        self, schedule: Schedule, rng: Random, servers: Sequence[ZabServer], pause_us: int
    ) -> None:
        self.schedule = schedule
        self.rng = rng
        self.servers = list(servers)
        self.pause_us = pause_us
        self.largest = 200
        self.stopped = False
        self.asked = self.answered = self.synced = 0
        self._stays = 0
        self._session: dict[int, int] = {}
        self._cxid: dict[int, int] = {}
        self._syncs: dict[int, deque[int]] = {}
        for server in self.servers:
            self._serve(server)

    def _serve(self, server: ZabServer) -> None:
        sid = server.sid

        def begin() -> None:
            self._stays += 1
            self._session[sid] = sid << 32 | self._stays
            self._cxid[sid] = 0
            self._syncs[sid] = deque()

        def committed(session_id: int, cxid: int) -> None:
            if session_id == self._session.get(sid):
                self.answered += 1

        server.on_serving = begin
        server.on_own_commit = committed
        server.on_synced = lambda: self._was_synced(server)

    def begin(self) -> None:
        self.schedule.after(int(self.rng.expovariate(1 / self.pause_us)), self._act)

    def _act(self) -> None:
        rng = self.rng
        if self.stopped:
            return
        serving = [s for s in self.servers if s.is_serving and not s.is_stalled]
        if serving:
            server = rng.choice(serving)
            if rng.random() < 0.1:
                self._ask_sync(server)
            self.write(server, rng.choice((1, 1, 1, 2, 5, 30)))
        self.begin()

    def write(self, server: ZabServer, count: int) -> None:
        """One burst at one server."""
        server.begin_turn()
        session_id = self._session[server.sid]
        for _ in range(count):
            self._cxid[server.sid] += 1
            self.asked += 1
            payload = self.rng.randbytes(self.rng.randint(0, self.largest))
            server.replica.write(session_id, self._cxid[server.sid], payload)
        if self.rng.random() < 0.2:
            server.replica.hear(session_id, 10_000)
        server.settle()

    def reconfigure_somewhere(self, request: ReconfigRequest) -> None:
        """Ask for another configuration, anywhere."""
        serving = [s for s in self.servers if s.is_serving and not s.is_stalled]
        if serving:
            self.reconfigure(request, self.rng.choice(serving))

    def reconfigure(self, request: ReconfigRequest, server: ZabServer) -> None:
        """Ask one server for another configuration."""
        server.begin_turn()
        self._cxid[server.sid] += 1
        self.asked += 1
        server.replica.reconfigure(self._session[server.sid], self._cxid[server.sid], request)
        server.settle()

    def _ask_sync(self, server: ZabServer) -> None:
        server.begin_turn()
        self._cxid[server.sid] += 1
        self._syncs[server.sid].append(server.checkers.ensemble.agreed.depth)
        server.replica.ask_sync(self._session[server.sid], self._cxid[server.sid])
        server.settle()

    def _was_synced(self, server: ZabServer) -> None:
        wanted = self._syncs[server.sid].popleft()
        if server.state.depth < wanted:
            raise Violation(
                f"Sync: {server} is told that it is in step at {server.state}, "
                f"{wanted - server.state.depth} transactions more were committed when it asked"
            )
        self.synced += 1
