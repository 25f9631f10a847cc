from __future__ import annotations

import asyncio

import pytest

from tests.client.live import poll_until, run
from tests.recipes.two_phase_parts import PATH, Crash, Disk, Fuse, Process
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import NodeExistsError
from zoo.recipes.two_phase import Coordinator, Decision, InDoubtError
from zoo.testing import drop_connection, expire_session

PARTS = {"a": b"-5", "b": b"+5"}


async def wait_until_settled(zk: AsyncClient[bytes]) -> None:
    async def is_settled() -> bool:
        return not await zk.children(f"{PATH}/transactions")

    await poll_until(is_settled, "everybody has dealt with everything")


def test_all_or_nothing(hosts: str) -> None:
    async def main() -> None:
        a, b = Disk(), Disk()
        async with connect(hosts) as zk, Process(hosts, "a", a), Process(hosts, "b", b):
            coordinator = Coordinator(zk, PATH, "teller")
            decision = await coordinator.execute(PARTS)
            assert decision.committed
            await wait_until_settled(zk)
            assert (a.done, b.done) == ([(decision.txid, b"-5")], [(decision.txid, b"+5")])
            b.refuses = True
            decision = await coordinator.execute(PARTS)
            assert decision == Decision(decision.txid, False, "b: not today")
            await wait_until_settled(zk)
            assert len(a.done) == len(b.done) == 1
            assert a.prepared == b.prepared == {}
            assert await zk.children(f"{PATH}/parties/a") == []
            with pytest.raises(ValueError, match="participants other than"):
                await coordinator.execute({"teller": b""})

    run(main())


def test_many_at_a_time_through_broken_connections(hosts: str) -> None:
    async def main() -> None:
        a, b = Disk(), Disk()
        async with connect(hosts) as zk, Process(hosts, "a", a) as pa, Process(hosts, "b", b):
            coordinator = Coordinator(zk, PATH, "teller")

            async def break_often() -> None:
                for n in range(6):
                    drop_connection(zk if n % 2 else pa.zk)
                    await zk.sync("/")
                await expire_session(pa.zk)

            decisions, _ = await asyncio.gather(
                asyncio.gather(*(coordinator.execute(PARTS) for _ in range(20))), break_often()
            )
            await wait_until_settled(zk)
            committed = {each.txid for each in decisions if each.committed}
            assert {txid for txid, _ in a.done} == {txid for txid, _ in b.done} == committed
            assert len(a.done) == len(b.done) == len(committed) == 20

    run(main())


def test_without_a_vote_in_time_it_is_aborted(hosts: str) -> None:
    async def main() -> None:
        disk = Disk()
        async with connect(hosts) as zk, Process(hosts, "a", disk):
            coordinator = Coordinator(zk, PATH, "teller")
            decision = await coordinator.execute(PARTS, timeout=0.1)
            assert (decision.committed, decision.reason) == (False, "no vote of b within 0.1 s")
            async with Process(hosts, "b", Disk()):  # comes late, and hears of it
                await wait_until_settled(zk)
            assert disk.prepared == {}

    run(main())


def test_a_number_of_ours_names_one_transaction(hosts: str) -> None:
    async def main() -> None:
        a, b = Disk(), Disk()
        async with connect(hosts) as zk, Process(hosts, "a", a), Process(hosts, "b", b):
            coordinator = Coordinator(zk, PATH, "teller")
            assert await coordinator.outcome("order-1") == Decision(
                "order-1", False, "not known: presumed aborted"
            )
            first = await coordinator.execute(PARTS, txid="order-1")
            assert first.committed
            assert await coordinator.execute(PARTS, txid="order-1") == first
            assert await coordinator.outcome("order-1") == first
            assert await Coordinator(zk, PATH, "teller").recover() == [first]
            with pytest.raises(InDoubtError) as doubt:
                await Coordinator(zk, PATH, "other").execute(PARTS, txid="order-1")
            assert isinstance(doubt.value.__cause__, NodeExistsError)
            await coordinator.forget("order-1")
            await wait_until_settled(zk)
            assert await coordinator.recover() == []
            assert [txid for txid, _ in a.done] == ["order-1"]

    run(main())


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_coordinator_that_crashes_after_any_step(
    hosts: str, refuses: bool, comes_back: bool
) -> None:
    """Whether it comes back or not, both sides end alike."""

    async def crash_after(steps: int, a: Disk, b: Disk) -> bool:
        txid, fuse = f"order-{steps}", Fuse(steps)
        async with connect(hosts) as zk:
            fuse.wire(zk)
            work = Coordinator(zk, PATH, "teller").execute(PARTS, txid=txid, timeout=0.2)
            try:
                seen: Decision | None = await work
            except Crash:
                seen = None
        async with connect(hosts) as zk:
            coordinator = Coordinator(zk, PATH, "teller")
            if comes_back:
                await coordinator.recover()
            else:

                async def is_decided() -> bool:
                    return await coordinator.outcome(txid) is not None

                await poll_until(is_decided, "the participants decide without it")
            outcome = await coordinator.outcome(txid)
            assert outcome is not None
            assert seen in (None, outcome)
            await coordinator.forget(txid)
            if await zk.exists(f"{PATH}/transactions") is not None:
                await wait_until_settled(zk)
        assert a.outcome(txid) == b.outcome(txid) == outcome.committed
        assert a.prepared == b.prepared == {}
        return seen is None

    async def main() -> None:
        a, b = Disk(), Disk(refuses)
        async with Process(hosts, "a", a), Process(hosts, "b", b):
            steps = 1
            while await crash_after(steps, a, b):
                steps += 1
            assert steps > 5, "there were steps to crash after"
            assert bool(a.done) != refuses

    run(main())


def test_cancelled_it_leaves_nothing_behind(hosts: str) -> None:
    async def main() -> None:
        a, b = Disk(), Disk()
        async with connect(hosts) as zk, Process(hosts, "a", a), Process(hosts, "b", b):
            coordinator = Coordinator(zk, PATH, "teller")
            await coordinator.execute(PARTS)
            for turns in range(0, 40, 3):
                work = asyncio.ensure_future(coordinator.execute(PARTS))
                for _ in range(turns):
                    await asyncio.sleep(0)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            await wait_until_settled(zk)
            assert await zk.children(f"{PATH}/parties/teller") == []
            assert a.prepared == b.prepared == {}
            assert {txid for txid, _ in a.done} == {txid for txid, _ in b.done}
            # One with a number of ours goes on when we ask again.
            work = asyncio.ensure_future(coordinator.execute(PARTS, txid="order-1"))
            await poll_until(lambda: is_known(zk), "begun")
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            assert (await coordinator.execute(PARTS, txid="order-1")).committed
            await coordinator.forget("order-1")

    async def is_known(zk: AsyncClient[bytes]) -> bool:
        return await zk.exists(f"{PATH}/transactions/order-1") is not None

    run(main())
