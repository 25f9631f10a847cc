from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_readers_share_and_a_writer_does_not(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        rw = blocking.RWLock(zk, "/rw")
        with rw.read, blocking.RWLock(other, "/rw").read:
            assert rw.read.is_held
        with rw.write:
            assert rw.write.is_held
            assert repr(rw) == "<RWLock /rw read False write True>"
