from __future__ import annotations

import asyncio

import pytest

from tests.client.live import break_connection, poll, run
from zoo.client.async_client import connect
from zoo.client.converters import JSON, TEXT
from zoo.client.errors import (
    BadVersionError,
    ClientClosedError,
    ConnectionLossError,
    OperationTimeoutError,
    Outcome,
)
from zoo.client.retry import RetryPolicy
from zoo.client.states import State


def test_the_life_of_a_client(hosts: str) -> None:
    async def main() -> None:
        zk = connect(hosts)
        states: list[State] = []
        zk.add_listener(states.append)
        with pytest.raises(ClientClosedError):
            await zk.get("/")
        async with zk:
            assert zk.state is State.CONNECTED
            assert zk.session_id != 0
            assert zk.session_timeout == 10
            assert "connected" in repr(zk)
            assert hosts in repr(zk)
        assert zk.state is State.CLOSED
        assert states == [State.CONNECTED, State.CLOSED]
        with pytest.raises(ClientClosedError):
            await zk.get("/")

    run(main())


def test_no_server_says_why() -> None:
    async def main() -> None:
        zk = connect("127.0.0.1:1")
        with pytest.raises(OperationTimeoutError, match=r"127\.0\.0\.1:1.*Connect call failed"):
            await zk.start(timeout=0.2)
        assert zk.state is State.CLOSED

    run(main())


def test_data_converters(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts, data=JSON) as zk:
            await zk.create("/a", {"price": [1, 2.5]})
            assert (await zk.get("/a")).data == {"price": [1, 2.5]}
            text = zk.with_data(TEXT)
            assert (await text.get("/a")).data == '{"price":[1,2.5]}'
            await text.set("/a", "no json")
            with pytest.raises(ValueError, match="/a: its data is not json"):
                await zk.get("/a")
        async with connect(hosts) as raw:
            with pytest.raises(TypeError, match="/b: data must be bytes, not str"):
                await raw.create("/b", "text")  # type: ignore[arg-type]

    run(main())


def test_below_is_a_chroot(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/app", b"")
            app = zk.below("/app")
            assert (await app.create("/x", b"1")).path == "/x"
            assert await zk.children("/app") == ["x"]
            assert (await app.below("/").get("/x")).data == b"1"
            assert app.chroot == zk.chroot + "/app"

    run(main())


def test_a_session_survives_its_connection(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/e", ephemeral=True)
            session = zk.session_id
            await break_connection(zk)
            assert zk.session_id == session
            assert await zk.exists("/e") is not None

    run(main())


def test_reads_are_repeated_and_writes_are_not(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/a", b"0")
            read = asyncio.ensure_future(zk.get("/a"))
            write = asyncio.ensure_future(zk.set("/a", b"1"))
            await asyncio.sleep(0)  # both are sent, neither is answered
            zk._session.drop_connection("cut by the test")
            with pytest.raises(ConnectionLossError) as failure:
                await write
            assert failure.value.outcome is Outcome.UNKNOWN
            assert failure.value.path == "/a"
            assert "may have been applied" in str(failure.value)
            assert (await read).data in (b"0", b"1")

    run(main())


def test_what_is_asked_while_suspended_waits(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            zk._session.drop_connection("cut by the test")
            assert zk.state is State.SUSPENDED
            await zk.create("/later", b"x")
            assert (await zk.get("/later")).data == b"x"

    run(main())


def test_deadlines_and_cancellation_keep_the_order(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/a", b"0")
            cancelled = asyncio.ensure_future(zk.get("/a"))
            after = asyncio.ensure_future(zk.children("/"))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert await after == ["a"]
            zk.set_hosts("127.0.0.1:1")
            await poll(lambda: zk.state is State.SUSPENDED, "suspended")
            with pytest.raises(OperationTimeoutError) as failure:
                await zk.set("/a", b"1", timeout=0.05)
            assert failure.value.outcome is Outcome.NOT_SENT
            zk.set_hosts(hosts.partition("/")[0])
            assert (await zk.get("/a")).data == b"0"

    run(main())


def test_a_lost_session_is_followed_by_a_new_one(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            states: list[State] = []
            zk.add_listener(states.append)
            old = zk.session_id
            zk._session.core.password = b"wrong" + bytes(11)
            zk._session.drop_connection("cut by the test")
            await poll(lambda: State.CONNECTED in states, "a new session")
            assert states == [State.SUSPENDED, State.LOST, State.CONNECTED]
            assert zk.session_id not in (0, old)

    run(main())


def test_retrying(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            calls: list[int] = []

            async def flaky() -> str:
                calls.append(1)
                if len(calls) < 3:
                    raise ConnectionLossError
                return "done"

            assert await zk.retrying(flaky, RetryPolicy(base=0.001, ceiling=0.001)) == "done"
            with pytest.raises(BadVersionError):
                await zk.retrying(lambda: zk.set("/", b"", version=77))
            calls.clear()
            with pytest.raises(ConnectionLossError):
                await zk.retrying(flaky, RetryPolicy(attempts=2, base=0.001, ceiling=0.001))

    run(main())


def test_a_hundred_at_once(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await asyncio.gather(*(zk.create(f"/n{n}", b"%d" % n) for n in range(100)))
            nodes = await asyncio.gather(*(zk.get(f"/n{n}") for n in range(100)))
            assert [node.data for node in nodes] == [b"%d" % n for n in range(100)]

    run(main())
