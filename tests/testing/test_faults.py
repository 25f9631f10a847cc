from __future__ import annotations

import queue

from tests.client.live import poll, run
from zoo.client.async_client import connect
from zoo.client.blocking import Client
from zoo.client.states import State
from zoo.testing import drop_connection, drop_connection_of, expire_session, expire_session_of


def test_an_expired_session(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            states: list[State] = []
            zk.add_listener(states.append)
            old = zk.session_id
            await zk.create("/e", ephemeral=True)
            await expire_session(zk)
            await poll(lambda: State.CONNECTED in states[1:], "connected again")
            assert State.LOST in states
            assert zk.session_id != old
            assert await zk.exists("/e") is None

    run(main())


def test_a_dropped_connection(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            old = zk.session_id
            drop_connection(zk)
            assert zk.state is State.SUSPENDED
            await zk.wait_until_connected()
            assert zk.session_id == old

    run(main())


def test_the_same_for_blocking_clients(hosts: str) -> None:
    with Client(hosts) as zk:
        states: queue.SimpleQueue[State] = queue.SimpleQueue()
        zk.add_listener(states.put)
        drop_connection_of(zk)
        assert [states.get(timeout=5) for _ in range(2)] == [State.SUSPENDED, State.CONNECTED]
        old = zk.session_id
        expire_session_of(zk)
        while states.get(timeout=5) is not State.LOST:
            pass
        zk.wait_until_connected()
        assert zk.session_id != old
