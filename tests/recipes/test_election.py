from __future__ import annotations

import asyncio

import pytest

from tests.client.live import poll, run
from zoo.client.async_client import connect
from zoo.client.errors import ClientClosedError
from zoo.recipes.election import Election, LeaderLatch
from zoo.recipes.lock import NotHeldError
from zoo.recipes.places import Place
from zoo.testing import expire_session


def test_the_next_leads_when_the_leader_resigns(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            one, two = Election(zk, "/e", name="one"), Election(other, "/e", name="two")
            assert await one.leader() is None
            first = await one.lead()
            waiting = asyncio.ensure_future(two.lead())
            while await one.candidates() != ["one", "two"]:
                await zk.sync()
            assert await two.leader() == "one"
            await one.resign()
            second = await waiting
            assert second.token > first.token
            assert (one.is_leader, two.is_leader) == (False, True)

    run(main())


def test_a_running_leader_is_cancelled_with_its_session_and_leads_again(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            terms: list[Place] = []

            async def work(leadership: Place) -> str:
                terms.append(leadership)
                if len(terms) == 1:
                    await expire_session(zk)
                    await asyncio.Event().wait()
                return "done"

            assert await Election(zk, "/e").run(work) == "done"
            assert len(terms) == 2
            assert terms[1].token > terms[0].token
            assert await zk.children("/e") == []

    run(main())


def test_latches(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            async with LeaderLatch(zk, "/e") as one:
                await one.wait_until_leader(5)
                async with LeaderLatch(other, "/e") as two:
                    assert (one.is_leader, two.is_leader) == (True, False)
                    assert two.leadership is None
                    await expire_session(zk)
                    leadership = await two.wait_until_leader(5)
                    assert leadership.is_held
                    await poll(lambda: not one.is_leader, "the first leads no more")
                    assert "waiting" in repr(one)
                await one.wait_until_leader(5)
            assert await zk.children("/e") == []

    run(main())


def test_a_latch_outlives_an_outage_and_tells_what_ends_it(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts, operation_timeout=0.1) as zk:
            latch = LeaderLatch(zk, "/e")
            with pytest.raises(NotHeldError, match="not started"):
                await latch.wait_until_leader()
            zk.set_hosts("127.0.0.1:1")
            await latch.start()
            with pytest.raises(TimeoutError):
                await latch.wait_until_leader(timeout=0.5)
            zk.set_hosts(hosts.partition("/")[0])
            assert (await latch.wait_until_leader(10)).is_held
            await latch.stop()
        closed = LeaderLatch(zk, "/e")
        await closed.start()
        with pytest.raises(ClientClosedError):
            await closed.wait_until_leader(5)
        await closed.stop()

    run(main())


def test_cancelled_twice_it_resigns_and_only_after_its_work(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            began, may_end = asyncio.Event(), asyncio.Event()
            is_over = False

            async def work(_: Place) -> None:
                nonlocal is_over
                try:
                    began.set()
                    await asyncio.Event().wait()
                finally:
                    await may_end.wait()
                    is_over = True

            leading = asyncio.create_task(Election(zk, "/e", name="one").run(work))
            await began.wait()
            for _ in range(3):
                leading.cancel()
                await zk.sync()
            next_one = asyncio.create_task(Election(zk, "/e", name="two").lead())
            await zk.sync()
            assert not next_one.done()
            may_end.set()
            assert (await next_one).is_held
            assert is_over
            await asyncio.gather(leading, return_exceptions=True)
            assert leading.cancelled()
            assert len(await zk.children("/e")) == 1

    run(main())


def test_who_waits_for_a_latch_is_told_that_it_was_stopped(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, Election(zk, "/e"):
            latch = LeaderLatch(zk, "/e")
            await latch.start()
            waiting = asyncio.create_task(latch.wait_until_leader())
            await zk.sync()
            await latch.stop()
            with pytest.raises(NotHeldError, match="was stopped"):
                await waiting

    run(main())
