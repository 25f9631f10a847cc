from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import (
    BadVersionError,
    InvalidPathError,
    NoAuthError,
    NoNodeError,
    NotEmptyError,
    RequestTooLargeError,
)
from zoo.client.watches import Event
from zoo.jute.constants import READ_ACL_UNSAFE, EventType


def test_reading_and_writing(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            made = await zk.create("/a", b"1")
            node = await zk.get("/a")
            assert node == made
            stat = await zk.set("/a", b"2", version=node.version)
            assert stat.version == 1
            with pytest.raises(BadVersionError, match="set /a"):
                await zk.set("/a", b"3", version=node.version)
            await zk.set("/a", None)
            assert (await zk.get("/a")).data == b""
            assert await zk.exists("/b") is None
            with pytest.raises(NoNodeError, match="get /b"):
                await zk.get("/b")
            with pytest.raises(InvalidPathError):
                await zk.get("b")
            with pytest.raises(RequestTooLargeError, match=r"jute\.maxbuffer"):
                await zk.set("/a", bytes(1 << 20))
            await zk.sync()

    run(main())


def test_children_and_deletion(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            for path in ("/a", "/a/y", "/a/x", "/a/x/z"):
                await zk.create(path)
            names, stat = await zk.children_stat("/a")
            assert (names, stat.num_children) == (["x", "y"], 2)
            assert await zk.count_descendants() == 4
            with pytest.raises(NotEmptyError):
                await zk.delete("/a")
            with pytest.raises(BadVersionError):
                await zk.delete("/a/y", version=5)
            assert await zk.delete_all("/a") == 4
            assert await zk.delete_all("/a") == 0
            assert await zk.children() == []

    run(main())


def test_one_shot_watches(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            seen: list[Event] = []
            await zk.exists("/a", watch=seen.append)
            await zk.children("/", watch=seen.append)
            await zk.create("/a")
            await zk.get("/a", watch=seen.append)
            await zk.set("/a", b"1")
            await zk.set("/a", b"2")
            await asyncio.sleep(0)
            assert [(event.type, event.path) for event in seen] == [
                (EventType.NODE_CREATED, "/a"),
                (EventType.NODE_CHILDREN_CHANGED, "/"),
                (EventType.NODE_DATA_CHANGED, "/a"),
            ]

    run(main())


def test_wrong_arguments_are_named(hosts: str) -> None:
    async def main() -> None:
        wrong: Any
        async with connect(hosts) as zk:
            for wrong in (None, "0", 1.0):
                for call in (
                    zk.set("/a", b"", version=wrong),
                    zk.delete("/a", version=wrong),
                    zk.set_acl("/a", READ_ACL_UNSAFE, version=wrong),
                ):
                    with pytest.raises(TypeError, match=r"^/a: version must be an int"):
                        await call
            wrong = ["world"]
            with pytest.raises(TypeError, match=r"^/a: acl must be"):
                await zk.set_acl("/a", wrong)
            with pytest.raises(TypeError, match=r"acl must be .* not 'world'"):
                await zk.create("/a", acl=wrong)
            wrong = True
            for read in (zk.get, zk.exists, zk.children):
                with pytest.raises(TypeError, match=r"^/: watch must be a function"):
                    await read("/", watch=wrong)

    run(main())


def test_access_control(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/a")
            stat = await zk.set_acl("/a", READ_ACL_UNSAFE, version=0)
            assert stat.aversion == 1
            acl, _ = await zk.get_acl("/a")
            assert tuple(acl) == READ_ACL_UNSAFE
            with pytest.raises(NoAuthError):
                await zk.set("/a", b"")

    run(main())


def test_ephemerals(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/d")
            for path in ("/d/a", "/dd", "/c"):
                await zk.create(path, ephemeral=True)
            assert await zk.ephemerals() == ["/c", "/d/a", "/dd"]
            assert await zk.ephemerals("/d") == ["/d/a"]

    run(main())
