from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll_until, run
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import OperationTimeoutError, SessionExpiredError
from zoo.recipes.lock import Lock, MultiLock, NotHeldError
from zoo.testing import drop_connection, expire_session


async def poll_line(zk: AsyncClient[Any], path: str, length: int) -> None:
    async def is_long_enough() -> bool:
        return await zk.exists(path) is not None and len(await zk.children(path)) == length

    await poll_until(is_long_enough, f"{length} in line")


def test_one_at_a_time_in_order_with_growing_tokens(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await zk.create("/counter", b"0")
            tokens: list[int] = []

            async def add(client: AsyncClient[bytes]) -> None:
                async with Lock(client, "/locks/a") as place:
                    tokens.append(place.token)
                    node = await client.get("/counter")
                    async with place.guarded() as t:
                        t.set("/counter", b"%d" % (int(node.data) + 1))

            await asyncio.gather(*(add(client) for client in (zk, other) * 10))
            assert (await zk.get("/counter")).data == b"20"
            assert tokens == sorted(set(tokens))
            assert await zk.children("/locks/a") == []

    run(main())


def test_a_release_wakes_one(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            first = Lock(zk, "/l", name="first")
            await first.acquire()
            others = [Lock(zk, "/l", name=f"n{n}") for n in range(5)]
            waiting = []
            for n, lock in enumerate(others, 2):
                waiting.append(asyncio.ensure_future(lock.acquire()))
                await poll_line(zk, "/l", n)
            await zk.sync()
            assert await first.contenders() == ["first", "n0", "n1", "n2", "n3", "n4"]
            await first.release()
            await waiting[0]
            assert [task.done() for task in waiting] == [True, False, False, False, False]
            for task in waiting:
                task.cancel()

    run(main())


def test_acquiring_across_a_broken_connection(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine, theirs = Lock(zk, "/l"), Lock(other, "/l")
            await theirs.acquire()
            waiting = asyncio.ensure_future(mine.acquire())
            await poll_line(other, "/l", 2)
            drop_connection(zk)
            await theirs.release()
            assert (await waiting).is_held
            await mine.release()
            for _ in range(5):
                waiting = asyncio.ensure_future(mine.acquire())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                drop_connection(zk)
                await waiting
                await poll_line(other, "/l", 1)
                await mine.release()

    run(main())


def test_a_lost_session_ends_holding_and_waiting(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            holder, waiter = Lock(zk, "/l"), Lock(other, "/l")
            await holder.acquire()
            waiting = asyncio.ensure_future(waiter.acquire())
            await poll_line(zk, "/l", 2)
            await expire_session(other)
            with pytest.raises(SessionExpiredError):
                await waiting
            await expire_session(zk)
            await holder.lost.wait()
            assert not holder.is_held
            await holder.release()
            with pytest.raises(NotHeldError):
                await holder.release()
            async with waiter:
                assert waiter.is_held

    run(main())


def test_reentrance_and_sharing_one_object(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            lock = Lock(zk, "/l", reentrant=True)
            async with lock as one, lock as two:
                assert one is two
                assert lock.token == one.token
            assert not lock.is_held
            with pytest.raises(NotHeldError):
                lock.guarded()
            plain = Lock(zk, "/l")
            async with plain:
                with pytest.raises(OperationTimeoutError, match="another task"):
                    await plain.acquire(timeout=0.01)
                with pytest.raises(OperationTimeoutError, match="others held"):
                    await lock.acquire(timeout=0.05)
            assert "not held" in repr(plain)

    run(main())


def test_several_locks_are_all_or_none(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            both = MultiLock(zk, ["/b", "/a"])
            async with both as places:
                assert [place.path[:2] for place in places] == ["/a", "/b"]
                assert both.is_held
                async with both.guarded() as t:
                    t.create("/x")
            async with Lock(zk, "/b"):
                with pytest.raises(OperationTimeoutError):
                    await both.acquire(timeout=0.05)
                await poll_line(zk, "/a", 0)
            assert not both.is_held

    run(main())


def test_giving_up_leaves_no_watch_and_no_znode(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other, Lock(zk, "/l"):
            for _ in range(3):
                with pytest.raises(OperationTimeoutError, match="others held"):
                    await Lock(other, "/l").acquire(timeout=0.05)
            await poll_line(zk, "/l", 1)
            assert len(other._session.core.watches) == 0

    run(main())


def test_what_was_lost_is_not_acquired_once_more(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            lock = Lock(zk, "/l", reentrant=True)
            await lock.acquire()
            await expire_session(zk)
            await lock.lost.wait()
            with pytest.raises(NotHeldError, match="acquire it anew"):
                await lock.acquire()
            await lock.release()
            async with lock:
                assert lock.is_held

    run(main())


def test_a_release_that_is_cancelled_goes_on(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            lock = Lock(zk, "/l")
            await lock.acquire()
            zk.set_hosts("127.0.0.1:1")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await lock.release()
            zk.set_hosts(hosts.partition("/")[0])
            await poll_line(other, "/l", 0)
            async with lock:
                assert lock.is_held

    run(main())


def test_several_locks_hold_their_deadline_while_no_server_answers(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other, Lock(other, "/b"):
            both = MultiLock(zk, ["/a", "/b"])
            waiting = asyncio.ensure_future(both.acquire(timeout=0.5))
            await poll_line(other, "/b", 2)
            zk.set_hosts("127.0.0.1:1")
            async with asyncio.timeout(5):
                with pytest.raises(OperationTimeoutError):
                    await waiting
            zk.set_hosts(hosts.partition("/")[0])
            await poll_line(other, "/a", 0)
            await poll_line(other, "/b", 1)

    run(main())
