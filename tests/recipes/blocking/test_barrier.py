from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_closing_and_opening(hosts: str) -> None:
    with Client(hosts) as zk:
        barrier = blocking.Barrier(zk, "/b")
        assert barrier.create()
        assert barrier.remove()
        barrier.wait(timeout=5)
