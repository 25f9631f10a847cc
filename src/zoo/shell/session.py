"""What a running command works with: the connection, the output, and whom to ask for lines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from zoo.client.async_client import AsyncClient
from zoo.client.session import Options
from zoo.client.streams import WatchStream
from zoo.client.watches import Event
from zoo.jute.constants import DEFAULT_MAX_BUFFER
from zoo.shell.access import Access
from zoo.shell.output import Output
from zoo.shell.problems import Problem
from zoo.shell.values import RAW, event_json, event_line


@dataclass(frozen=True)
class Link(Access):
    """How to connect. Times in seconds."""

    timeout: float = 10.0
    """Of connecting and of each operation."""
    session_timeout: float = 30.0
    read_only: bool = False
    max_request_bytes: int = DEFAULT_MAX_BUFFER


class GivenUp(Exception):
    """Ctrl-C in place of a line."""


Reader = Callable[[str], Awaitable[str | None]]
"""Asks for a line, with a prompt; None at the end of input. Raises GivenUp."""


@dataclass
class Shell:
    """One session, or none at present, and what commands share."""

    link: Link
    out: Output
    is_interactive: bool = False
    read_line: Reader | None = None
    print_watches: bool = True
    is_over: bool = False
    lines: list[str] = field(default_factory=list)
    """Of this run, numbered from 0: what `redo` counts in."""
    client: AsyncClient[bytes] | None = None
    running: asyncio.Task[None] | None = None
    """The command."""
    _auths: list[tuple[str, bytes]] = field(default_factory=list)
    _streams: list[tuple[WatchStream, asyncio.Task[None]]] = field(default_factory=list)
    _awaited: int = 0
    _watch_fired: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._auths += self.link.credentials()

    @property
    def zk(self) -> AsyncClient[bytes]:
        """Raises Problem when there is no connection."""
        if self.client is None:
            raise Problem("not connected; `connect host:port` connects")
        return self.client

    def interrupt(self) -> None:
        """End the command that runs, if one does."""
        if self.running is not None:
            self.running.cancel()

    # --- the connection

    async def connect(self, hosts: str | None = None) -> None:
        """To these servers, or to those before, in place of the connection there is."""
        await self.close()
        link = self.link
        options = Options(
            session_timeout=link.session_timeout,
            operation_timeout=link.timeout,
            read_only=link.read_only,
            ssl=link.ssl(),
            max_request_bytes=link.max_request_bytes,
        )
        client = AsyncClient.at(hosts or link.hosts, RAW, options)
        await client.start(timeout=link.timeout)
        try:
            for scheme, credentials in self._auths:
                await client.add_auth(scheme, credentials)
        except BaseException:
            await client.close(timeout=1.0)
            raise
        self.client = client
        if hosts:
            self.link = Link(**{**vars(link), "hosts": hosts})

    async def close(self) -> None:
        """End the session; its ephemerals and watches go."""
        client, self.client = self.client, None
        streams, self._streams = self._streams, []
        for _, task in streams:
            task.cancel()
        await asyncio.gather(*(task for _, task in streams), return_exceptions=True)
        if client is not None:
            await client.close(timeout=min(5.0, self.link.timeout))

    @property
    def has_identity(self) -> bool:
        """Does the session prove one?"""
        return bool(self._auths)

    async def add_auth(self, scheme: str, credentials: bytes) -> None:
        """Now, and with every later connection."""
        await self.zk.add_auth(scheme, credentials)
        self._auths.append((scheme, credentials))

    # --- watches

    @contextlib.contextmanager
    def watcher(self, wanted: bool) -> Iterator[Callable[[Event], None] | None]:
        """For the `watch=` of a read, or of several: prints the events when they come. The first
        is waited for, if the reads succeed.
        """
        if not wanted:
            yield None
            return
        is_awaited = True

        def heard() -> None:
            nonlocal is_awaited
            self._awaited -= is_awaited
            is_awaited = False
            self._watch_fired.set()

        def on_event(event: Event) -> None:
            heard()
            self.print_event(event)

        self._awaited += 1
        try:
            yield on_event
        except BaseException:
            heard()
            raise

    def print_event(self, event: Event) -> None:
        if self.print_watches and (self.client is not None or not event.is_gap):
            told = event_line(event)
            self.out.show(event_json(event), self.out.paint(f"WATCHER:: {told}", fg="yellow"))

    async def wait_for_watches(self) -> None:
        """Until each command that watches has had an event."""
        while self._awaited > 0:
            self._watch_fired.clear()
            await self._watch_fired.wait()

    async def follow_in_background(self, path: str, recursive: bool) -> None:
        """A persistent watch whose events are printed between other commands."""
        stream = await self.zk.watch(path, recursive=recursive)

        async def tell() -> None:
            async for event in stream:
                self.print_event(event)

        task = asyncio.get_running_loop().create_task(tell())
        self._streams = [(s, t) for s, t in self._streams if not t.done()]
        self._streams.append((stream, task))
