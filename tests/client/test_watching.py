from __future__ import annotations

import asyncio

import pytest

from tests.client.live import break_connection, poll, run
from zoo.client.async_client import connect
from zoo.client.errors import NoWatcherError
from zoo.client.watches import Event
from zoo.jute.constants import EventType, KeeperState, WatcherType


def test_a_recursive_stream(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            async with await zk.watch("/", recursive=True) as events:
                await zk.create("/a")
                await zk.create("/a/b")
                await zk.set("/a/b", b"1")
                await zk.delete("/a/b")
                seen = [await anext(events) for _ in range(4)]
                assert [(event.type, event.path) for event in seen] == [
                    (EventType.NODE_CREATED, "/a"),
                    (EventType.NODE_CREATED, "/a/b"),
                    (EventType.NODE_DATA_CHANGED, "/a/b"),
                    (EventType.NODE_DELETED, "/a/b"),
                ]
                assert [event.zxid for event in seen] == sorted(event.zxid for event in seen)
            assert events.is_ended
            assert len(zk._session.core.watches) == 0

    run(main())


def test_a_stream_survives_the_connection_and_tells_of_the_gap(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, await zk.watch("/a") as events:
            await break_connection(zk)
            assert (await anext(events)).is_gap
            await zk.create("/a")
            assert (await anext(events)).type is EventType.NODE_CREATED

    run(main())


def test_one_shot_watches_survive_the_connection(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            seen: list[Event] = []
            await zk.create("/a")
            await zk.get("/a", watch=seen.append)
            zk._session.drop_connection("cut by the test")
            await other.set("/a", b"meanwhile")
            await zk.sync()
            await zk.get("/a")
            assert [event.type for event in seen] == [EventType.NODE_DATA_CHANGED]

    run(main())


def test_removing(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            seen: list[Event] = []
            await zk.create("/a")
            await zk.get("/a", watch=seen.append)
            await zk.children("/a", watch=seen.append)
            await zk.remove_watches("/a", WatcherType.CHILDREN)
            await zk.set("/a", b"1")
            await zk.create("/a/b")
            await zk.sync()
            kinds = [event.type for event in seen]
            assert kinds == [EventType.NONE, EventType.NODE_DATA_CHANGED]
            with pytest.raises(NoWatcherError):
                await zk.remove_watches("/a")

    run(main())


def test_two_streams_on_one_path_close_on_their_own(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            one, two = await zk.watch("/a"), await zk.watch("/a", recursive=True)
            await one.close()
            await zk.create("/a")
            assert (await anext(two)).type is EventType.NODE_CREATED
            await zk.close()
            last = [event async for event in two][-1]
            assert last.state is KeeperState.CLOSED

    run(main())


def test_a_watch_that_is_asked_for_while_another_ends_is_not_deaf(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await zk.create("/a")
            old = await zk.watch("/a")
            new, _ = await asyncio.gather(zk.watch("/a"), old.close())
            await other.set("/a", b"1")
            assert (await anext(new)).type is EventType.NODE_DATA_CHANGED
            seen: list[Event] = []
            await asyncio.gather(zk.get("/a", watch=seen.append), new.close())
            await other.set("/a", b"2")
            await poll(lambda: bool(seen), "the one-shot watch")
            await zk.get("/a", watch=seen.append)
            removing = asyncio.ensure_future(zk.remove_watches("/a", WatcherType.DATA))
            await asyncio.gather(zk.get("/a", watch=seen.append), removing)
            await other.set("/a", b"3")
            await poll(lambda: len(seen) == 3, "the watch set behind the removal")
            kinds = [event.type for event in seen[1:]]
            assert kinds == [EventType.NONE, EventType.NODE_DATA_CHANGED]

    run(main())


def test_a_stream_that_nobody_waits_for_is_not_kept(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            for turns in range(4):
                task = asyncio.ensure_future(zk.watch("/a"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await zk.sync()
            assert len(zk._session.core.watches) == 0

    run(main())
