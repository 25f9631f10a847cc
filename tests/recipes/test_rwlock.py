from __future__ import annotations

import asyncio

from tests.client.live import run
from tests.recipes.test_lock import poll_line
from zoo.client.async_client import connect
from zoo.recipes.places import Contender
from zoo.recipes.rwlock import RWLock, last_writer_ahead


def test_whom_a_reader_waits_for() -> None:
    line = [Contender(n, kind, kind) for n, kind in enumerate(("READ", "WRIT", "READ", "READ"))]
    assert [last_writer_ahead(line, n) for n in range(4)] == [None, None, line[1], line[1]]


def test_readers_share_and_a_writer_is_alone(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            one, two, three = (RWLock(zk, "/rw") for _ in range(3))
            await one.read.acquire()
            await two.read.acquire(timeout=5)
            writing = asyncio.ensure_future(three.write.acquire())
            await poll_line(zk, "/rw", 3)
            late = asyncio.ensure_future(RWLock(zk, "/rw").read.acquire())
            await poll_line(zk, "/rw", 4)
            await one.read.release()
            assert not writing.done()
            await two.read.release()
            assert (await writing).is_held
            assert not late.done()
            await three.write.release()
            assert (await late).is_held
            assert repr(one) == "<RWLock /rw read False write False>"

    run(main())
