"""A network that can be cut between clients and a server: a relay on a port of its own.

`with Partition(server.port) as net: zoo.Client(net.hosts)`, then `net.cut()` and `net.heal()`.
While it is cut nothing comes through either way and nobody is told: connections stay open, new ones
are accepted and silent, what was sent waits, as packets that are sent again and again do.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from zoo.testing.ports import ADDRESS

_PIECE = 64 * 1024
_SECONDS = 10.0


class Partition:
    """Relays to `port` of loopback."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._open: asyncio.Event
        self._writers: dict[asyncio.StreamWriter, None] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._thread = threading.Thread(target=self._main, name="zoo partition", daemon=True)

    @property
    def hosts(self) -> str:
        """The connect string."""
        return f"{ADDRESS}:{self.port}"

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def __enter__(self) -> Partition:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _listen(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._relay, ADDRESS, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def break_connections(self) -> None:
        """Both sides learn of it."""

        async def break_all() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._do(break_all())

    # --- connections

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        self._writers[writer] = None
        try:
            await self._open.wait()
            there, to_there = await asyncio.open_connection(ADDRESS, self._target)
            self._writers[to_there] = None
            try:
                await asyncio.gather(self._pump(reader, to_there), self._pump(there, writer))
            finally:
                self._drop(to_there)
        except (OSError, asyncio.CancelledError):
            return  # a side is gone, so is the other now; or all is: asyncio would log the latter
        finally:
            self._drop(writer)
            self._tasks.pop(task, None)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.pop(writer, None)
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        raise ConnectionResetError("one side has closed")
