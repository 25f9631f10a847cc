from __future__ import annotations

import asyncio

import pytest

from tests.client.live import poll, run
from tests.recipes.test_lock import poll_line
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError
from zoo.recipes.lock import NotHeldError
from zoo.recipes.places import Place
from zoo.recipes.semaphore import Semaphore
from zoo.testing import expire_session


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


def test_a_block_that_lost_its_lease_gives_back_nobody_elses(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            shared = Semaphore(zk, "/s", 1)
            places: list[Place] = []

            async def block(end: asyncio.Event) -> None:
                async with shared as place:
                    places.append(place)
                    await end.wait()

            ends = asyncio.Event(), asyncio.Event()
            first = asyncio.create_task(block(ends[0]))
            await poll(lambda: len(places) == 1, "the first is inside")
            await expire_session(zk)
            await places[0].lost.wait()
            second = asyncio.create_task(block(ends[1]))
            await poll(lambda: len(places) == 2, "the second is inside")
            ends[0].set()
            await first
            assert places[1].is_held
            assert await shared.holders() == 1
            ends[1].set()
            await second
            assert await shared.holders() == 0

    run(main())


def test_a_block_gives_back_the_lease_that_it_entered_with(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            shared = Semaphore(zk, "/s", 3)
            first = await shared.acquire()
            async with shared as second:
                assert second.is_held
            assert (first.is_held, second.is_held) == (True, False)
            third, inside, may_end = await shared.acquire(), asyncio.Event(), asyncio.Event()

            async def block() -> Place:
                async with shared as place:
                    inside.set()
                    await may_end.wait()
                    assert place.is_held, "another task's release is not for a block's lease"
                    return place

            other = asyncio.create_task(block())
            await inside.wait()
            await shared.release(third)
            assert (first.is_held, third.is_held) == (True, False)
            with pytest.raises(NotHeldError):
                await shared.release(third)
            await shared.release()
            with pytest.raises(NotHeldError):
                await shared.release()
            async with shared as place:
                await place.leave()
            async with shared:
                await shared.release()
                with pytest.raises(NotHeldError):
                    await shared.release()
            assert await shared.holders() == 1
            may_end.set()
            await other
            assert await shared.holders() == 0
            handed_on = await asyncio.create_task(shared.acquire())
            await shared.release()
            assert handed_on.is_left

    run(main())


def test_what_was_lost_or_left_one_by_one_is_not_remembered(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            shared = Semaphore(zk, "/s", 2)
            for _ in range(3):
                place = await asyncio.create_task(shared.acquire())
                await place.leave()
            lost = await shared.acquire()
            await expire_session(zk)
            await lost.lost.wait()
            await shared.acquire()
            assert len(shared._held) == 1
            await shared.release()

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
            with pytest.raises(NotHeldError, match="no such lease"):
                await semaphore.release()

    run(main())
    with pytest.raises(ValueError, match="at least one"):
        Semaphore(None, "/s", 0)  # type: ignore[arg-type]


def test_an_acquire_holds_its_deadline_while_no_server_answers(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            holder = await Semaphore(other, "/s", 1).acquire()
            waiting = asyncio.ensure_future(Semaphore(zk, "/s", 1).acquire(timeout=0.5))
            await poll_line(other, "/s/leases", 2)
            zk.set_hosts("127.0.0.1:1")
            async with asyncio.timeout(5):
                with pytest.raises(OperationTimeoutError):
                    await waiting
            zk.set_hosts(hosts.partition("/")[0])
            await holder.leave()
            await poll_line(other, "/s/leases", 0)
            await poll_line(other, "/s/locks", 0)

    run(main())


def test_whose_turn_is_deleted_blocks_nobody(hosts: str) -> None:
    """Two wait for a lease at once then: neither counts the other one's lease as taken."""

    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            place = await Semaphore(zk, "/s", 1).acquire()
            waiting = []
            for number in (1, 2):
                waiting.append(asyncio.ensure_future(Semaphore(zk, "/s", 1).acquire(10)))
                await poll_line(other, "/s/leases", 1 + number)
                (turn,) = await other.children("/s/locks")
                await other.delete(f"/s/locks/{turn}")
            await place.leave()
            tokens = []
            for each in waiting:
                lease = await each
                tokens.append(lease.token)
                await lease.leave()
            assert place.token < tokens[0] < tokens[1]

    run(main())
