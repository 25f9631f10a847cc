from __future__ import annotations

import pytest

from zoo.jute.constants import READ_ACL_UNSAFE
from zoo.recipes.places import Place
from zoo.testing.simulated import Process, Run, Violation, simulate
from zoo.testing.simulated_study import (
    LEDGER,
    Holders,
    check_ledger,
    keep_trying,
    slept_lately,
    write_guarded,
)


def test_two_that_believe_at_a_time_are_found() -> None:
    holders = Holders()

    async def program(process: Process) -> None:
        async with process.connect() as zk:
            node = await zk.create("/a", ephemeral=True)
            first = Place(zk, "/a", 1, zk.session_id)
            holders.enter(process, first)
            assert node.stat.ephemeral_owner == zk.session_id
            with pytest.raises(AssertionError, match="p0 holds /b at"):
                holders.enter(process, Place(zk, "/b", 2, zk.session_id))
            holders.enter(process, Place(zk, "/c", 3, zk.session_id - 1))  # not held any more
            with pytest.raises(AssertionError, match="p0 holds /d"):
                holders.enter(process, Place(zk, "/d", 4, zk.session_id), "shared")
            assert not slept_lately(process)
            process.woke_at = process.now
            holders.enter(process, Place(zk, "/e", 5, zk.session_id))  # its clock may be wrong

    assert simulate(program, processes=1, servers=1, duration=1, faults=False).results == [None]


def test_shared_holders_and_tokens() -> None:
    holders = Holders()

    async def program(process: Process) -> None:
        async with process.connect() as zk:
            first = Place(zk, "/a", 1, zk.session_id)
            holders.enter(process, first, "shared")
            holders.enter(process, Place(zk, "/b", 2, zk.session_id), "shared")
            holders.leave(first)
            process.life += 1
            with pytest.raises(AssertionError, match=r"token 1 was p0.0's and is p0.1's"):
                holders.enter(process, first)

    assert simulate(program, processes=1, servers=1, duration=1, faults=False).results == [None]


def ledger_of(*tokens: int) -> Run:
    async def program(process: Process) -> None:
        async with process.connect() as zk:
            await keep_trying(process, zk, LEDGER)
            for token in tokens:
                await zk.create("/place")
                assert await write_guarded(zk, [Place(zk, "/place", token, 0)])
                await zk.delete("/place")
                assert not await write_guarded(zk, [Place(zk, "/place", token, 0)])

    return simulate(program, processes=1, servers=1, duration=1, faults=False)


def test_the_ledger_shows_who_wrote_after_whom() -> None:
    check_ledger(ledger_of(1, 1, 4))
    with pytest.raises(AssertionError, match=r"the holder 3 writes at .*, after the holder 4"):
        check_ledger(ledger_of(1, 4, 3))


def test_a_guarded_write_that_fails_for_another_reason_is_an_error() -> None:
    async def program(process: Process) -> None:
        async with process.connect() as zk:
            await zk.create("/place")
            await zk.create(LEDGER)
            await zk.set_acl(LEDGER, READ_ACL_UNSAFE)
            await write_guarded(zk, [Place(zk, "/place", 1, 0)])

    with pytest.raises(Violation, match="a guarded write fails with"):
        simulate(program, processes=1, servers=1, duration=1, faults=False)
