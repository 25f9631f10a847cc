from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll, run
from zoo.client.async_client import connect
from zoo.client.converters import JSON
from zoo.client.errors import (
    ClientClosedError,
    NoAuthError,
    OperationTimeoutError,
    ThrottledError,
)
from zoo.client.results import Children, Node
from zoo.jute.constants import CREATOR_ALL_ACL
from zoo.recipes.cache import NodeCache, TreeCache
from zoo.recipes.waiting import Backoff
from zoo.testing import Partition, drop_connection, expire_session


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


def test_what_cannot_be_read_is_left_out_and_the_rest_followed(
    hosts: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(hosts, data=JSON) as zk, connect(hosts) as owner:
            await owner.add_auth("digest", b"a:b")
            await owner.ensure_path("/t")
            await owner.create("/t/ours", b"1")
            async with TreeCache(zk, "/t") as cache:
                await owner.create("/t/nonsense", b"{")
                await owner.create("/t/secret", b"1", acl=CREATOR_ALL_ACL)
                await owner.create("/t/secret/below", b"2")
                drop_connection(zk)
                await owner.set("/t/ours", b"3")
                paths = ["/t", "/t/ours"]
                await poll(lambda: seen(cache) == (True, paths, ["/t/nonsense", "/t/secret"]), "a")
                assert "not json" in cache.unreadable["/t/nonsense"]
                assert "access control" in cache.unreadable["/t/secret"]
                await owner.set("/t/nonsense", b"{}")
                await owner.delete_all("/t/secret")
                drop_connection(zk)  # nobody is told what happens to what he may not read
                paths.insert(1, "/t/nonsense")
                await poll(lambda: seen(cache) == (True, paths, []), "both are mended")
            await owner.set("/t/ours", b"]")
            async with NodeCache(zk, "/t/ours") as one:
                assert (one.node, list(one.unreadable)) == (None, ["/t/ours"])

    def seen(cache: TreeCache[Any]) -> tuple[bool, list[str], list[str]]:
        return cache.is_current, list(cache.snapshot()), list(cache.unreadable)

    run(main())
    assert caplog.text.count("/t/nonsense is left out") == 1


def test_a_listener_that_fails_is_told_of_the_next_change(
    hosts: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        heard: list[str] = []

        def listener(path: str, _: Node[Any] | None) -> None:
            heard.append(path)
            if path == "/t/a":
                raise KeyError("a bug")

        async with connect(hosts) as zk, TreeCache(zk, "/t", listener):
            await zk.create("/t/a", make_parents=True)
            await zk.create("/t/b")
            await poll(lambda: heard[-1:] == ["/t/b"], "told of the next one")

    run(main())
    assert "a bug" in caplog.text


def test_start_raises_at_once_what_time_does_not_mend(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as owner:
            await owner.add_auth("digest", b"a:b")
            await owner.create("/secret", b"1", acl=CREATOR_ALL_ACL)
            for kind in (TreeCache, NodeCache):
                with pytest.raises(NoAuthError):
                    await kind(zk, "/secret").start(None)
        with pytest.raises(ClientClosedError):
            await TreeCache(zk, "/t").start(None)
        with pytest.raises(ClientClosedError):
            await TreeCache(connect(hosts), "/never-started").start(None)

    run(main())


def test_trouble_is_told_and_tried_again_less_and_less_often(
    hosts: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def wait(self: Backoff) -> None:
        pauses.append(next(self._pauses))
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", wait)

    async def main() -> None:
        async with connect(hosts) as zk:
            cache, answers = TreeCache(zk, "/t"), zk.children_stat

            async def refuse(*_: object, **__: object) -> Children:
                if len(pauses) < 8:
                    raise ThrottledError("not now")
                return await answers("/t")

            await zk.create("/t")
            monkeypatch.setattr(zk, "children_stat", refuse)
            await cache.start()
            assert len(pauses) == 8
            assert max(pauses[4:]) > max(pauses[:1])
            await cache.stop()
            pauses.clear()
            with pytest.raises(OperationTimeoutError, match="no copy after 0 s"):
                await TreeCache(zk, "/t").start(0)

    run(main())
    assert "not now" in caplog.text


def test_a_start_holds_its_deadline_while_no_server_answers(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it wait for what takes its watch off again; and another start does not mind that."""
    port, _, chroot = hosts.rpartition(":")[2].partition("/")

    async def main(relay: Partition) -> None:
        async with connect(f"{relay.hosts}/{chroot}") as zk:
            await zk.create("/c", b"x")
            cache = TreeCache(zk, "/c")

            async def stall(*_: object, **__: object) -> None:
                relay.cut()
                await asyncio.Event().wait()

            with monkeypatch.context() as patch:
                patch.setattr(zk, "children_stat", stall)
                async with asyncio.timeout(2):
                    with pytest.raises(OperationTimeoutError, match="no copy"):
                        await cache.start(0.2)
            relay.heal()
            await cache.start(10)
            await zk.set("/c", b"y")
            await poll(lambda: cache.snapshot()["/c"].data == b"y", "the change")
            assert cache.is_current
            await cache.stop()

    with Partition(int(port)) as relay:
        run(main(relay))
