"""Connections of simulated processes to simulated servers, as asyncio's transports.

Theory of operation. A transport is the client's end of a `Link`. Dialing a machine that has no
power, or that no packet reaches, waits as a lost SYN does; a machine without a server on it refuses
at once. When its process dies the link breaks; when its machine loses its power nobody is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from zoo.sim.client_loop import ProcessLoop
from zoo.sim.client_port import ServerLink
from zoo.sim.cluster_server import ClusterServer
from zoo.sim.network import Link
from zoo.sim.reach import Reach

_SYN_AGAIN = 1.0


class SimTransport(asyncio.Transport):
    """The client's end of a link, and what the link tells it."""

    def __init__(self, loop: ProcessLoop, protocol: asyncio.BaseProtocol, peer: str) -> None:
        super().__init__({"peername": peer})
        self._loop = loop
        self._protocol = protocol
        self._is_over = False
        self._is_aborted = False
        self.link: Link

    # --- what the link tells

    def received(self, data: bytes) -> None:
        self._loop.call_soon(self._hand_over, data)

    def _hand_over(self, data: bytes) -> None:
        is_open = not (self._is_over or self._is_aborted)  # asyncio is silent after an abort
        if is_open and isinstance(self._protocol, asyncio.Protocol):
            self._protocol.data_received(data)

    def broken(self) -> None:
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._protocol.connection_lost(None)

    # --- what the protocol asks

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_over and not self.link.is_broken and not self._loop.is_dead:
            self.link.to_server.send(bytes(data))

    def close(self) -> None:
        """What was written still arrives."""
        self.link.give_up()

    def abort(self) -> None:
        self.link.give_up()
        self._is_aborted = True
        self._loop.call_soon(self._end)

    def is_closing(self) -> bool:
        return self._is_over or self.link.is_broken

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol


class Port:
    """The network as one process sees it. `host` is the name of its machine."""

    def __init__(
        self,
        host: str,
        rng: Random,
        reach: Reach,
        servers: Callable[[str], ClusterServer | None],
    ) -> None:
        self.host = host
        self.links: list[Link] = []
        self._rng = rng
        self._reach = reach
        self._servers = servers
        reach.on_change(self._opened)

    def _opened(self) -> None:
        self.links = [link for link in self.links if not link.is_over]
        for link in self.links:
            link.unstick()

    async def connect(
        self, loop: ProcessLoop, protocol: asyncio.BaseProtocol, host: str, port: int
    ) -> asyncio.Transport:
        server = self._servers(host)
        if server is None:
            raise OSError(f"no route to {host}")
        await self._round_trip(server)
        while not (server.has_power and self._is_open(server)):
            await asyncio.sleep(_SYN_AGAIN)
        if not server.is_up:
            raise ConnectionRefusedError(f"{host}:{port} refuses the connection")
        transport = SimTransport(loop, protocol, f"{host}:{port}")
        transport.link = self._link(server, transport, loop)
        protocol.connection_made(transport)
        return transport

    async def _round_trip(self, server: ClusterServer) -> None:
        there = self._reach.delay(self.host, server.sid)
        await asyncio.sleep((there + self._reach.delay(server.sid, self.host)) / 1e6)

    def _is_open(self, server: ClusterServer) -> bool:
        reach, sid = self._reach, server.sid
        return reach.is_open(self.host, sid) and reach.is_open(sid, self.host)

    def _link(self, server: ClusterServer, end: SimTransport, loop: ProcessLoop) -> Link:
        reach, host, sid = self._reach, self.host, server.sid
        theirs = ServerLink(server)
        rng = Random(self._rng.getrandbits(64))
        link = Link(loop.schedule, rng, end, theirs, reach.latency)
        link.to_server.is_open = lambda: reach.is_open(host, sid)
        link.to_client.is_open = lambda: reach.is_open(sid, host)
        server.accept(theirs, link, f"{host}:{loop.schedule.now}")
        self.links.append(link)
        return link

    def break_links(self) -> None:
        """The process is gone; its kernel tells the servers."""
        for link in self.links:
            link.give_up()
        self.links.clear()

    def lose_power(self) -> None:
        """The machine is gone: what is under way arrives, and that is all."""
        for link in self.links:
            link.to_client.cut()
        self.links.clear()
