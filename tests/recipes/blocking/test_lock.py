from __future__ import annotations

import threading

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import OperationTimeoutError
from zoo.recipes import blocking


def test_locks(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        lock = blocking.Lock(zk, "/l", name="me", reentrant=True)
        with lock as place, lock as again:
            assert place.token == again.token == lock.token
            assert lock.contenders() == ["me"]
            with lock.guarded() as t:
                t.create("/held")
            with pytest.raises(OperationTimeoutError):
                blocking.Lock(other, "/l").acquire(timeout=0.05)
        assert not lock.is_held
        both = blocking.MultiLock(zk, ["/a", "/b"])
        with both as places:
            assert len(places) == 2
            assert both.is_held


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
