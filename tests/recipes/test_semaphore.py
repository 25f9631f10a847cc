from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from tests.recipes.test_lock import poll_line
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError
from zoo.recipes.lock import NotHeldError
from zoo.recipes.semaphore import Semaphore


def test_never_more_than_its_leases(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            inside = most = 0

            async def work() -> None:
                nonlocal inside, most
                async with Semaphore(zk, "/s", 3):
                    inside += 1
                    most = max(most, inside)
                    await zk.sync()
                    inside -= 1

            await asyncio.gather(*(work() for _ in range(10)))
            assert 1 <= most <= 3
            pool = Semaphore(zk, "/s", 3)
            assert len({place.token for place in [await pool.acquire() for _ in range(3)]}) == 3
            fourth = asyncio.ensure_future(Semaphore(zk, "/s", 3).acquire())
            await poll_line(zk, "/s/leases", 4)
            assert not fourth.done()
            await pool.release()
            assert (await fourth).is_held
            for _ in range(2):
                await pool.release()
            await fourth.result().leave()
            assert await Semaphore(zk, "/s", 3).holders() == 0

    run(main())


def test_deadlines(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            semaphore = Semaphore(zk, "/s", 1)
            assert await semaphore.holders() == 0
            place = await semaphore.acquire()
            assert place.is_held
            with pytest.raises(OperationTimeoutError, match="all 1 leases"):
                await Semaphore(zk, "/s", 1).acquire(timeout=0.2)
            await semaphore.release()
            async with Semaphore(zk, "/s", 1):
                assert "1" in repr(semaphore)
            with pytest.raises(NotHeldError, match="no lease"):
                await semaphore.release()

    run(main())
    with pytest.raises(ValueError, match="at least one"):
        Semaphore(None, "/s", 0)  # type: ignore[arg-type]
