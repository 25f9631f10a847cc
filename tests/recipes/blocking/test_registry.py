from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from tests.client.live import poll, run
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


def test_a_check_that_hangs_holds_up_nobody(hosts: str) -> None:
    may_end, asked = threading.Event(), queue.SimpleQueue[None]()

    def hang() -> bool:
        asked.put(None)
        return may_end.wait()

    def fail() -> bool:
        raise OSError("no")

    def checks() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "zoo check"]

    with Client(hosts) as zk:
        registry = blocking.ServiceRegistry(zk)
        hanging = registry.register(Instance("s", "h", 1, id="a"), check=hang, every=0.02)
        good = registry.register(Instance("s", "h", 2, id="b"), check=lambda: True, every=0.02)
        bad = registry.register(Instance("s", "h", 3, id="c"), check=fail, every=0.02)
        with hanging, good, bad, registry.find("s") as found:

            def health() -> list[Health]:
                return [each.health for each in found.instances]

            wait_for(lambda: health() == [Health.DOWN, Health.UP, Health.DOWN])
            assert asked.qsize() == 1, "no other one is begun"
            assert all(each.daemon for each in checks()), "the process may end"
            may_end.set()
            wait_for(lambda: health()[0] is Health.UP)


def wait_for(condition: Callable[[], bool]) -> None:
    run(poll(condition, "the instances' health"))
