from __future__ import annotations

import queue
import threading
from typing import Any

import pytest

from zoo import recipes
from zoo.client.blocking import Client
from zoo.client.converters import JSON
from zoo.client.errors import OperationTimeoutError, TransactionFailedError
from zoo.recipes import blocking
from zoo.testing import expire_session_of

NO_TWIN_NEEDED = {"HashRing", "NotHeldError", "Place", "Taken", "blocking"}


def test_each_recipe_has_a_twin_with_the_same_methods() -> None:
    def public(cls: Any) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    for name in set(recipes.__all__) - NO_TWIN_NEEDED:
        wanted = public(getattr(recipes, name)) - {"lost"}
        missing = {each for each in wanted - public(getattr(blocking, name)) if each != "get"}
        assert not missing, f"{name}: {missing}"


def test_locks(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        lock = blocking.Lock(zk, "/l", name="me", reentrant=True)
        with lock as place, lock as again:
            assert place.token == again.token == lock.token
            assert lock.contenders() == ["me"]
            with place.guarded() as t:
                t.create("/held")
            with pytest.raises(OperationTimeoutError):
                blocking.Lock(other, "/l").acquire(timeout=0.05)
            assert not place.wait_until_lost(timeout=0.01)
            expire_session_of(zk)
            assert place.wait_until_lost(timeout=5)
            late = place.guarded()
            with pytest.raises(TransactionFailedError):
                late.commit()
        assert not lock.is_held
        with blocking.MultiLock(zk, ["/a", "/b"]) as places:
            assert len(places) == 2
        rw = blocking.RWLock(zk, "/rw")
        with rw.read, blocking.RWLock(other, "/rw").read:
            assert rw.read.is_held
        with rw.write:
            assert rw.write.is_held
        with blocking.Semaphore(zk, "/s", 2):
            assert blocking.Semaphore(other, "/s", 2).holders() == 1


def test_threads_exclude_each_other(hosts: str) -> None:
    with Client(hosts) as zk:
        lock, log = blocking.Lock(zk, "/l"), list[int]()

        def work(n: int) -> None:
            for _ in range(3):
                with lock:
                    log.extend((n, n))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log[::2] == log[1::2]
        assert len(log) == 24


def test_elections(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        one = blocking.Election(zk, "/e", name="one")
        with one as leadership:
            assert leadership.is_held
            assert one.leader() == "one"
            latch = blocking.LeaderLatch(other, "/e", name="two")
            with latch:
                with pytest.raises(TimeoutError):
                    latch.wait_until_leader(timeout=0.05)
                assert latch.leadership is None
                one.resign()
                assert latch.wait_until_leader(timeout=5).token > leadership.token
            one.lead(timeout=5)
        assert one.run(lambda place: place.is_held)


def test_the_others(hosts: str) -> None:
    with Client(hosts) as zk:
        barrier = blocking.Barrier(zk, "/b")
        assert barrier.create()
        assert barrier.remove()
        barrier.wait(timeout=5)
        counter = blocking.Counter(zk, "/c")
        assert counter.add(3) == 3
        assert counter.update(lambda n: n * 2) == 6
        value = blocking.AtomicValue(zk, "/v", JSON, None)
        assert value.compare_and_set(None, [1])
        assert value.get() == [1]
        queue = blocking.Queue(zk, "/q")
        queue.put(b"x")
        assert queue.size() == 1
        assert queue.get(timeout=5) == b"x"
        urgent = blocking.PriorityQueue(zk, "/p")
        urgent.put(b"later", 9)
        urgent.put(b"now", 1)
        assert urgent.get() == b"now"
        work = blocking.WorkQueue(zk, "/w")
        work.put(b"job")
        assert work.put_back(work.take(timeout=5))
        assert work.ack(work.take(timeout=5))
        assert work.size() == 0
        with blocking.Group(zk, "/g", "me", b"data") as group:
            assert next(group.changes()) == {"me": b"data"}
            group.set_data(b"new")
            assert group.members() == {"me": b"new"}


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
