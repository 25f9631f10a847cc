from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError
from zoo.recipes.barrier import Barrier
from zoo.testing import drop_connection, expire_session


def test_all_wait_until_it_opens(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            barrier = Barrier(zk, "/gates/a")
            await barrier.wait()
            assert await barrier.create()
            assert not await Barrier(other, "/gates/a").create()
            with pytest.raises(OperationTimeoutError, match="stayed closed"):
                await barrier.wait(timeout=0.05)
            waiting = [asyncio.ensure_future(barrier.wait()) for _ in range(3)]
            await zk.sync()
            drop_connection(zk)
            await zk.wait_until_connected()
            await expire_session(zk)
            assert not any(task.done() for task in waiting)
            assert await Barrier(other, "/gates/a").remove()
            await asyncio.gather(*waiting)
            assert not await barrier.remove()

    run(main())
