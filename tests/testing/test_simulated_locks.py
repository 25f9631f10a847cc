from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.sim.virtual import wait
from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError
from zoo.recipes import Election, Lock, MultiLock, RWLock, Semaphore
from zoo.recipes.places import Contender, Place, contenders, take_place
from zoo.recipes.waiting import Wake
from zoo.testing.simulated import Faults, Process, Violation, simulate
from zoo.testing.simulated_locks import (
    LOCKS,
    ElectionStudy,
    HoldersStudy,
    LeaderLatchStudy,
    LockStudy,
    MultiLockStudy,
    RWLockStudy,
    SemaphoreStudy,
    patiently,
)
from zoo.testing.simulated_study import LEDGER

Zk = AsyncClient[bytes]


@pytest.mark.parametrize("study", LOCKS, ids=lambda study: study.NAME)
def test_holders(study: type[HoldersStudy]) -> None:
    one = study()
    run = simulate(one.programs(), seed=1, servers=0, duration=15, check=one.check)
    assert len(run.noted("ended")) >= study.processes


def check_that_it_fails(study: type[HoldersStudy], match: str, first: int = 0, **how: Any) -> None:
    """One of a few seeds must show it."""
    for seed in range(first, first + 12):
        one = study()
        try:
            simulate(one.programs(), seed=seed, duration=20, check=one.check, **how)
        except Violation as violation:
            if match in str(violation):
                return
    pytest.fail(f"no seed says {match!r}")


# --- recipes that are wrong: the checkers must see it


class NoWaiting(LockStudy):
    """Whoever has a place believes to be first."""

    async def turn(self, process: Process, zk: Zk) -> None:
        place = await take_place(zk, "/held", "lock-", b"")
        try:
            await self.hold(process, zk, [place])
        finally:
            await place.leave()


def test_two_holders_are_seen() -> None:
    check_that_it_fails(NoWaiting, "holds /held")


class Unguarded(LockStudy):
    """A holder that was stopped writes on when it wakes, whoever holds the lock by then."""

    async def write(self, zk: Zk, places: Any) -> None:
        while True:
            try:
                await zk.set(LEDGER, b"%d" % places[0].token)
                return
            except ClientError:
                await wait(0.1)


def test_writes_of_earlier_holders_are_seen() -> None:
    check_that_it_fails(Unguarded, "after the holder", 6, faults=Faults(servers=0, processes=2))


def test_writes_of_one_whose_znode_an_operator_deleted_are_seen() -> None:
    check_that_it_fails(Unguarded, "after the holder", faults=False)


class WritersIgnoreReaders(RWLockStudy):
    async def turn(self, process: Process, zk: Zk) -> None:
        if process.number == 0:
            lock = Lock(zk, "/elsewhere")
            place = await patiently(process, lock.acquire)
        else:
            lock = RWLock(zk, "/held").read
            place = await patiently(process, lock.acquire)
        try:
            await self.hold(process, zk, [place], "" if process.number == 0 else "shared")
        finally:
            await lock.release()


def test_a_writer_among_readers_is_seen() -> None:
    check_that_it_fails(WritersIgnoreReaders, "holds /")


class OneTooMany(SemaphoreStudy):
    async def turn(self, process: Process, zk: Zk) -> None:
        semaphore = Semaphore(zk, "/held", self.leases + 1)
        place = await patiently(process, semaphore.acquire)
        try:
            await self.hold(process, zk, [place])
        finally:
            await semaphore.release()


def test_a_lease_too_many_is_seen() -> None:
    check_that_it_fails(OneTooMany, "holds /held")


class Forgetful(LockStudy):
    """Its znode is left behind while the session lives."""

    async def turn(self, process: Process, zk: Zk) -> None:
        lock = Lock(zk, "/held")
        await self.hold(process, zk, [await patiently(process, lock.acquire)])


def test_orphans_are_seen() -> None:
    check_that_it_fails(Forgetful, "Liveness")


class InTheGivenOrder(MultiLock):
    """As they were named: two of them may wait for each other."""

    def __init__(self, zk: Zk, paths: list[str]) -> None:
        super().__init__(zk, paths)
        self.locks = [Lock(zk, path) for path in paths]


class OneIsEnough(MultiLock):
    """Believes to have what it only waits for."""

    async def acquire(self, timeout: float | None = None) -> list[Place]:
        first = await self.locks[0].acquire(timeout)
        second = self.locks[1]
        second._place = await take_place(self._zk, second.path, "lock-", b"")
        await second._local.acquire()
        second._depth = 1
        return [first, second._place]


