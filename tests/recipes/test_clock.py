from __future__ import annotations

import asyncio
import time

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.recipes.clock import ServiceClock


def test_it_is_the_servers_clock_and_never_ahead(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            clocks = [ServiceClock(zk, "/a/clock") for _ in range(3)]
            before = time.time()  # the server is on this machine
            readings = await asyncio.gather(*(clock.now() for clock in clocks))
            assert all(before - 0.001 <= each <= time.time() for each in readings)
            version = (await zk.get("/a/clock")).version
            assert readings[0] <= await clocks[0].now() <= time.time()
            assert (await zk.get("/a/clock")).version == version, "one write is enough for a while"
            await clocks[0].measure()
            assert (await zk.get("/a/clock")).version == version + 1

    run(main())
