"""A network between members that can be cut: every link runs through a relay on loopback.

Each member's zoo.cfg names a relay's port of its own for every other member, so each direction of
each pair can be cut or delayed alone. A cut loses nothing and says nothing, as a cable that is
pulled: bytes, ends of links and new links wait, and come through late once it is mended. Links can
be broken too, which both ends notice.

Members tell each other in the election's greeting where they listen: the relay puts its own
address there, or whoever is greeted would dial past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from zoo.testing.ports import ADDRESS, free_ports

_CHUNK = 65536
_GREETING = struct.Struct(">qqi")  # version (negative), sid, length of the addresses
T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way:
    """From one member to another: open or cut, and how long bytes take."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.delay_s = 0.0

    async def wait_to_arrive(self) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self.is_open.wait()


class Network:
    """The links between members 1 to `size`, with relays in a thread of their own until `close`."""

    def __init__(self, size: int) -> None:
        self.members = range(1, size + 1)
        self.pairs = [(a, b) for a in self.members for b in self.members if a != b]
        # The ports that members listen on, and those that the others find in their zoo.cfg.
        self.real = {sid: _two_ports() for sid in self.members}
        self.relayed = {pair: _two_ports() for pair in self.pairs}
        self._ways: dict[tuple[int, int], Way] = {}
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen())

    def ports(self, seen_by: int, sid: int) -> tuple[int, int]:
        """The quorum and the election port of `sid` for the zoo.cfg of `seen_by`."""
        return self.real[sid] if seen_by == sid else self.relayed[seen_by, sid]

    def cut(self, *pairs: tuple[int, int]) -> None:
        """Nothing gets from the first to the second of each pair any more."""

        async def cut() -> None:
            for pair in pairs:
                self._ways[pair].is_open.clear()

        self._do(cut())

    def part(self, *sids: int) -> None:
        """Cut these off from all others, both ways."""
        self.cut(*((a, b) for a, b in self.pairs if (a in sids) != (b in sids)))

    def reaches_most(self, sid: int) -> bool:
        """Are its ways to and from a majority open? It counts itself."""
        mutual = (
            self._ways[sid, other].is_open.is_set() and self._ways[other, sid].is_open.is_set()
            for other in self.members
            if other != sid
        )
        return 2 * (1 + sum(mutual)) > len(self.members)

    def delay(self, seconds: float, *pairs: tuple[int, int]) -> None:
        """What the first of each pair sends to the second takes so much longer."""

        async def delay() -> None:
            for pair in pairs:
                self._ways[pair].delay_s = seconds

        self._do(delay())

    def break_links(self) -> None:
        """End every link that there is; both ends hear of it."""

        async def end() -> None:
            for ends in self._links:
                for writer in ends:
                    writer.transport.abort()

        self._do(end())

    def mend(self) -> None:
        """No cut and no delay any more."""

        async def mend() -> None:
            for way in self._ways.values():
                way.delay_s = 0.0
                way.is_open.set()

        self._do(mend())

    def close(self) -> None:
        """End all links and relays."""
        self.break_links()

        async def cancel() -> None:
            for server in self._servers:
                server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._do(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._ways = {pair: Way() for pair in self.pairs}
        for pair in self.pairs:
            for kind in (0, 1):
                await self._open_port(*pair, kind)

    async def _open_port(self, dialler: int, sid: int, kind: int) -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                # Cancelled is it by `close` alone; asyncio would log that of a connection's task.
                over = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
                with contextlib.suppress(*over):
                    await self._carry(dialler, sid, kind, (reader, writer))
            finally:
                writer.transport.abort()
                self._tasks.discard(task)

        port = self.relayed[dialler, sid][kind]
        self._servers.append(await asyncio.start_server(accepted, ADDRESS, port))

    async def _carry(self, dialler: int, sid: int, kind: int, near: Streams) -> None:
        """One link that `dialler` has opened, until it ends."""
        there, back = self._ways[dialler, sid], self._ways[sid, dialler]
        await there.wait_to_arrive()
        await back.wait_to_arrive()
        far = await asyncio.open_connection(ADDRESS, self.real[sid][kind])
        ends = near[1], far[1]
        self._links.add(ends)
        try:
            if kind == 1:
                await self._greet(dialler, sid, near[0], far[1])
            await asyncio.gather(_pump(there, near[0], far[1]), _pump(back, far[0], near[1]))
        finally:
            self._links.discard(ends)
            far[1].transport.abort()

    async def _greet(
        self, dialler: int, sid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readexactly(_GREETING.size)
        version, number, length = _GREETING.unpack(head)
        assert version < 0, f"not a greeting: {head!r}"
        await reader.readexactly(length)
        mine = f"{ADDRESS}:{self.relayed[sid, dialler][1]}".encode()
        await self._ways[dialler, sid].wait_to_arrive()
        writer.write(_GREETING.pack(version, number, len(mine)) + mine)


def _two_ports() -> tuple[int, int]:
    quorum, election = free_ports(2)
    return quorum, election


async def _pump(way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await way.is_open.wait()
        data = await reader.read(_CHUNK)
        await way.wait_to_arrive()
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()
