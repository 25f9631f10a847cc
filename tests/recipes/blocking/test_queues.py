from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_queues(hosts: str) -> None:
    with Client(hosts) as zk:
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
