from __future__ import annotations

import threading

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_threads_begin_and_end_together(hosts: str) -> None:
    with Client(hosts) as zk:
        log: list[str] = []

        def work() -> None:
            barrier = blocking.DoubleBarrier(zk, "/b", 3)
            barrier.enter(timeout=10)
            log.append("in")
            barrier.leave(timeout=10)
            log.append("out")
            with barrier:
                log.append("again")

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log == ["in"] * 3 + ["out"] * 3 + ["again"] * 3
