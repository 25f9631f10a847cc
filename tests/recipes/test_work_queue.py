from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import run
from tests.recipes.commits import Commit, replace_next_commit
from zoo.client.async_client import connect
from zoo.client.errors import (
    ConnectionLossError,
    OperationTimeoutError,
    Outcome,
    TransactionFailedError,
)
from zoo.recipes.work_queue import WorkQueue
from zoo.testing import expire_session


def test_work_is_handed_out_again_and_acknowledged_once(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine, theirs = WorkQueue(zk, "/w"), WorkQueue(other, "/w")
            await mine.put(b"one")
            first = await mine.take(timeout=5)
            with pytest.raises(OperationTimeoutError):
                await theirs.take(timeout=0.05)
            waiting = asyncio.ensure_future(theirs.take())
            await expire_session(zk)
            second = await waiting
            assert (second.data, second.path) == (first.data, first.path)
            assert second.token > first.token
            assert not await mine.ack(first)
            assert await theirs.put_back(second)
            third = await theirs.take(timeout=5)
            assert await theirs.ack(third)
            assert not await theirs.ack(third)
            assert await mine.size() == 0
            await mine.put(b"two")
            last = await mine.take()
            async with mine.guarded(last) as t:
                t.create("/seen")
            async with mine.acking(last) as t:
                t.create("/done")
            with pytest.raises(TransactionFailedError):
                await mine.guarded(last).commit()
            assert await mine.size() == 0
            for folder in ("claims", "takers"):
                assert await zk.children(f"/w/{folder}") == []

    run(main())


def test_a_cancelled_taker_leaves_no_claim(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            queue = WorkQueue(zk, "/w")
            await queue.put(b"one")
            await queue.put_back(await queue.take())
            for turns in range(1, 30):
                taking = asyncio.ensure_future(queue.take())
                for _ in range(turns):
                    await zk.sync()
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)
                if not taking.cancelled():
                    assert await queue.put_back(taking.result())
                    break
            assert (await queue.take(timeout=5)).data == b"one"

    run(main())


def test_an_item_whose_claim_an_operator_deletes_is_anothers(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine, theirs = WorkQueue(zk, "/w"), WorkQueue(other, "/w")
            await mine.put(b"one")
            first = await mine.take()
            await other.delete(first.claim)
            second = await theirs.take(timeout=5)
            assert second.path == first.path
            with pytest.raises(TransactionFailedError):
                await mine.guarded(first).commit()
            assert not await mine.put_back(first)
            with pytest.raises(OperationTimeoutError):
                await mine.take(timeout=0.05)
            assert await theirs.ack(second)

    run(main())


def test_what_is_left_of_a_taker_goes_when_it_wants_to_acknowledge(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine, theirs = WorkQueue(zk, "/w"), WorkQueue(other, "/w")
            await mine.put(b"one")
            first = await mine.take()
            await other.delete(first.taker)
            assert not await mine.ack(first)
            second = await theirs.take(timeout=5)
            assert await theirs.ack(second)
            assert await zk.children("/w/claims") == await zk.children("/w/takers") == []

    run(main())


@pytest.mark.parametrize("is_applied", [True, False])
def test_an_acknowledgement_whose_answer_is_lost(
    hosts: str, monkeypatch: pytest.MonkeyPatch, is_applied: bool
) -> None:
    """It says whether the item is gone, also when an operator has deleted the taker."""

    async def main() -> None:
        async with connect(hosts) as zk:
            queue = WorkQueue(zk, "/w")
            await queue.put(b"one")
            item = await queue.take()

            async def how(commit: Commit) -> list[Any]:
                await (commit() if is_applied else zk.delete(item.taker))
                raise ConnectionLossError(outcome=Outcome.UNKNOWN)

            replace_next_commit(zk, monkeypatch, how)
            assert await queue.ack(item) is is_applied
            assert await queue.size() == (0 if is_applied else 1)

    run(main())


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_claim_whose_answer_is_lost_is_ours_or_made_anew(
    hosts: str, monkeypatch: pytest.MonkeyPatch, is_applied: bool
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            queue = WorkQueue(zk, "/w")
            await queue.put(b"one")

            async def how(commit: Commit) -> list[Any]:
                if is_applied:
                    await commit()
                raise ConnectionLossError(outcome=Outcome.UNKNOWN)

            replace_next_commit(zk, monkeypatch, how)
            item = await queue.take(timeout=5)
            assert await queue.ack(item)

    run(main())


def test_who_loses_its_claim_before_it_has_begun_does_not_end_the_next_taker(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine, theirs = WorkQueue(zk, "/w"), WorkQueue(other, "/w")
            await mine.put(b"one")
            assert await mine.put_back(await mine.take())  # the folders are there then
            taken = []

            async def how(commit: Commit) -> list[Any]:
                results = await commit()
                await other.delete(results[1].path)
                taken.append(await theirs.take(timeout=5))
                return results

            replace_next_commit(zk, monkeypatch, how)
            with pytest.raises(OperationTimeoutError):
                await mine.take(timeout=0.3)
            await theirs.guarded(taken[0]).commit()
            assert await theirs.ack(taken[0])
            assert await zk.children("/w/claims") == []

    run(main())
