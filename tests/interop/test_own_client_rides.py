"""Our clients, asyncio and blocking, work on three servers of either kind whose leader is killed.

What the client promises is held against what the service has in the end: an acknowledged write is
there, a refused one is not, one of unknown outcome may be; a protected create happens once; reads
do not go back; a stream of events has all of them or tells of a gap; no session is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.client.live import poll, poll_until
from tests.interop import harness
from tests.interop.ensemble import Ensemble
from zoo.client.async_client import AsyncClient, connect
from zoo.client.blocking import Client
from zoo.client.errors import (
    BadVersionError,
    ConnectionLossError,
    NoNodeError,
    OperationTimeoutError,
)
from zoo.client.states import State
from zoo.client.streams import WatchStream
from zoo.client.watches import Event
from zoo.jute.constants import EventType
from zoo.recipes import TreeCache

pytestmark = [pytest.mark.interop]

SESSION_SECONDS = 30.0
DEADLINE = 300.0
LOST = (ConnectionLossError, OperationTimeoutError)
Zk = AsyncClient[bytes]


class Ride:
    """Work of several kinds at once, until `over`."""

    def __init__(self, hosts: str) -> None:
        self.hosts = hosts
        self.over = threading.Event()
        self.states: list[State] = []

    def client(self) -> Zk:
        zk = connect(self.hosts, session_timeout=SESSION_SECONDS)
        zk.add_listener(self.states.append)
        return zk

    async def set_conditionally(self, zk: Zk) -> None:
        """Nobody else writes it: a refusal must come of a write of ours whose answer was lost."""
        value, unknown = 0, False
        while not self.over.is_set():
            try:
                stat = await zk.set("/version", b"%d" % (value + 1), version=value)
                value, unknown = stat.version, False
            except LOST:
                unknown = True
            except BadVersionError:
                assert unknown, "refused, though nothing was lost"
                node = await zk.get("/version")
                assert node.version == value + 1
                assert node.data == b"%d" % node.version
                value, unknown = node.version, False

    async def create_protected(self, zk: Zk) -> None:
        """Each exactly once, also when its answer was lost."""
        count = 0
        while not self.over.is_set():
            await zk.create("/once/n-", ephemeral=True, sequence=True, protected=True)
            count += 1
        await zk.sync()
        assert len(await zk.children("/once")) == count

    async def transact(self, zk: Zk) -> None:
        """Both or none."""
        number = 0
        while not self.over.is_set():
            number += 1
            try:
                async with zk.transaction() as t:
                    t.set("/left", b"%d" % number)
                    t.set("/right", b"%d" % number)
            except LOST:
                continue
            left, right = await zk.get("/left"), await zk.get("/right")
            assert left.data == right.data == b"%d" % number

    async def follow(self, zk: Zk, writer: Zk) -> None:
        """A cache and a stream of events beside a writer."""
        created: list[int] = []
        async with (
            await zk.watch("/tree", recursive=True) as stream,
            TreeCache(zk, "/tree") as tree,
        ):
            collecting = asyncio.ensure_future(collect(stream))
            for number in itertools.count():
                with contextlib.suppress(*LOST, NoNodeError):
                    created.append((await writer.create(f"/tree/{number}")).stat.czxid)
                    await writer.delete(f"/tree/{number - 50}")
                if self.over.is_set():
                    break
            await writer.sync()
            names = await writer.children("/tree")

            async def is_equal() -> bool:
                return tree.snapshot().keys() == {"/tree", *(f"/tree/{name}" for name in names)}

            await poll_until(is_equal, "the cache is equal to the server", 60.0)
            await zk.sync()  # behind all events
            await poll(lambda: not stream.waiting, "all of them are read", 60.0)
        events = await collecting
        told = {each.zxid for each in events if each.type is EventType.NODE_CREATED}
        missed = [zxid for zxid in created if zxid not in told]
        assert all(any(low < zxid < high for low, high in gaps(events)) for zxid in missed)

    def count_in_a_thread(self) -> tuple[int, int]:
        """The blocking client: how many increments were acknowledged, and how many may be there."""
        done = unknown = 0
        with Client(self.hosts, session_timeout=SESSION_SECONDS) as client:
            client.add_listener(self.states.append)
            while not self.over.is_set():
                node = client.get("/count")
                assert done <= int(node.data) <= done + unknown
                try:
                    client.set("/count", b"%d" % (int(node.data) + 1), version=node.version)
                    done += 1
                except LOST:
                    unknown += 1
            assert done <= int(client.get("/count").data) <= done + unknown
        return done, unknown

    async def run(self, faults: Callable[[], None]) -> None:
        clients = [self.client() for _ in range(4)]
        for zk in clients:
            await zk.start()
        for path in ("/version", "/once", "/left", "/right", "/tree", "/count"):
            await clients[0].create(path, b"0")
        sessions = [zk.session_id for zk in clients]
        work: list[Awaitable[object]] = [
            self.set_conditionally(clients[0]),
            self.create_protected(clients[1]),
            self.transact(clients[2]),
            self.follow(clients[3], clients[0]),
            asyncio.to_thread(self.count_in_a_thread),
        ]
        tasks = [asyncio.ensure_future(each) for each in work]
        killing = asyncio.ensure_future(asyncio.to_thread(faults))
        await asyncio.wait((*tasks, killing), return_when=asyncio.FIRST_COMPLETED)
        self.over.set()
        await asyncio.gather(*tasks, killing)
        assert [zk.session_id for zk in clients] == sessions, "no session was lost"
        for zk in clients:
            await zk.close()


async def collect(stream: WatchStream) -> list[Event]:
    return [event async for event in stream]


def gaps(events: list[Event]) -> list[tuple[int, float]]:
    """Between which zxids the stream says that it may lack some."""
    found: list[tuple[int, float]] = []
    last, is_open = 0, False
    for event in events:
        if event.is_gap:
            is_open = True
        else:
            found += [(last, event.zxid)] if is_open else []
            last, is_open = event.zxid, False
    return [*found, (last, float("inf"))] if is_open else found


def ride(ensemble: Ensemble, kills: int) -> list[State]:
    """What the clients went through."""
    riding = Ride(ensemble.addresses())

    def kill_leaders() -> None:
        for _ in range(kills):
            leader = ensemble.leader()
            ensemble[leader].kill()
            ensemble.leader()
            ensemble.start(leader)

    async def main() -> None:
        async with asyncio.timeout(DEADLINE):
            await riding.run(kill_leaders)

    asyncio.run(main())
    return riding.states


@pytest.mark.parametrize("kind", harness.KINDS)
@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_the_leader_is_killed_meanwhile(kind: str, kills: int, tmp_path: Path) -> None:
    if reason := harness.missing(kind):
        pytest.skip(reason)
    with Ensemble.running(tmp_path, [kind] * 3) as ensemble:
        states = ride(ensemble, kills)
    assert State.SUSPENDED in states, "they noticed something"
    assert State.LOST not in states
