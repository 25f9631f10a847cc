"""Our client and recipes against one and three servers of both kinds, so that the real thing
judges them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.client.live import break_connection, poll, run
from tests.client.tls_front import make_certificate, needs_openssl
from tests.interop.harness import Server, free_port
from zoo.client.async_client import connect
from zoo.client.errors import AuthFailedError, OperationTimeoutError, TransactionFailedError
from zoo.client.results import Node
from zoo.client.states import State
from zoo.client.transaction import Get, ListChildren
from zoo.client.watches import Event
from zoo.jute.constants import CREATOR_ALL_ACL, EventType
from zoo.jute.records import ClientInfo
from zoo.recipes import Counter, Election, Lock, Queue, RWLock, Semaphore, WorkQueue
from zoo.shell.access import Access
from zoo.testing import expire_session

pytestmark = pytest.mark.interop


def test_every_operation(address: str) -> None:
    async def main() -> None:
        async with connect(address) as zk:
            await zk.create("/a", b"1")
            await zk.create("/c", container=True)
            await zk.create("/t", ttl=60)
            await zk.create("/a/s-", sequence=True, protected=True)
            await zk.set("/a", b"2", version=0)
            assert (await zk.get("/a")).data == b"2"
            assert len(await zk.children("/a")) == 1
            assert await zk.count_descendants("/a") == 1
            await zk.create("/e", ephemeral=True)
            assert await zk.ephemerals() == ["/e"]
            await zk.add_auth("digest", "kim:secret")
            assert any(info.user == "kim" for info in await zk.who_am_i())
            await zk.create("/mine", acl=CREATOR_ALL_ACL)
            acl, stat = await zk.get_acl("/mine")
            await zk.set_acl("/mine", acl, version=stat.aversion)
            await zk.sync()
            t = zk.transaction()
            t.create("/x")
            t.check("/a", version=9)
            with pytest.raises(TransactionFailedError) as failure:
                await t.commit()
            assert failure.value.failed == 1
            node, names, error = await zk.multi_read([Get("/a"), ListChildren("/"), Get("/x")])
            assert isinstance(node, Node)
            assert isinstance(names, list)
            assert isinstance(error, Exception)
            await zk.delete_all("/a")
            assert await zk.exists("/a") is None

    run(main())


def test_watches_over_broken_connections(address: str) -> None:
    async def main() -> None:
        async with connect(address) as zk, connect(address) as other:
            seen: list[Event] = []
            await zk.exists("/a", watch=seen.append)
            async with await zk.watch("/", recursive=True) as events:
                await break_connection(zk)
                await other.create("/a")
                assert (await anext(events)).is_gap
                assert (await anext(events)).type is EventType.NODE_CREATED
            assert [event.type for event in seen] == [EventType.NODE_CREATED]

    run(main())


def test_a_lost_session_and_refused_credentials(address: str) -> None:
    async def main() -> None:
        async with connect(address) as zk:
            states: list[State] = []
            zk.add_listener(states.append)
            await expire_session(zk)
            # It may have been connected in between: whoever ends a session takes it over first.
            await poll(
                lambda: State.LOST in states and zk.state is State.CONNECTED, "a new session"
            )
            with pytest.raises(AuthFailedError):
                await zk.add_auth("nonsense", b"x")

    run(main())


def test_recipes(address: str) -> None:
    async def main() -> None:
        async with connect(address) as zk, connect(address) as other:
            counters = [Counter(client, "/c") for client in (zk, other)]
            await asyncio.gather(*(counters[n % 2].add() for n in range(10)))
            assert await counters[0].get() == 10
            async with Lock(zk, "/l") as place:
                with pytest.raises(OperationTimeoutError):
                    await Lock(other, "/l").acquire(timeout=0.1)
                async with place.guarded() as t:
                    t.create("/guarded")
            async with RWLock(zk, "/rw").read, RWLock(other, "/rw").read:
                pass
            async with Semaphore(zk, "/s", 1), Election(other, "/e") as leadership:
                assert leadership.is_held
            await Queue(zk, "/q").put(b"x")
            assert await Queue(other, "/q").get(timeout=5) == b"x"
            work = WorkQueue(zk, "/w")
            await work.put(b"x")
            assert await work.ack(await work.take(timeout=5))

    run(main())


@needs_openssl
def test_tls_with_a_java_server(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Each side shows a certificate; by ours the server knows who we are."""
    cert, key = make_certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(key.read_text() + cert.read_text())
    port = free_port()
    start_server(
        "java",
        serverCnxnFactory="org.apache.zookeeper.server.NettyServerCnxnFactory",
        secureClientPort=port,
        **{
            "ssl.keyStore.location": both,
            "ssl.trustStore.location": both,
            "authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
        },
    )
    access = Access(f"localhost:{port}", ca=str(cert), certificate=str(cert), key=str(key))

    async def main() -> None:
        async with connect(access.hosts, ssl=access.ssl()) as zk:
            await zk.create("/a", b"over TLS", acl=CREATOR_ALL_ACL)
            assert ClientInfo("x509", "CN=localhost") in await zk.who_am_i()
        with pytest.raises(OperationTimeoutError, match="localhost"):
            await connect(access.hosts, ssl=Access(ca=str(cert)).ssl()).start(timeout=1)

    run(main())


def test_kazoo_and_we_exclude_each_other(start_server: Callable[..., Server]) -> None:
    server = start_server("zoo")
    kazoo = KazooClient(server.address)
    kazoo.start()
    theirs = kazoo.Lock("/l", "kazoo", extra_lock_patterns=["-lock-"])

    async def main() -> None:
        async with connect(server.address) as zk:
            assert await asyncio.to_thread(theirs.acquire, timeout=5)
            with pytest.raises(OperationTimeoutError):
                await Lock(zk, "/l").acquire(timeout=0.1)
            await asyncio.to_thread(theirs.release)
            async with Lock(zk, "/l", name="ours"):
                assert not await asyncio.to_thread(theirs.acquire, blocking=False)

    try:
        run(main())
    finally:
        kazoo.stop()
        kazoo.close()
