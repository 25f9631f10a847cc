from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError, SessionExpiredError
from zoo.recipes.waiting import (
    Deadline,
    Wake,
    across_sessions,
    ended,
    in_background,
    in_time,
)


def test_a_watch_wakes_and_tells_what_happened(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            wake = Wake()
            await zk.exists("/a", watch=wake)
            assert not await wake.within(None, Deadline(0.02)), "the deadline passed"
            assert await wake.within(0.02, Deadline(None)), "only the pause is over"
            assert await wake.within(0.02, Deadline(60)), "the deadline has not come"
            await zk.create("/a")
            assert await wake.within(None, Deadline(5))
            assert wake.event is not None
            assert wake.event.path == "/a"
            wake.clear()
            assert wake.event is None

    run(main())


def test_the_end_of_tasks_is_waited_for_through_cancellations() -> None:
    async def main() -> None:
        may_end = asyncio.Event()

        async def slow() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await may_end.wait()

        task = asyncio.create_task(slow())
        await asyncio.sleep(0)
        waiting = asyncio.create_task(ended(task))
        for _ in range(3):
            await asyncio.sleep(0)
            waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        may_end.set()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert task.done()

    run(main())


def test_a_forgotten_watch_is_not_kept(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            for _ in range(3):
                wake = Wake()
                await zk.children("/", watch=wake)
                zk._forget("/", wake)
            assert len(zk._session.core.watches) == 0
            await zk.create("/a")
            await zk.sync()
            assert not wake.is_set()

    run(main())


def test_a_deadline_is_shared() -> None:
    async def main() -> None:
        deadline = Deadline(0.01)
        with pytest.raises(OperationTimeoutError, match=r"too slow for 0\.\d+ s") as caught:
            async with in_time(deadline.left, "too slow for {:g} s", "waiting", "/a"):
                await asyncio.Event().wait()
        assert (caught.value.operation, caught.value.path) == ("waiting", "/a")
        assert deadline.left is not None
        assert deadline.left <= 0
        assert Deadline(None).left is None
        async with in_time(None, "never", "waiting", "/a"):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError, match="its own"):
            async with in_time(60, "never", "waiting", "/a"):
                raise TimeoutError("its own")

    run(main())


def test_across_sessions_and_in_the_background(hosts: str) -> None:
    attempts: list[str] = []

    async def work() -> str:
        attempts.append("again")
        if len(attempts) < 3:
            raise SessionExpiredError
        return "done"

    async def record() -> None:
        attempts.append(await across_sessions(work))

    async def main() -> None:
        async with connect(hosts) as zk:
            await in_background(zk, record())
            await asyncio.sleep(0)
            assert not zk._session.tasks

    run(main())
    assert attempts == ["again", "again", "again", "done"]
