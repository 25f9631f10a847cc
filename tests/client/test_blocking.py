from __future__ import annotations

import asyncio
import inspect
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from zoo.client.async_client import AsyncClient
from zoo.client.blocking import Client
from zoo.client.converters import JSON
from zoo.client.errors import BadVersionError, ConnectionLossError
from zoo.client.portal import portal
from zoo.client.retry import RetryPolicy
from zoo.client.states import State
from zoo.client.watches import Event
from zoo.jute.constants import EventType


def public(cls: type) -> dict[str, object]:
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


def test_the_twins_have_the_same_methods() -> None:
    blocking, asyncio_ = public(Client), public(AsyncClient)
    assert blocking.keys() == asyncio_.keys() - {"at"}
    for name, method in blocking.items():
        if callable(method):
            mine = inspect.signature(method).parameters
            theirs = inspect.signature(asyncio_[name]).parameters  # type: ignore[arg-type]
            assert {n: (p.kind, p.default) for n, p in mine.items()} == {
                n: (p.kind, p.default) for n, p in theirs.items()
            }, name
            assert method.__doc__ or not asyncio_[name].__doc__


def test_a_tour(hosts: str) -> None:
    with Client(hosts) as zk:
        assert zk.state is State.CONNECTED
        assert repr(zk).startswith("<Client ")
        assert zk.session_timeout == 10
        made = zk.create("/a", b"1")
        assert zk.get("/a") == made
        assert zk.set("/a", b"2", version=0).version == 1
        with pytest.raises(BadVersionError):
            zk.set("/a", b"3", version=0)
        zk.ensure_path("/b/c")
        assert zk.children() == ["a", "b"]
        assert zk.children_stat("/b").names == ["c"]
        assert zk.below("/b").children() == ["c"]
        assert zk.count_descendants() == 3
        zk.with_data(JSON).set("/a", {"x": 1})
        assert zk.get("/a").data == b'{"x":1}'
        zk.create("/e", ephemeral=True)
        assert zk.ephemerals() == ["/e"]
        acl, stat = zk.get_acl("/a")
        assert zk.set_acl("/a", acl, version=stat.aversion).aversion == 1
        zk.delete("/a")
        assert zk.exists("/a") is None
        assert zk.delete_all("/b") == 2
        zk.add_auth("digest", "kim:secret")
        assert any(info.user == "kim" for info in zk.who_am_i())
        zk.sync()
        assert zk.get_config().path == "/zookeeper/config"
        zk.wait_until_connected()
        zk.set_hosts(hosts.partition("/")[0])
        assert zk.last_zxid > 0
        assert zk.chroot == "/" + hosts.partition("/")[2]
    assert zk.state is State.CLOSED


def test_callbacks_may_block_on_the_client(hosts: str) -> None:
    with Client(hosts) as zk:
        values: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        zk.create("/a", b"1")
        zk.get("/a", watch=lambda event: values.put(zk.get(event.path).data))
        zk.set("/a", b"2")
        assert values.get(timeout=5) == b"2"


def test_listeners(hosts: str) -> None:
    zk = Client(hosts)
    states: queue.SimpleQueue[State] = queue.SimpleQueue()
    zk.add_listener(states.put)
    zk.start()
    assert states.get(timeout=5) is State.CONNECTED
    zk.remove_listener(states.put)
    zk.close()
    assert states.empty()


