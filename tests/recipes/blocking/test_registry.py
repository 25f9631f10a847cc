from __future__ import annotations

import queue

import pytest

from zoo.client.blocking import Client
from zoo.recipes import blocking
from zoo.recipes.balancing import LeastUsed
from zoo.recipes.instances import Health, Instance


def test_a_service_is_offered_and_found(hosts: str) -> None:
    told: queue.SimpleQueue[bool] = queue.SimpleQueue()
    heard: queue.SimpleQueue[list[Instance]] = queue.SimpleQueue()
    used = LeastUsed()
    with Client(hosts) as zk:
        registry = blocking.ServiceRegistry(zk)
        mine = Instance("pricing", "127.0.0.1", 4000, id="a")
        with (
            registry.find("pricing", used, listener=heard.put) as pricing,
            registry.register(mine, check=lambda: True, listener=told.put) as registration,
        ):
            assert told.get(timeout=5) is True
            assert [each.id for each in heard.get(timeout=5)] == ["a"]
            assert pricing.wait_for(1, 5) == pricing.instances == registry.instances("pricing")
            with pricing.use() as instance:
                assert used.in_use(instance) == 1
            with pytest.raises(TimeoutError), pricing.use():
                raise TimeoutError
            assert used.in_use(instance) == 0
            assert pricing.pick() == mine
            pricing.put_aside(mine)
            registration.set_health(Health.DRAINING)
            assert [each.health for each in heard.get(timeout=5)] == [Health.DRAINING]
            registration.update(metadata={"zone": "b"})
            assert registration.instance.metadata == {"zone": "b"}
            assert registration.is_registered
            assert registration.times == 1
            assert pricing.is_current
            assert registry.services() == ["pricing"]
        assert registry.instances("pricing") == []
