from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_a_lease_from_two_clients(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other, blocking.Semaphore(zk, "/s", 2):
        assert blocking.Semaphore(other, "/s", 2).holders() == 1
