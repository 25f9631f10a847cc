from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll_until, run
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import ConnectionLossError, NodeExistsError, OperationTimeoutError
from zoo.recipes.persistent_node import PersistentNode
from zoo.testing import drop_connection, expire_session


async def poll_data(zk: AsyncClient[bytes], path: str, data: bytes) -> None:
    async def is_there() -> bool:
        return await zk.exists(path) is not None and (await zk.get(path)).data == data

    await poll_until(is_there, f"{path} with {data!r}")


def test_it_comes_back(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            async with PersistentNode(zk, "/a/b", b"1") as node:
                assert node.is_there
                await other.delete("/a/b")
                await poll_data(other, "/a/b", b"1")
                await node.set_data(b"2")
                await poll_data(other, "/a/b", b"2")
                drop_connection(zk)
                await other.delete("/a/b")
                await poll_data(other, "/a/b", b"2")
                old = zk.session_id
                await expire_session(zk)

                async def is_new() -> bool:
                    stat = await other.exists("/a/b")
                    return stat is not None and stat.ephemeral_owner != old

                await poll_until(is_new, "created in the next session")
                await poll_data(other, "/a/b", b"2")
            assert not node.is_there
            assert await other.exists("/a/b") is None
            assert "not there" in repr(node)

    run(main())


def test_anothers_is_waited_for_and_left_alone(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other, connect(hosts) as reader:
            await other.create("/a", b"theirs", ephemeral=True)
            node = PersistentNode(zk, "/a", b"ours")
            with pytest.raises(NodeExistsError, match="another session"):
                await node.start(timeout=0.05)
            starting = asyncio.ensure_future(node.start())
            await zk.sync()
            await node.set_data(b"new")
            assert (await other.get("/a")).data == b"theirs"
            await expire_session(other)
            await starting
            await poll_data(reader, "/a", b"new")
            await node.stop()
            await node.stop()
            assert await reader.exists("/a") is None

    run(main())


def test_one_that_outlives_its_session(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            async with PersistentNode(zk, "/a", b"1", ephemeral=False) as node:
                await expire_session(zk)
                assert await other.exists("/a") is not None
                await other.delete("/a")
                await poll_data(other, "/a", b"1")
                assert (await other.get("/a")).stat.ephemeral_owner == 0
                await node.start()
            assert await other.exists("/a") is None

    run(main())


def test_stopped_or_cancelled_while_it_is_created_nothing_stays(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await other.create("/a", ephemeral=True)
            node = PersistentNode(zk, "/a", b"ours")
            starting = asyncio.ensure_future(node.start())
            await zk.sync()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            for moment in range(12):
                node = PersistentNode(zk, "/b", b"ours")
                starting = asyncio.ensure_future(node.start())
                for _ in range(moment):
                    await asyncio.sleep(0)
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                await node.stop()

                async def is_gone() -> bool:
                    return await zk.exists("/b") is None

                await poll_until(is_gone, f"cancelled after {moment} turns, gone")
            assert await zk.children("/") == ["a"]

    run(main())


def test_what_is_there_is_given_our_data(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/a", b"old")
            async with PersistentNode(zk, "/a", b"new", ephemeral=False) as node:
                assert (await zk.get("/a")).data == b"new"
                drop_connection(zk)
                await node.set_data(b"newer")
                assert (await zk.get("/a")).data == b"newer"
            await zk.create("/a", b"old")
            async with PersistentNode(zk, "/a", ephemeral=False):
                assert (await zk.get("/a")).data == b"old"

    run(main())


def test_a_stop_that_fails_goes_on_and_may_be_repeated(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            delete, is_out = zk.delete, [True]

            async def fail(path: str, **options: Any) -> None:
                if is_out[0]:
                    raise ConnectionLossError("an outage")
                await delete(path, **options)

            async def is_gone() -> bool:
                return await other.exists("/a") is None

            monkeypatch.setattr(zk, "delete", fail)
            for is_repeated in (False, True):
                is_out[0] = True
                node = PersistentNode(zk, "/a", b"1")
                await node.start()
                with pytest.raises(ConnectionLossError):
                    await node.stop()
                assert not node.is_there
                is_out[0] = False
                if is_repeated:
                    await node.stop()
                    assert await is_gone()
                await poll_until(is_gone, "deleted in the background")

    run(main())


def test_started_by_two_it_is_stopped_by_one(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            node = PersistentNode(zk, "/a", b"1")
            await asyncio.gather(node.start(), node.start(), node.start())
            running = [repr(task.get_coro()) for task in asyncio.all_tasks()]
            assert sum("PersistentNode._keep" in each for each in running) == 1, "one keeper"
            await asyncio.gather(node.stop(), node.stop())
            await zk.create("/a")
            await zk.delete("/a")
            await zk.sync()
            assert await zk.exists("/a") is None

    run(main())


def test_the_deadline_covers_the_requests(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            answer = zk.exists

            async def stall(*_: object, **__: object) -> None:
                await asyncio.Event().wait()

            monkeypatch.setattr(zk, "exists", stall)
            with pytest.raises(OperationTimeoutError, match="did not answer"):
                await PersistentNode(zk, "/a").start(0.05)
            monkeypatch.setattr(zk, "exists", answer)
            await PersistentNode(zk, "/b").start(0)

    run(main())
