from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from zoo.client.blocking import Client
from zoo.recipes import blocking
from zoo.testing.faults import expire_session_of


def test_a_lease_from_two_clients(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other, blocking.Semaphore(zk, "/s", 2):
        assert blocking.Semaphore(other, "/s", 2).holders() == 1


def test_a_thread_gives_back_its_own_lease(hosts: str) -> None:
    with Client(hosts) as zk:
        shared = blocking.Semaphore(zk, "/s", 1)
        first = shared.acquire()
        expire_session_of(zk)
        assert first.wait_until_lost(10)
        inside, may_end = threading.Event(), threading.Event()

        def block() -> bool:
            with shared as place:
                inside.set()
                assert may_end.wait(10)
                return place.is_held

        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(block)
            assert inside.wait(10)
            shared.release(first)
            may_end.set()
            assert other.result(10)
        assert shared.holders() == 0
