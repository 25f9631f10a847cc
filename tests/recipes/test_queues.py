from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.client.live import poll_until, run
from tests.recipes.commits import lose_the_answer
from zoo.client.async_client import connect
from zoo.client.errors import (
    ConnectionLossError,
    OperationTimeoutError,
    Outcome,
    RequestTooLargeError,
)
from zoo.recipes.queues import PriorityQueue, Queue
from zoo.recipes.work_queue import WorkQueue
from zoo.testing import expire_session


def test_first_in_first_out(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            queue = Queue(zk, "/q")
            assert await queue.size() == 0
            for n in range(5):
                await queue.put(b"%d" % n)
            assert await queue.size() == 5
            assert [await queue.get() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
            with pytest.raises(OperationTimeoutError, match="no item came"):
                await queue.get(timeout=0.05)
            waiting = asyncio.ensure_future(queue.get())
            await queue.put(b"late")
            assert await waiting == b"late"

    run(main())


def test_a_put_whose_answer_is_lost_puts_once(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            queue, theirs = Queue(zk, "/q"), Queue(other, "/q")
            lose_the_answer(zk, monkeypatch, theirs.get)
            await queue.put(b"taken at once")
            assert await queue.size() == 0
            lose_the_answer(zk, monkeypatch, zk.sync)
            assert (await other.get(await queue.put(b"there"))).data == b"there"
            assert await theirs.get() == b"there"

            lose_the_answer(zk, monkeypatch, partial(expire_session, zk))
            assert (await other.get(await queue.put(b"found"))).data == b"found"

            async def taken_and_lost() -> None:
                await theirs.get()
                await expire_session(zk)

            await theirs.get()
            lose_the_answer(zk, monkeypatch, taken_and_lost)
            with pytest.raises(ConnectionLossError, match="the session was lost"):
                await queue.put(b"who knows")
            await queue.put(b"next")
            assert await theirs.get() == b"next"
            await expire_session(zk)
            await queue.put(b"in the next session")
            assert await theirs.get() == b"in the next session"

    run(main())


def test_each_item_goes_to_one_taker(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await asyncio.gather(*(Queue(zk, "/q").put(b"%d" % n) for n in range(20)))
            queues = [Queue(client, "/q") for client in (zk, other)]
            taken = await asyncio.gather(*(queues[n % 2].get() for n in range(20)))
            assert sorted(map(int, taken)) == list(range(20))

    run(main())


def test_priorities(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            queue = PriorityQueue(zk, "/q")
            for item, priority in ((b"c", 900), (b"a", 5), (b"b", 5)):
                await queue.put(item, priority)
            assert [await queue.get() for _ in range(3)] == [b"a", b"b", b"c"]
            with pytest.raises(ValueError, match=r"0\.\.999"):
                await queue.put(b"", 1000)

    run(main())


def test_a_client_has_one_producer_whatever_becomes_of_its_puts(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:

            async def is_one() -> bool:
                return len(await other.children("/q/producers")) == 1

            await asyncio.gather(*(Queue(zk, "/q").put(b"x") for _ in range(5)))
            assert await is_one()
            with pytest.raises(RequestTooLargeError):
                await Queue(zk, "/q").put(b"x" * 2_000_000)
            with pytest.raises(TypeError):
                await Queue(zk, "/q").put(5)  # type: ignore[arg-type]
            assert await is_one()
            for turns in range(6):
                putting = asyncio.ensure_future(Queue(zk, "/q").put(b"cancelled"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                putting.cancel()
                await asyncio.gather(putting, return_exceptions=True)
            await Queue(zk, "/q").put(b"last")
            await poll_until(is_one, "those of cancelled puts go")

    run(main())


@pytest.mark.parametrize("kind", [Queue, WorkQueue])
@pytest.mark.parametrize("stalled", ["children", "get"])
def test_the_deadline_covers_the_requests(
    hosts: str, monkeypatch: pytest.MonkeyPatch, kind: type[Any], stalled: str
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:

            async def stall(*_: object, **__: object) -> None:
                await asyncio.Event().wait()

            queue = kind(zk, "/q")
            take = queue.get if kind is Queue else queue.take
            with pytest.raises(OperationTimeoutError):
                await asyncio.wait_for(take(0), 5)
            await queue.put(b"x")
            with monkeypatch.context() as patch:
                patch.setattr(zk, stalled, stall)
                with pytest.raises(OperationTimeoutError, match="no item came"):
                    await take(timeout=0.1)
            taken = await take(0 if kind is Queue else 5)  # the claim may be on its way back
            assert b"x" in (taken, getattr(taken, "data", b""))

    run(main())


def test_an_item_whose_removal_is_not_answered_in_time_is_in_doubt(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            queue, given = Queue(zk, "/q"), list[float]()

            async def late(path: str, *, timeout: float, **_: object) -> None:
                given.append(timeout)
                raise OperationTimeoutError(path=path, outcome=Outcome.UNKNOWN)

            path = await queue.put(b"x")
            monkeypatch.setattr(zk, "delete", late)
            with pytest.raises(OperationTimeoutError) as doubt:
                await queue.get(timeout=5)
            assert (doubt.value.path, doubt.value.outcome) == (path, Outcome.UNKNOWN)
            assert 0 < given[0] <= 5

    run(main())
