"""What the tests of two-phase commit share: durable stores in memory, and processes that crash.

A crash is simulated at every request to the servers and at every durable step of a store: the step
is done, its result never arrives, and neither does anything else in that process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zoo.client.async_client import AsyncClient, connect
from zoo.recipes.participant import Participant, Refused

PATH = "/2pc"


class Crash(BaseException):
    """This process is dead."""


class Fuse:
    """Blows after so many steps; every step after that finds the process dead."""

    def __init__(self, steps: int | None = None) -> None:
        self.left = steps
        self.blown = asyncio.Event()

    def step(self) -> None:
        """After something was done that outlives the process."""
        self.check()
        if self.left is not None:
            self.left -= 1
        self.check()

    def check(self) -> None:
        if self.left is not None and self.left <= 0:
            self.blown.set()
            raise Crash

    def wire(self, zk: AsyncClient[Any]) -> None:
        request = zk._session.request

        async def counted(*args: Any, **named: Any) -> Any:
            self.check()
            try:
                return await request(*args, **named)
            finally:
                self.step()

        zk._session.request = counted  # type: ignore[method-assign]


class Disk:
    """What a store's process has written: it survives the process."""

    def __init__(self, refuses: bool = False) -> None:
        self.prepared: dict[str, bytes] = {}
        self.done: list[tuple[str, bytes]] = []
        self.refuses = refuses

    def outcome(self, txid: str) -> bool:
        return any(each == txid for each, _ in self.done)


class Store:
    """A resource whose every write is a step."""

    def __init__(self, disk: Disk, fuse: Fuse) -> None:
        self.disk, self.fuse = disk, fuse

    async def prepare(self, txid: str, part: bytes) -> None:
        self.fuse.check()
        if self.disk.refuses:
            raise Refused("not today")
        self.disk.prepared[txid] = part
        self.fuse.step()

    async def commit(self, txid: str) -> None:
        self.fuse.check()
        if txid in self.disk.prepared:
            self.disk.done.append((txid, self.disk.prepared.pop(txid)))
        self.fuse.step()

    async def rollback(self, txid: str) -> None:
        self.fuse.check()
        self.disk.prepared.pop(txid, None)
        self.fuse.step()


class Process:
    """A participant with a client of its own, until it crashes or is stopped."""

    def __init__(self, hosts: str, name: str, disk: Disk, steps: int | None = None) -> None:
        self.zk = connect(hosts)
        self.fuse = Fuse(steps)
        self.participant = Participant(self.zk, PATH, name, Store(disk, self.fuse))

    async def __aenter__(self) -> Process:
        await self.zk.start()
        self.fuse.wire(self.zk)
        await self.participant.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.participant.stop()
        await self.zk.close()
