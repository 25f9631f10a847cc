from __future__ import annotations

from zoo.client.blocking import Client
from zoo.client.converters import JSON
from zoo.recipes import blocking


def test_values(hosts: str) -> None:
    with Client(hosts) as zk:
        counter = blocking.Counter(zk, "/c")
        assert counter.add(3) == 3
        assert counter.update(lambda n: n * 2) == 6
        value = blocking.AtomicValue(zk, "/v", JSON, None)
        assert value.compare_and_set(None, [1])
        assert value.get() == [1]