def test_a_callback_that_is_given_twice_is_called_once(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        for _ in range(5):
            zk.get("/", watch=events.put)
            zk.below("/").get("/", watch=events.put)
        other.set("/", b"1")
        assert events.get(timeout=5).type is EventType.NODE_DATA_CHANGED
        zk.get("/", watch=events.put)
        other.set("/", b"2")
        assert events.get(timeout=5).type is EventType.NODE_DATA_CHANGED
        assert events.empty(), "those of the first change would have come before"

        states: queue.SimpleQueue[State] = queue.SimpleQueue()
        zk.add_listener(states.put)
        zk.add_listener(states.put)
        zk.set_hosts("127.0.0.1:1")
        assert states.get(timeout=5) is State.SUSPENDED
        zk.set_hosts(hosts.partition("/")[0])
        assert states.get(timeout=5) is State.CONNECTED
        zk.remove_listener(states.put)
    assert states.empty()


def test_what_is_told_at_the_very_end_comes_before_it(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zk = Client(hosts)
    states: queue.SimpleQueue[object] = queue.SimpleQueue()
    zk.add_listener(states.put)

    async def close(*, timeout: float) -> None:
        """As of a client that was never started, which has nothing to wait for."""
        for listener in zk._client._session.listeners:
            asyncio.get_running_loop().call_soon(listener, State.CLOSED)

    monkeypatch.setattr(zk._client, "close", close)
    zk._end(5, lambda: states.put("the end"))
    assert [states.get(timeout=5), states.get(timeout=5)] == [State.CLOSED, "the end"]


def test_a_watch_that_nobody_could_call(hosts: str) -> None:
    with Client(hosts) as zk:
        wrong: Any = True
        for read in (zk.get, zk.exists, zk.children, zk.children_stat):
            with pytest.raises(TypeError, match=r"^/: watch must be a function .* not True"):
                read("/", watch=wrong)
        with pytest.raises(TypeError, match=r"^/zookeeper/config: watch must be a function"):
            zk.get_config(watch=wrong)


def test_many_threads(hosts: str) -> None:
    with Client(hosts) as zk:
        zk.create("/a", b"0")

        def add() -> None:
            for _ in range(10):
                while True:
                    node = zk.get("/a")
                    try:
                        zk.set("/a", b"%d" % (int(node.data) + 1), version=node.version)
                        break
                    except BadVersionError:
                        continue

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert zk.get("/a").data == b"40"


QUICK = RetryPolicy(attempts=3, base=0.001, ceiling=0.001)


def test_retrying(hosts: str) -> None:
    with Client(hosts) as zk:
        threads: list[threading.Thread] = []

        def flaky() -> bytes:
            threads.append(threading.current_thread())
            if len(threads) < 3:
                raise ConnectionLossError
            return zk.get("/").data

        assert zk.retrying(flaky, QUICK) == b""
        assert threads == [threading.current_thread()] * 3


def test_what_is_not_tried_again(hosts: str) -> None:
    tried: list[BaseException] = []

    def fail(error: BaseException) -> Callable[[], None]:
        def operation() -> None:
            tried.append(error)
            raise error

        return operation

    zk = Client(hosts)
    for error, policy, times in (
        (ConnectionLossError(), QUICK, 3),
        (ConnectionLossError(), RetryPolicy(deadline=0, base=60, ceiling=60), 1),
        (BadVersionError(), QUICK, 1),
        (KeyError(), QUICK, 1),
        (KeyboardInterrupt(), QUICK, 1),
    ):
        tried.clear()
        with pytest.raises(type(error)):
            zk.retrying(fail(error), policy)
        assert tried == [error] * times
    with zk:
        pass
    tried.clear()
    with pytest.raises(ConnectionLossError):
        zk.retrying(fail(ConnectionLossError()), QUICK)
    assert len(tried) == 1, "it is closed for good"


def test_many_that_retry_leave_the_connection_a_thread(hosts: str) -> None:
    count = min(32, (os.cpu_count() or 1) + 4)  # threads of the executor that resolves names
    with Client(hosts.replace("127.0.0.1", "localhost"), operation_timeout=20) as zk:
        barrier = threading.Barrier(count + 1)
        results: queue.SimpleQueue[object] = queue.SimpleQueue()

        def look() -> bytes:
            barrier.wait(10)  # all are under way
            barrier.wait(10)  # the connection is broken
            return zk.get("/").data

        def work() -> None:
            try:
                results.put(zk.retrying(look))
            except BaseException as error:
                results.put(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        barrier.wait(10)
        portal().post(zk._client._session.drop_connection, "cut by the test")
        barrier.wait(10)
        assert [results.get(timeout=5) for _ in threads] == [b""] * count


def test_an_event_is_an_event(hosts: str) -> None:
    with Client(hosts) as zk, zk.watch("/", recursive=True) as events:
        zk.create("/a")
        event = events.next(timeout=5)
        assert isinstance(event, Event)
        assert event.type is EventType.NODE_CREATED
