"""Registry, partitioner and two-phase commit against one and three servers of both kinds."""

from __future__ import annotations

import pytest

from tests.client.live import poll, poll_until, run
from tests.recipes.two_phase_parts import PATH, Disk, Process
from zoo.client.async_client import connect
from zoo.recipes import Coordinator, Instance, Partition, Partitioner, ServiceRegistry
from zoo.testing import expire_session

pytestmark = pytest.mark.interop


def test_two_phase_commit(address: str) -> None:
    async def main() -> None:
        a, b = Disk(), Disk()
        async with (
            connect(address) as zk,
            Process(address, "a", a),
            Process(address, "b", b),
        ):
            teller = Coordinator(zk, PATH, "teller")
            first = await teller.execute({"a": b"1", "b": b"2"}, txid="first")
            assert first.committed
            assert await teller.recover() == [first]
            await teller.forget("first")
            b.refuses = True
            assert (await teller.execute({"a": b"1", "b": b"2"})).reason == "b: not today"

            async def is_settled() -> bool:
                return not await zk.children(f"{PATH}/transactions")

            await poll_until(is_settled, "nothing is left")
        assert (a.done, b.done) == ([("first", b"1")], [("first", b"2")])
        assert a.prepared == b.prepared == {}

    run(main())


def test_a_service_and_partitions_through_a_lost_session(address: str) -> None:
    async def main() -> None:
        owners: dict[str, str] = {}

        def member(zk: object, name: str) -> Partitioner:
            async def work(partition: Partition) -> None:
                owners[partition.name] = name

            return Partitioner(zk, "/p", name, 6, work)  # type: ignore[arg-type]

        async with connect(address) as zk, connect(address) as other:
            registry = ServiceRegistry(zk)
            async with (
                registry.find("s") as found,
                await ServiceRegistry(other).register(Instance("s", "h", 1, id="a")) as mine,
                member(zk, "one") as one,
                member(other, "two") as two,
            ):
                await found.wait_for(1, 10)
                await poll(lambda: len(one.owned) == len(two.owned) == 3, "shared out")
                await expire_session(other)
                await poll(lambda: mine.times == 2, "registered again")
                await poll(lambda: len(one.owned) == len(two.owned) == 3, "shared out again")
                await found.wait_for(1, 10)
                assert sorted(owners.values()) == ["one"] * 3 + ["two"] * 3

    run(main())
