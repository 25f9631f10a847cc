from __future__ import annotations

import threading
from collections.abc import Callable

from tests.interop.harness import wait_until
from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_work_runs_in_threads_until_it_is_told_to_stop(hosts: str) -> None:
    lock = threading.Lock()
    owners: dict[str, list[str]] = {str(n): [] for n in range(4)}
    overlaps: list[str] = []

    def worker(member: str) -> Callable[[blocking.Partition], None]:
        def work(partition: blocking.Partition) -> None:
            assert partition.is_held
            assert partition.token > 0
            partition.guarded().commit()
            with lock:
                overlaps.extend(f"{member}: {each}" for each in owners[partition.name])
                owners[partition.name].append(member)
            partition.stopping.wait()
            with lock:
                owners[partition.name].remove(member)

        return work

    def owned() -> list[str]:
        with lock:
            return sorted(each for members in owners.values() for each in members)

    with Client(hosts) as zk, Client(hosts) as other:
        first = blocking.Partitioner(zk, "/p", "a", 4, worker("a"))
        second = blocking.Partitioner(other, "/p", "b", list("0123"), worker("b"))
        with first:
            wait_until(lambda: owned() == list("aaaa"), 10, "a has all")
            assert first.owned == first.partitions == list("0123")
            with second:
                wait_until(lambda: owned() == list("aabb"), 10, "shared")
                assert sorted(first.assignment().values()) == list("aabb")
            wait_until(lambda: owned() == list("aaaa"), 10, "a has all again")
        assert owned() == []
        assert overlaps == []
