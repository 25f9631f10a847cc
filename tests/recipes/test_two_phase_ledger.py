from __future__ import annotations

import asyncio

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.recipes.two_phase_ledger import Ledger, Record
from zoo.recipes.waiting import Wake


def test_only_one_decision_is_ever_written(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            ledger = Ledger(zk, "/t")
            assert await ledger.read("x") is None
            assert await ledger.abort("x", "why") is None
            await ledger.begin("x", "c", {"a": b"1", "b": b"2"}, 5.0)
            await ledger.begin("x", "c", {"a": b"1", "b": b"2"}, 5.0)
            changed = Wake()
            record = await ledger.read("x", changed)
            assert record == Record("c", ["a", "b"], 5.0)
            await ledger.commit("x", record)
            assert await ledger.read("x") == record, "nobody has voted"
            await ledger.vote("x", "a")
            await ledger.vote("x", "a")
            await ledger.commit("x", record)
            assert await ledger.read("x") == record, "one has not voted"
            await ledger.vote("x", "b")
            assert await ledger.voted("x", "b")
            told = await asyncio.gather(
                *(ledger.abort("x", f"{n}") for n in range(3)), ledger.commit("x", record)
            )
            decided = await ledger.read("x")
            assert decided is not None
            assert not decided.is_open
            assert told[:3] == [decided] * 3, "all are told the one that held"
            assert changed.is_set()
            await ledger.commit("x", decided)
            assert await ledger.read("x") == decided

    run(main())


def test_a_transaction_goes_with_the_last_who_has_dealt_with_it(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            ledger = Ledger(zk, "/t")
            await ledger.begin("x", "c", {"a": b"1"}, 5.0)
            assert await ledger.to_do("a") == ["x"]
            assert await ledger.part("a", "x") == b"1"
            await ledger.dealt_with("c", "x")
            assert await ledger.read("x") is not None
            await ledger.dealt_with("a", "x")
            await ledger.dealt_with("a", "x")
            assert await ledger.read("x") is None
            assert await ledger.part("a", "x") is None
            assert not await ledger.voted("x", "a")
            await ledger.vote("x", "a")
            assert await ledger.to_do("a") == []

    run(main())
