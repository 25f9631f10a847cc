from __future__ import annotations

import queue

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_caches(hosts: str) -> None:
    with Client(hosts) as zk:
        heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        cache = blocking.TreeCache(zk, "/", lambda path, node: heard.put(path))
        with cache, blocking.NodeCache(zk, "/a") as one:
            zk.create("/a", b"1")
            cache.wait_for(lambda: cache.get("/a") is not None, timeout=5)
            one.wait_for(lambda: one.node is not None, timeout=5)
            assert cache.children("/") == ["a"]
            assert sorted(cache.snapshot()) == ["/", "/a"]
            assert len(cache) == 2
            assert cache.is_current
            assert [heard.get(timeout=5) for _ in range(2)] == ["/", "/a"]
        assert "stale" in repr(cache)
