from __future__ import annotations

import asyncio

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.converters import JSON
from zoo.recipes.counter import AtomicValue, Counter


def test_no_update_is_lost(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            counters = [Counter(client, "/n/c", 5) for client in (zk, other)]
            assert await counters[0].get() == 5
            await asyncio.gather(*(counters[n % 2].add(2) for n in range(20)))
            assert await counters[1].get() == 45
            assert await counters[0].add(-45) == 0
            assert (await zk.get("/n/c")).data == b"0"

    run(main())


def test_values_of_any_type(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            value = AtomicValue(zk, "/v", JSON, [])
            assert await value.update(lambda old: [*old, 1]) == [1]
            assert await value.compare_and_set([1], [2])
            assert not await value.compare_and_set([1], [3])
            assert await value.get() == [2]
            assert repr(value) == "<AtomicValue /v>"

    run(main())
