from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from tests.client.live import poll, poll_until, run
from tests.recipes.test_lock import poll_line
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import OperationTimeoutError, SessionExpiredError
from zoo.client.hosts import parse
from zoo.client.session import Options, Session
from zoo.recipes.double_barrier import DoubleBarrier
from zoo.testing import drop_connection, expire_session


def test_all_begin_and_end_together_round_after_round(hosts: str) -> None:
    log: list[str] = []

    async def work(zk: AsyncClient[bytes]) -> None:
        for turn in range(5):
            log.append(f"{turn} comes")
            async with DoubleBarrier(zk, "/b", 4):
                log.append(f"{turn} inside")
            log.append(f"{turn} left")

    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await asyncio.gather(*(work(client) for client in (zk, other) * 2))
            assert await zk.children("/b") == []

    run(main())
    assert len(log) == 60
    for turn in range(5):
        entries = [line.split()[1] for line in log if line.startswith(f"{turn} ")]
        assert entries[:4] == ["comes"] * 4, "nobody is inside before all have come"
        assert entries[-1] == "left"
        first_out = entries.index("left")
        assert entries[:first_out].count("inside") == 4, "nobody leaves before all were inside"


def test_who_waits_too_long_is_not_counted(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            with pytest.raises(OperationTimeoutError, match="fewer than 2 came"):
                await DoubleBarrier(zk, "/b", 2).enter(timeout=0.05)
            await poll_line(zk, "/b", 0)
            one, two = (DoubleBarrier(zk, "/b", 2, name=name) for name in ("one", "two"))
            await asyncio.gather(one.enter(5), two.enter(5))
            assert "inside" in repr(one)
            with pytest.raises(RuntimeError, match="already inside"):
                await one.enter()
            with pytest.raises(OperationTimeoutError, match="still inside"):
                await one.leave(timeout=0.05)
            await asyncio.gather(one.leave(), two.leave(timeout=5))
            assert await zk.children("/b") == []

    run(main())
    with pytest.raises(ValueError, match="at least one"):
        DoubleBarrier(None, "/b", 0)  # type: ignore[arg-type]


def test_broken_connections_and_lost_sessions(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other, connect(hosts) as third:
            one, two, three = (DoubleBarrier(each, "/b", 3) for each in (zk, other, third))
            entering = [asyncio.ensure_future(each.enter()) for each in (one, two)]
            await poll_line(third, "/b", 2)
            drop_connection(zk)
            await expire_session(other)
            with pytest.raises(SessionExpiredError):
                await entering[1]
            again = asyncio.ensure_future(two.enter())
            await asyncio.gather(entering[0], again, three.enter())
            leaving = [asyncio.ensure_future(each.leave()) for each in (one, two)]

            async def some_left() -> bool:
                return len(await third.children("/b")) < 4

            await poll_until(some_left, "those who leave have closed it")
            drop_connection(zk)
            await expire_session(other)
            assert not leaving[0].done()
            await asyncio.gather(three.leave(), *leaving)

    run(main())


def test_a_round_that_was_opened_and_left_meanwhile_was_ours(hosts: str) -> None:
    """Cut off when it opened, and `ready` is gone again: the barrier's own znode tells."""

    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            late = DoubleBarrier(zk, "/b", 2)
            slow = asyncio.ensure_future(late.enter())
            await poll_line(other, "/b", 1)
            zk.set_hosts("127.0.0.1:1")
            quick = DoubleBarrier(other, "/b", 2)
            await quick.enter()
            leaving = asyncio.ensure_future(quick.leave())

            async def is_closed() -> bool:
                return await other.exists("/b/ready") is None

            await poll_until(is_closed, "the first leaver closes")
            zk.set_hosts(hosts.partition("/")[0])
            await slow
            await asyncio.gather(late.leave(), leaving)
            assert await other.children("/b") == []

    run(main())


def test_who_gives_up_right_after_coming_in_leaves_no_znode(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            await other.ensure_path("/b")
            barrier = DoubleBarrier(zk, "/b", 2)
            create, exists, asked = barrier._zk.create, barrier._zk.exists, []

            async def create_in_an_earlier_round(*what: Any, **how: Any) -> Any:
                await other.create("/b/ready")
                await other.delete("/b/ready")
                return await create(*what, **how)

            async def stall_when_asked_again(*what: Any, **how: Any) -> Any:
                asked.append(what)
                if len(asked) > 1:
                    await asyncio.Event().wait()
                return await exists(*what, **how)

            barrier._zk.create = create_in_an_earlier_round  # type: ignore[method-assign]
            barrier._zk.exists = stall_when_asked_again  # type: ignore[method-assign]
            with pytest.raises(OperationTimeoutError, match="fewer than 2"):
                await barrier.enter(timeout=0.5)
            assert len(asked) == 2
            await poll_line(other, "/b", 0)

    run(main())


def test_one_whose_session_ended_before_the_opening_was_not_inside(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other, connect(hosts) as third:
            late = asyncio.ensure_future(DoubleBarrier(zk, "/b", 2).enter())
            await poll(lambda: len(zk._session.core.watches) == 2, "it waits for the others")
            await zk.sync()
            zk.set_hosts("127.0.0.1:1")
            await expire_session_elsewhere(zk, hosts)
            await poll_line(other, "/b", 0)
            two, three = DoubleBarrier(other, "/b", 2), DoubleBarrier(third, "/b", 2)
            await asyncio.gather(two.enter(), three.enter())
            zk.set_hosts(hosts.partition("/")[0])
            with pytest.raises(SessionExpiredError):
                await late
            await asyncio.gather(two.leave(), three.leave())

    run(main())


async def expire_session_elsewhere(zk: AsyncClient[bytes], hosts: str) -> None:
    """While the client itself can reach no server."""
    servers, _ = parse(hosts)
    core = zk._session.core
    twin = Session(servers, Options(), Random(0))
    twin.core.take_over(core.session_id, core.password, core.last_zxid)
    twin.start()
    await twin.wait_for_server(10)
    await twin.close(5)
    assert twin.core.has_ended_session


def test_an_opening_is_refused_when_one_whom_it_counted_has_left(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            barrier = DoubleBarrier(zk, "/b", 2)
            await zk.ensure_path("/b")
            for name in ("one", "two"):
                await zk.create(f"/b/{name}")
            node = await zk.get("/b")
            names = await barrier._inside()
            await zk.delete("/b/two")
            await barrier._open(node, names)
            assert await zk.exists("/b/ready") is None
            await zk.create("/b/two")
            await barrier._open(node, names)
            assert await zk.exists("/b/ready") is not None

    run(main())


def test_one_object_is_one_member(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            barrier = DoubleBarrier(zk, "/b", 2)
            first = asyncio.ensure_future(barrier.enter())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task is entering"):
                await barrier.enter()
            other = DoubleBarrier(zk, "/b", 2)
            await asyncio.gather(first, other.enter())
            await asyncio.gather(barrier.leave(), other.leave())
            assert await zk.children("/b") == []

    run(main())


def test_whose_znode_is_deleted_does_not_begin(hosts: str) -> None:
    """Others came in its place, and began: it hears of that, and is not one of them."""

    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            lost = asyncio.ensure_future(DoubleBarrier(zk, "/b", 2).enter(10))
            await poll_line(other, "/b", 1)
            (name,) = await other.children("/b")
            await other.delete(f"/b/{name}")
            one, two = (DoubleBarrier(other, "/b", 2) for _ in range(2))
            await asyncio.gather(one.enter(5), two.enter(5))
            with pytest.raises(SessionExpiredError, match="our znode is gone"):
                await lost
            await asyncio.gather(one.leave(5), two.leave(5))

    run(main())
