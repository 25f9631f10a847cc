"""Every recipe on an ensemble of three, of Zoo or Java, whose leader is killed again and again.

Each exercise works until it is told to stop and asserts what its recipe guarantees. A write whose
connection broke may have happened or not: `Tally` counts those apart. Sessions outlive the kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.interop import harness
from tests.interop.ensemble import Ensemble
from tests.recipes.service_exercises import partitioner, registry, two_phase
from tests.recipes.tally import Tally, Zk, number_at, raise_number, rush, settled
from zoo.client.async_client import connect
from zoo.client.errors import (
    ConnectionLossError,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
)
from zoo.recipes import (
    Barrier,
    Config,
    Counter,
    DelayQueue,
    DoubleBarrier,
    Election,
    Group,
    LeaderLatch,
    Lease,
    Lock,
    MultiLock,
    NodeCache,
    PersistentNode,
    Place,
    PriorityQueue,
    Queue,
    RWLock,
    Semaphore,
    TreeCache,
    WorkQueue,
)

pytestmark = pytest.mark.slow

KILLS = 3
DEADLINE = 240.0


async def exclusive(clients: list[Zk], tally: Tally, lock_of: Callable[[Zk], Any]) -> None:
    async def work(zk: Zk) -> None:
        lock = lock_of(zk)
        while not tally.over.is_set():
            place = await lock.acquire()
            place = place[0] if isinstance(place, list) else place
            with tally.alone("lock", place):
                await tally.attempt(raise_number(zk, lock, "/number"))
            await lock.release()

    await rush([work(zk) for zk in clients], tally)
    tally.check_number(await number_at(clients[0], "/number"))


async def lock(clients: list[Zk], tally: Tally) -> None:
    await exclusive(clients, tally, lambda zk: Lock(zk, "/lock"))


async def multi_lock(clients: list[Zk], tally: Tally) -> None:
    await exclusive(clients, tally, lambda zk: MultiLock(zk, ["/b", "/a"]))


async def rwlock(clients: list[Zk], tally: Tally) -> None:
    async def read(zk: Zk) -> None:
        rw = RWLock(zk, "/rw")
        while not tally.over.is_set():
            async with rw.read:
                assert not tally.inside["write"]
                tally.inside["read"] += 1
                await zk.sync()
                tally.inside["read"] -= 1

    async def write(zk: Zk) -> None:
        rw = RWLock(zk, "/rw")
        while not tally.over.is_set():
            async with rw.write as place:
                with tally.alone("write", place):
                    assert not tally.inside["read"]
                    await zk.sync()
                    tally.done += 1

    await rush([read(clients[0]), read(clients[1]), write(clients[2]), write(clients[0])], tally)
    assert tally.done > 0


async def semaphore(clients: list[Zk], tally: Tally) -> None:
    async def work(zk: Zk) -> None:
        while not tally.over.is_set():
            async with Semaphore(zk, "/s", 2) as place:
                with tally.alone("leases", place, limit=2):
                    await zk.sync()
                    tally.done += 1

    await rush([work(zk) for zk in clients * 2], tally)
    assert tally.done > 0


async def election(clients: list[Zk], tally: Tally) -> None:
    async def work(zk: Zk) -> None:
        async def term(place: Place) -> None:
            with tally.alone("term", place):
                await tally.attempt(raise_number(zk, place, "/number"))

        while not tally.over.is_set():
            await Election(zk, "/e").run(term)

    await rush([work(zk) for zk in clients], tally)
    tally.check_number(await number_at(clients[0], "/number"))


async def leader_latch(clients: list[Zk], tally: Tally) -> None:
    latches = [LeaderLatch(zk, "/latch") for zk in clients]
    for latch in latches:
        await latch.start()
    while not tally.over.is_set():
        assert sum(latch.is_leader for latch in latches) <= 1
        await asyncio.gather(*(zk.sync() for zk in clients))
    while latches:
        await settled(partial(one_leads, latches), "one of them leads")
        leader = next(latch for latch in latches if latch.is_leader)
        latches.remove(leader)
        await leader.stop()


async def one_leads(latches: list[LeaderLatch]) -> bool:
    return any(latch.is_leader for latch in latches)


async def barrier(clients: list[Zk], tally: Tally) -> None:
    gate = Barrier(clients[0], "/gate")

    async def wait(zk: Zk, turn: int) -> None:
        await Barrier(zk, "/gate").wait()
        assert tally.inside["opened"] >= turn

    for turn in itertools.count(1):
        await clients[0].retrying(gate.create)
        await asyncio.gather(*(zk.sync() for zk in clients))
        waiting = [asyncio.ensure_future(wait(zk, turn)) for zk in clients]
        await clients[0].sync()
        tally.inside["opened"] = turn
        await clients[0].retrying(gate.remove)
        await asyncio.gather(*waiting)
        if tally.over.is_set():
            return


async def double_barrier(clients: list[Zk], tally: Tally) -> None:
    last = 1 << 62  # decided by one of them, between two rounds

    async def work(zk: Zk) -> None:
        nonlocal last
        for turn in itertools.count(1):
            if turn > last:
                return
            tally.inside[f"came {turn}"] += 1
            async with DoubleBarrier(zk, "/b", 3):
                assert tally.inside[f"came {turn}"] == 3
                tally.inside[f"was {turn}"] += 1
                if zk is clients[0] and tally.over.is_set():
                    last = turn
            assert tally.inside[f"was {turn}"] == 3

    await rush([work(zk) for zk in clients], tally)
    assert last > 1


async def any_queue(clients: list[Zk], tally: Tally, kind: type[Any]) -> None:
    put: set[bytes] = set()
    got: Counts[bytes] = Counts()

    async def produce(zk: Zk) -> None:
        for n in itertools.count():
            if tally.over.is_set():
                return
            put.add(b"%d" % n)
            await kind(zk, "/q").put(b"%d" % n)

    async def consume(zk: Zk) -> None:
        queue = kind(zk, "/q")
        while not tally.over.is_set() or await queue.size():
            try:
                got[await queue.get(timeout=1.0)] += 1
            except ConnectionLossError:
                tally.unknown += 1
            except OperationTimeoutError:
                continue

    await rush([produce(clients[0]), consume(clients[1]), consume(clients[2])], tally)
    assert set(got.values()) == {1}
    assert len(put - got.keys()) <= tally.unknown
    assert got.keys() <= put


async def queue(clients: list[Zk], tally: Tally) -> None:
    await any_queue(clients, tally, Queue)


async def priority_queue(clients: list[Zk], tally: Tally) -> None:
    await any_queue(clients, tally, PriorityQueue)


async def delay_queue(clients: list[Zk], tally: Tally) -> None:
    await any_queue(clients, tally, DelayQueue)


async def work_queue(clients: list[Zk], tally: Tally) -> None:
    """Nothing is lost, and what is written along with the acknowledgement happens once."""
    total = 0

    async def produce(zk: Zk) -> None:
        nonlocal total
        while not tally.over.is_set():
            await WorkQueue(zk, "/w").put(b"%d" % total)
            total += 1

    async def consume(zk: Zk) -> None:
        jobs = WorkQueue(zk, "/w")
        while not tally.over.is_set() or await jobs.size():
            try:
                item = await jobs.take(timeout=1.0)
            except (ConnectionLossError, OperationTimeoutError):
                continue
            transaction = jobs.acking(item)
            transaction.create(f"/done/{item.data.decode()}")
            try:
                await transaction.commit()
            except ConnectionLossError:
                await jobs.put_back(item)

    await rush([produce(clients[0]), consume(clients[1]), consume(clients[2])], tally)
    await clients[0].sync()
    assert sorted(map(int, await clients[0].children("/done"))) == list(range(total))


async def counter(clients: list[Zk], tally: Tally) -> None:
    async def work(zk: Zk) -> None:
        while not tally.over.is_set():
            await tally.attempt(Counter(zk, "/c").add())

    await rush([work(zk) for zk in clients], tally)
    tally.check_number(await number_at(clients[0], "/c"))


async def group(clients: list[Zk], tally: Tally) -> None:
    groups = [Group(zk, "/g", f"member{n}", b"%d" % n) for n, zk in enumerate(clients)]
    for each in groups:
        await each.join()
    while not tally.over.is_set():
        assert len(await groups[0].members()) == 3
    async for members in groups[1].changes():
        assert members == {f"member{n}": b"%d" % n for n in range(3)}
        break
    for each in groups:
        await each.leave()


async def persistent_node(clients: list[Zk], tally: Tally) -> None:
    async with PersistentNode(clients[0], "/p", b"data"):
        while not tally.over.is_set():
            with contextlib.suppress(NoNodeError, ConnectionLossError):
                await clients[1].delete("/p")
            await settled(lambda: there(clients[1], "/p"), "it comes back")


async def there(zk: Zk, path: str) -> bool:
    return await zk.exists(path) is not None


async def caches(clients: list[Zk], tally: Tally) -> None:
    async with (
        TreeCache(clients[0], "/tree") as tree,
        NodeCache(clients[1], "/tree/1") as node,
    ):

        async def write(zk: Zk) -> None:
            await zk.ensure_path("/tree")
            for n in itertools.count():
                if tally.over.is_set():
                    return
                path = f"/tree/{n % 20}"
                with contextlib.suppress(ConnectionLossError, NodeExistsError, NoNodeError):
                    await (zk.delete(path) if n % 3 else zk.create(path, b"%d" % n))

        await rush([write(clients[2])], tally)

        async def is_equal() -> bool:
            names = await clients[2].children("/tree")
            found = {f"/tree/{name}": await clients[2].get(f"/tree/{name}") for name in names}
            copy = {path: each for path, each in tree.snapshot().items() if path != "/tree"}
            return found == copy and node.node == found.get("/tree/1")

        await settled(is_equal, "the copies are equal to the server")


async def lease(clients: list[Zk], tally: Tally) -> None:
    async def work(zk: Zk, n: int) -> None:
        mine = Lease(zk, "/lease", 20.0, holder=f"h{n}")
        while not tally.over.is_set():
            try:
                await mine.acquire(timeout=60)
                with tally.alone("lease", mine):  # type: ignore[arg-type]
                    await zk.sync()
                    tally.done += 1
            except ConnectionLossError:
                continue
            finally:
                await mine.release()

    await rush([work(zk, n) for n, zk in enumerate(clients)], tally)
    assert tally.done > 0


@dataclass(frozen=True)
class Limits:
    most: int = 0


async def config(clients: list[Zk], tally: Tally) -> None:
    configs = [Config(zk, "/config", Limits) for zk in clients]
    for each in configs:
        await each.start()

    async def work(mine: Config[Limits]) -> None:
        while not tally.over.is_set():
            await tally.attempt(mine.update(most=mine.value.most + 1))

    await rush([work(each) for each in configs], tally)
    newest = (await configs[0].history(1))[0].number
    tally.check_number(newest)

    async def agree() -> bool:
        return all(each.revision == newest and each.is_current for each in configs)

    await settled(agree, "all have the newest settings")
    for each in configs:
        await each.stop()


EXERCISES = [
    *(lock, multi_lock, rwlock, semaphore, lease, election, leader_latch, barrier, double_barrier),
    *(queue, priority_queue, delay_queue, work_queue, counter, group, persistent_node, caches),
    *(config, registry, partitioner, two_phase),
]


@pytest.fixture(scope="module", params=harness.KINDS)
def ensemble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ensemble]:
    if reason := harness.missing(request.param):
        pytest.skip(reason)
    with Ensemble.running(tmp_path_factory.mktemp("members"), [request.param] * 3) as members:
        yield members


async def kill_leaders(ensemble: Ensemble) -> None:
    # Launched by this thread, with which a server dies: a worker's would end with the test.
    for _ in range(KILLS):
        leader = await asyncio.to_thread(ensemble.leader)
        ensemble[leader].kill()
        await asyncio.to_thread(ensemble.leader)
        ensemble[leader].launch()
        await asyncio.to_thread(ensemble[leader].wait)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.__name__)
def test_members_are_killed_meanwhile(
    ensemble: Ensemble, exercise: Callable[[list[Zk], Tally], Awaitable[None]]
) -> None:
    async def main() -> None:
        chroot, tally = f"/{exercise.__name__}", Tally()
        async with connect(ensemble.addresses(), session_timeout=30) as admin:
            await admin.create(chroot)
            for name, data in (("number", b"0"), ("done", b"")):
                await admin.create(f"{chroot}/{name}", data)
            clients = [connect(ensemble.addresses() + chroot, session_timeout=30) for _ in range(3)]
            for zk in clients:
                await zk.start()
            working = asyncio.ensure_future(exercise(clients, tally))
            killing = asyncio.ensure_future(kill_leaders(ensemble))
            await asyncio.wait((working, killing), return_when=asyncio.FIRST_COMPLETED)
            tally.over.set()
            await killing  # the next exercise finds all members alive
            await working
            for zk in clients:
                await zk.close()
            assert await admin.delete_all(chroot) > 0

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(bounded())
