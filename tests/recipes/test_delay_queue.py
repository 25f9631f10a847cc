from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError
from zoo.recipes.delay_queue import DelayQueue


def test_items_leave_when_they_are_due(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            queue, theirs = DelayQueue(zk, "/d"), DelayQueue(other, "/d")
            await queue.put(b"later", 60)
            with pytest.raises(OperationTimeoutError, match="no item came"):
                await theirs.get(timeout=0.05)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await queue.put(b"late", 0.4)
            await queue.put(b"soon", 0.2)
            assert await queue.size() == 3
            assert await theirs.get() == b"soon"
            assert loop.time() - began >= 0.2
            assert await theirs.get(timeout=10) == b"late"
            assert loop.time() - began >= 0.4
            waiting = asyncio.ensure_future(theirs.get())
            await queue.put(b"now")
            assert await waiting == b"now"
            assert await queue.size() == 1
            with pytest.raises(ValueError, match="passed already"):
                await queue.put(b"", -1)

    run(main())
