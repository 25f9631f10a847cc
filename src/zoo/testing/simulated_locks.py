"""Studies of what has holders: Lock, RWLock, Semaphore, MultiLock, Election, LeaderLatch.

Checked: at most one holder (or reader, or `leases`) believes so at any moment; a fencing token has
one holder; guarded writes come in the order of the tokens; and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.recipes import Election, LeaderLatch, Lock, MultiLock, RWLock, Semaphore
from zoo.recipes.places import Place
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_study import (
    LEDGER,
    Holders,
    Operator,
    check_ledger,
    keep_trying,
    write_guarded,
)

PATH = "/held"
Turn = Callable[[Process, AsyncClient[bytes]], Awaitable[None]]


async def take_turns(process: Process, turn: Turn) -> None:
    """One turn after the other until the end, whatever happens to the connection."""
    async with process.connect(operation_timeout=process.rng.choice((1.0, 5.0, 30.0))) as zk:
        await keep_trying(process, zk, LEDGER)
        while not process.is_ending:
            try:
                await turn(process, zk)
            except (ClientError, TimeoutError):
                await asyncio.sleep(process.rng.uniform(0, 0.3))
        process.note("ended")


async def patiently(process: Process, acquire: Callable[..., Awaitable[Any]]) -> Any:
    """Acquire without a limit, with one, or cancelled from outside."""
    kind = process.rng.choice(("wait", "wait", "timeout", "cancel"))
    if kind == "wait":
        return await acquire()
    limit = process.rng.uniform(0.01, 3)
    if kind == "timeout":
        return await acquire(limit)
    async with asyncio.timeout(limit):
        return await acquire()


class HoldersStudy:
    """What all of them have in common."""

    NAME: ClassVar[str]
    GUARDED: ClassVar[bool] = True
    processes = 4
    leases = 1
    folders: tuple[str, ...] = (PATH,)
    """Where the operator strikes."""

    def __init__(self) -> None:
        self.operator = Operator(*self.folders)
        self.holders = Holders(self.leases, self.operator.struck)

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.processes + [self.operator.program]

    async def program(self, process: Process) -> None:
        await take_turns(process, self.turn)

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        raise NotImplementedError

    async def hold(
        self, process: Process, zk: AsyncClient[bytes], places: Sequence[Place], mode: str = ""
    ) -> None:
        """Believe in it for a while, and write."""
        for place in places:
            self.holders.enter(process, place, mode)
        process.note("holds", [place.token for place in places])
        try:
            await asyncio.sleep(process.rng.uniform(0, 0.5))
            if self.GUARDED and mode != "shared":
                await self.write(zk, places)
            if process.rng.random() < 0.1:
                await asyncio.sleep(process.rng.uniform(0, 8))
                if self.GUARDED and mode != "shared":
                    await self.write(zk, places)
        finally:
            for place in places:
                self.holders.leave(place)

    async def write(self, zk: AsyncClient[bytes], places: Sequence[Place]) -> None:
        await write_guarded(zk, places)

    def check(self, run: Run) -> None:
        check_ledger(run)


class LockStudy(HoldersStudy):
    NAME = "Lock"

    def make(self, zk: AsyncClient[bytes]) -> Lock:
        return Lock(zk, PATH)

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        lock = self.make(zk)
        place = await patiently(process, lock.acquire)
        try:
            await self.hold(process, zk, [place])
        finally:
            await lock.release()


class RWLockStudy(HoldersStudy):
    NAME = "RWLock"

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        both = RWLock(zk, PATH)
        shares = process.rng.random() < 0.6
        lock = both.read if shares else both.write
        place = await patiently(process, lock.acquire)
        try:
            await self.hold(process, zk, [place], "shared" if shares else "")
        finally:
            await lock.release()


class SemaphoreStudy(HoldersStudy):
    NAME = "Semaphore"
    GUARDED = False
    processes = 5
    leases = 2
    folders = (f"{PATH}/locks", f"{PATH}/leases")

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        """Two tasks of a process share one object, sometimes for several turns."""
        shared = Semaphore(zk, PATH, self.leases)
        tasks = [self.worker(process, shared) for _ in range(process.rng.randint(1, 2))]
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def hold(
        self, process: Process, zk: AsyncClient[bytes], places: Sequence[Place], mode: str = ""
    ) -> None:
        await super().hold(process, zk, places, mode)
        given = [place.path for place in places if place.is_left]
        assert not given, f"{process.name} holds {given}: somebody else has given it back"

    async def worker(self, process: Process, shared: Semaphore) -> None:
        for _ in range(process.rng.randint(1, 3)):
            if process.rng.random() < 0.5:
                async with shared as place:
                    await self.hold(process, shared._zk, [place])
                continue
            place = await patiently(process, shared.acquire)
            try:
                await self.hold(process, shared._zk, [place])
            finally:
                await shared.release()


class MultiLockStudy(HoldersStudy):
    NAME = "MultiLock"
    GUARDED = False  # holders of other locks have larger tokens
    folders = tuple(f"{PATH}/{name}" for name in "abc")

    def __init__(self) -> None:
        super().__init__()
        self.by_path: dict[str, Holders] = {}

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        paths = process.rng.sample(self.folders, 2)
        lock = MultiLock(zk, paths)
        places = await patiently(process, lock.acquire)
        try:
            for place in places:
                parent = place.path.rpartition("/")[0]
                holders = Holders(struck=self.operator.struck)
                self.by_path.setdefault(parent, holders).enter(process, place)
            await asyncio.sleep(process.rng.uniform(0, 1))
            await write_guarded(zk, places)
        finally:
            for place in places:
                self.by_path[place.path.rpartition("/")[0]].leave(place)
            await lock.release()

    def check(self, run: Run) -> None:
        """Its holders were compared as they came."""


class ElectionStudy(HoldersStudy):
    NAME = "Election"

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        election = Election(zk, PATH, name=process.name)

        async def lead(leadership: Place) -> None:
            await self.hold(process, zk, [leadership])

        if process.rng.random() < 0.5:
            await election.run(lead)
            return
        place = await patiently(process, election.lead)
        try:
            await lead(place)
        finally:
            await election.resign()


class LeaderLatchStudy(HoldersStudy):
    NAME = "LeaderLatch"

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        async with LeaderLatch(zk, PATH, name=process.name) as latch:
            leadership = await latch.wait_until_leader(process.rng.choice((1, 5, 20)))
            if latch.is_leader:
                await self.hold(process, zk, [leadership])
            await asyncio.sleep(process.rng.uniform(0, 0.5))


LOCKS = (LockStudy, RWLockStudy, SemaphoreStudy, MultiLockStudy, ElectionStudy, LeaderLatchStudy)
