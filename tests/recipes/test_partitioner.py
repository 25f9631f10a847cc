from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from random import Random

import pytest

from tests.client.live import poll, poll_until, run
from zoo.client.async_client import connect
from zoo.client.errors import ClientError
from zoo.recipes.partitioner import Partition, Partitioner, Work
from zoo.testing import drop_connection, expire_session

PARTITIONS = 12


class Outside:
    """What the members work on: it knows who is at work, and refuses old tokens."""

    def __init__(self) -> None:
        self.at_work: dict[str, list[str]] = defaultdict(list)
        self.overlaps: list[str] = []
        self.tokens: dict[str, int] = defaultdict(int)
        self.refused = 0
        self.moves: Counter[str] = Counter()

    def worker(self, name: str) -> Work:
        async def work(partition: Partition) -> None:
            at_work = self.at_work[partition.name]
            if at_work:
                self.overlaps.append(f"{name} beside {at_work} at {partition.name}")
            at_work.append(name)
            self.moves[partition.name] += 1
            self.write(partition)
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)  # letting go takes a while
                at_work.remove(name)

        return work

    def write(self, partition: Partition) -> None:
        if partition.token < self.tokens[partition.name]:
            self.refused += 1
        self.tokens[partition.name] = max(partition.token, self.tokens[partition.name])

    def shares(self) -> Counter[str]:
        return Counter(name for names in self.at_work.values() for name in names)

    async def poll_shares(self, **expected: int) -> None:
        await poll(lambda: self.shares() == expected, f"shares {expected}", 15)


class Member:
    def __init__(self, hosts: str, name: str, outside: Outside) -> None:
        self.zk = connect(hosts)
        work = outside.worker(name)
        self.partitioner = Partitioner(self.zk, "/p", name, PARTITIONS, work)

    async def __aenter__(self) -> Member:
        await self.zk.start()
        await self.partitioner.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.partitioner.stop()
        await self.zk.close()


def test_partitions_move_from_and_to_who_comes_and_goes_and_have_one_owner(hosts: str) -> None:
    async def main() -> None:
        outside = Outside()
        async with Member(hosts, "a", outside) as a:
            await outside.poll_shares(a=12)
            async with Member(hosts, "b", outside):
                await outside.poll_shares(a=6, b=6)
                assert sum(outside.moves.values()) == 18
                before = dict(outside.at_work)
                kept = {name: list(who) for name, who in before.items()}
                async with Member(hosts, "c", outside):
                    await outside.poll_shares(a=4, b=4, c=4)
                    moved = {name for name, who in outside.at_work.items() if who != kept[name]}
                    assert {outside.at_work[name][0] for name in moved} == {"c"}
                    assert sum(outside.moves.values()) == 22
                await outside.poll_shares(a=6, b=6)
                assert sum(outside.moves.values()) == 26
            await outside.poll_shares(a=12)
            assert len(a.partitioner.owned) == 12
            assert set((await a.partitioner.assignment()).values()) == {"a"}
        assert outside.shares() == {}
        assert outside.overlaps == []
        assert outside.refused == 0

    run(main())


@pytest.mark.parametrize("seed", range(2))
def test_members_that_lose_connections_and_sessions(hosts: str, seed: int) -> None:
    async def main() -> None:
        rng, outside = Random(seed), Outside()
        async with AsyncExitStack() as stack:
            members = [
                await stack.enter_async_context(Member(hosts, name, outside)) for name in "abc"
            ]
            await outside.poll_shares(a=4, b=4, c=4)
            for _ in range(4):
                member = rng.choice(members)
                if rng.random() < 0.5:
                    drop_connection(member.zk)
                else:
                    await expire_session(member.zk)
            await poll_until(lambda: is_settled(members), "each partition has its owner")
            await outside.poll_shares(a=4, b=4, c=4)
            for member in members:
                for partition in member.partitioner.owned.values():
                    assert partition.token == outside.tokens[partition.name], "the newest owns it"

    async def is_settled(members: list[Member]) -> bool:
        """Nobody is to learn yet that a session was lost: the servers confirm every ownership."""
        owned = [each for member in members for each in member.partitioner.owned.values()]
        try:
            for partition in owned:
                await partition.guarded().commit()
        except ClientError:
            return False
        return len(owned) == PARTITIONS and all(each.is_held for each in owned)

    run(main())


def test_work_that_fails_begins_again_and_work_that_ends_keeps_its_partition(
    hosts: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        calls: list[int] = []

        async def work(partition: Partition) -> None:
            calls.append(partition.token)
            if len(calls) == 1:
                raise RuntimeError("broken")

        async with connect(hosts) as zk, Partitioner(zk, "/p", "a", ["x"], work) as mine:
            assert mine.owned.keys() <= {"x"}
            await poll(lambda: len(calls) == 2 and "x" in mine.owned, "began again")
            assert calls[1] > calls[0]
            assert "owns ['x']" in repr(mine)
            other = Partitioner(zk.below("/other"), "/p", "a", 1, work)
            assert await other.assignment() == {}

    run(main())
    assert "broken" in caplog.text


def test_weights_and_a_name_that_is_taken(hosts: str) -> None:
    async def main() -> None:
        outside = Outside()
        async with connect(hosts) as zk, connect(hosts) as other:
            work = outside.worker("a"), outside.worker("b")
            async with (
                Partitioner(zk, "/p", "a", PARTITIONS, work[0], weight=3),
                Partitioner(other, "/p", "b", PARTITIONS, work[1]),
            ):
                await outside.poll_shares(a=9, b=3)
                async with connect(hosts) as third:
                    twice = Partitioner(third, "/p", "b", PARTITIONS, work[1])
                    await twice.start()
                    await third.sync("/")
                    assert twice.owned == {}
                    await twice.stop()
                await outside.poll_shares(a=9, b=3)
        assert outside.overlaps == []

    run(main())


def test_what_no_partitioner_has_written_is_overlooked(
    hosts: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as foreign:
            work, partitions = Outside().worker("b"), ["x", "y"]
            for name, data in (("a", b""), ("c", b"{"), ("d", b"[1]"), ("e", b"-1")):
                await foreign.create(f"/p/members/{name}", data, ephemeral=True, make_parents=True)
            async with Partitioner(zk, "/p", "b", partitions, work) as mine:
                await poll(lambda: list(mine.owned) == partitions, "nobody else is to work")
                owners = {"x": "b", "y": "b"}
                for data in (b"{", b"5", b'{"owners": {}}', b'{"as_of": 1, "owners": [1]}'):
                    await foreign.set("/p/assignment", data)

                    async def is_planned() -> bool:
                        return await mine.assignment() == owners

                    await poll_until(is_planned, f"{data!r} is replaced")
                    assert list(mine.owned) == partitions, "what is at work goes on"

    run(main())
    assert "/p/members/d is left out" in caplog.text
