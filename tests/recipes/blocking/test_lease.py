from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_taking_keeping_and_giving_back(hosts: str) -> None:
    with Client(hosts) as zk:
        lease = blocking.Lease(zk, "/l", 60, holder="me")
        with lease as held:
            assert held.is_held
            assert 0 < held.expires_in <= 60
            assert held.current_holder() == held.holder == "me"
            assert not blocking.Lease(zk, "/l", 60).try_acquire()
            with held.guarded() as t:
                t.create("/held")
            assert not held.wait_until_lost(timeout=0.01)
            token = held.token
            held.renew()
            assert held.token == token
        assert lease.current_holder() is None
        short = blocking.Lease(zk, "/l", 0.1)
        short.acquire(timeout=5)
        assert short.wait_until_lost(timeout=5)
        short.release()
        assert short.path == "/l"
