from __future__ import annotations

from typing import Any

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.results import Node
from zoo.recipes.cache import NodeCache, TreeCache
from zoo.testing import drop_connection, expire_session


def test_a_tree_is_followed_through_gaps_and_sessions(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await other.create("/t/a", b"1", make_parents=True)
            changes: list[tuple[str, bytes | None]] = []

            def note(path: str, node: Node[Any] | None) -> None:
                changes.append((path, None if node is None else node.data))

            async with TreeCache(zk, "/t", note) as cache:
                assert sorted(cache.snapshot()) == ["/t", "/t/a"]
                assert cache.children("/t") == ["a"]
                await other.create("/t/b/c", b"2", make_parents=True)
                await other.delete("/t/a")
                await cache.wait_for(lambda: "/t/a" not in cache.snapshot() and len(cache) == 3, 5)
                changes.clear()
                drop_connection(zk)
                assert not cache.is_current
                await other.set("/t/b/c", b"3")
                await other.create("/t/d")
                await cache.wait_for(lambda: cache.get("/t/d") is not None and cache.is_current, 5)
                node = cache.get("/t/b/c")
                assert node is not None
                assert node.data == b"3"
                assert sorted(changes) == [("/t/b/c", b"3"), ("/t/d", b"")], "only what moved"
                await expire_session(zk)
                await other.delete_all("/t/b")
                await cache.wait_for(lambda: len(cache) == 2 and cache.is_current, 10)
                await other.create("/t/e")
                await cache.wait_for(lambda: cache.get("/t/e") is not None, 5)
            assert not cache.is_current
            assert "stale" in repr(cache)

    run(main())


def test_a_copy_becomes_equal_to_the_server(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await other.create("/t")
            async with TreeCache(zk, "/t") as cache:
                for n in range(40):
                    await other.create(f"/t/{n % 7}", b"%d" % n)
                    await other.set(f"/t/{n % 7}", b"x%d" % n)
                    if n % 3 != 2 or n > 36:
                        await other.delete(f"/t/{n % 7}")
                    elif n % 5 == 0:
                        drop_connection(zk)
                    await other.delete_all(f"/t/{(n + 1) % 7}")
                await other.create("/t/end")
                await cache.wait_for(lambda: cache.get("/t/end") is not None, 10)
                truth = {f"/t/{name}" for name in await other.children("/t")} | {"/t"}
                await cache.wait_for(lambda: cache.snapshot().keys() == truth, 5)
                for path in truth:
                    assert cache.get(path) == await other.get(path) or path == "/t"

    run(main())


def test_one_node(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            cache = NodeCache(zk, "/n")
            async with cache:
                assert cache.node is None
                await zk.create("/n", b"1")
                await zk.create("/n/child")
                await cache.wait_for(lambda: cache.node is not None, 5)
                await zk.set("/n", b"2")
                await cache.wait_for(lambda: cache.node is not None and cache.node.data == b"2", 5)
                await zk.delete_all("/n")
                await cache.wait_for(lambda: cache.node is None, 5)

    run(main())