@pytest.mark.parametrize(
    ("kind", "match"), [(InTheGivenOrder, "Liveness"), (OneIsEnough, "and so do")]
)
def test_several_locks_that_are_wrong_are_seen(
    kind: type[MultiLock], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.testing.simulated_locks.MultiLock", kind)
    check_that_it_fails(MultiLockStudy, match, faults=False)


async def first_move_wins(zk: Zk, place: Place, kinds: Any, blocker: Any, names: Any) -> None:
    """Whoever saw the one ahead go believes to be next, though that one may just have given up."""
    line = contenders(names or await zk.children(place.path.rpartition("/")[0]), kinds)
    mine = [each.name for each in line].index(place.name)
    moved = Wake()
    if mine and await zk.exists(f"/held/{line[mine - 1].name}", watch=moved):
        await moved.wait()


@pytest.mark.parametrize("study", [ElectionStudy, LeaderLatchStudy])
def test_two_leaders_are_seen(study: type[HoldersStudy], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.recipes.places.wait_for_turn", first_move_wins)
    check_that_it_fails(study, "holds /held", faults=Faults(servers=0, processes=2))


@pytest.mark.parametrize("study", [ElectionStudy, LeaderLatchStudy])
def test_a_leader_whose_session_is_over_is_seen(
    study: type[HoldersStudy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leads until it is told otherwise, and no clock tells it."""
    monkeypatch.setattr(Place, "is_held", property(lambda self: not self.lost.is_set()))
    monkeypatch.setattr(Place, "_on_state", lambda self, state: None)
    check_that_it_fails(study, "holds /held", faults=Faults(servers=0, processes=1))


def test_a_contender_is_no_child_of_its_own() -> None:
    assert Contender("a", "lock", 1) < Contender("b", "lock", 2)


# --- an operator deletes the znodes of holders, whatever else goes wrong


@pytest.mark.parametrize("seed", range(4))
def test_holders_are_told_when_their_znodes_are_deleted(seed: int) -> None:
    told: dict[str, None] = {}

    async def holder(process: Process) -> None:
        async with process.connect() as zk:
            while process.name not in told:
                try:
                    place = await Lock(zk, "/held").acquire()
                    async with asyncio.timeout(120):
                        await place.lost.wait()
                    told[process.name] = None
                except ClientError:
                    await wait(0.1)

    async def operator(process: Process) -> None:
        async with process.connect() as zk:
            while len(told) < 3:
                await wait(process.rng.uniform(0, 2))
                try:
                    for name in await zk.children("/held"):
                        await zk.delete(f"/held/{name}")
                except ClientError:
                    continue

    simulate([holder] * 3 + [operator], seed=seed, duration=10)
    assert len(told) == 3


# --- cancelled at any moment, nothing stays behind

Acquire = Callable[[Zk], Awaitable[Any]]
RECIPES: dict[str, Acquire] = {
    "Lock": lambda zk: Lock(zk, "/r").acquire(),
    "write": lambda zk: RWLock(zk, "/r").write.acquire(),
    "Semaphore": lambda zk: Semaphore(zk, "/r", 1).acquire(),
    "MultiLock": lambda zk: MultiLock(zk, ["/r/a", "/r/b"]).acquire(),
    "Election": lambda zk: Election(zk, "/r").lead(),
}


async def duration_of(acquire: Acquire, process: Process) -> float:
    async with process.connect() as zk:
        began = process.now
        await acquire(zk)
        return process.now - began


@pytest.mark.parametrize("name", RECIPES)
def test_cancelled_at_any_moment_it_leaves_nothing_behind(name: str) -> None:
    async def program(process: Process) -> int:
        held = 0
        await duration_of(RECIPES[name], process)  # the first makes the parents, too
        usual = await duration_of(RECIPES[name], process)
        for step in range(50):
            async with process.connect() as zk:
                task = asyncio.ensure_future(RECIPES[name](zk))
                await wait(step / 40 * usual)
                was_done = task.done()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if was_done and not task.cancelled():
                    held += 1
                    continue  # the session ends, and with it what is held
                async with asyncio.timeout(60):  # behind any orphan this would wait for ever
                    await RECIPES[name](zk)
        return held

    (held,) = simulate(program, seed=3, processes=1, servers=1, faults=False).results
    assert 0 < held < 50
