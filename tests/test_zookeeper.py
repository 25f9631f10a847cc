from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import zookeeper
from tests.client.live import poll
from zoo.client.async_client import AsyncClient
from zoo.client.errors import (
    BadVersionError,
    ClientClosedError,
    NoNodeError,
    OperationTimeoutError,
)
from zoo.client.portal import portal
from zoo.client.watches import Event
from zoo.zookeeper import ZooKeeper

TUTORIAL = """
from zookeeper import ZooKeeper
zk = ZooKeeper({hosts!r})
zk.create('/greeting', 'hello')
got = zk.get('/greeting', watch=True)
zk.set('/greeting', 'hi', version=got[0])
print(next(zk.events()).type.name, zk.get('/greeting').data.decode(), zk.children('/'))
zk.stop()
"""


def test_the_tutorial_runs_as_written(hosts: str) -> None:
    program = TUTORIAL.format(hosts=hosts)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert ended.stderr == ""
    assert ended.stdout == "NODE_DATA_CHANGED hi ['greeting']\n"


def test_the_contract(hosts: str) -> None:
    zk = ZooKeeper(hosts)
    assert "not connected" in repr(zk)
    assert zk.create("/a", "text") == "/a"
    assert zk.create("/a/s-", b"bytes", ZooKeeper.PERSISTENT_SEQUENTIAL) == "/a/s-0000000000"
    assert zk.create("/a/e-", "", ZooKeeper.EPHEMERAL_SEQUENTIAL) == "/a/e-0000000001"
    assert zk.create("/e", "", ZooKeeper.EPHEMERAL) == "/e"
    assert zk.create("/c", flags=ZooKeeper.CONTAINER) == "/c"
    version, data, stat = zk.get("/a")
    assert (version, data, stat.version) == (0, b"text", 0)
    assert zk.set("/a", "other", version=version).version == 1
    with pytest.raises(BadVersionError, match="set /a"):
        zk.set("/a", "third", version=version)
    assert zk.get("/a").data == b"other"
    assert zk.exists("/none") is None
    with pytest.raises(NoNodeError):
        zk.delete("/none")
    zk.delete("/c", version=0)
    with pytest.raises(TypeError, match=r"^/a: data must be str or bytes, not int"):
        zk.set("/a", 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^/s: .*surrogates not allowed"):
        zk.create("/s", "\ud800")
    with pytest.raises(ValueError, match=r"^/t: flags 5 need a ttl"):
        zk.create("/t", "", 5)
    with pytest.raises(ValueError, match=r"^/t: flags must be one of 0 PERSISTENT, .*; not 9"):
        zk.create("/t", "", 9)
    zk.stop()
    with zk:
        assert zk.children() == ["a"], "ephemerals went with the first session"
    assert zk.start().exists("/a") is not None
    zk.stop()


def test_events(hosts: str) -> None:
    with ZooKeeper(hosts) as zk:
        assert zk.exists("/a", watch=True) is None
        zk.children("/", watch=True)
        zk.create("/a", "x")
        events = zk.events(timeout=5)
        assert [f"{event.type} {event.path}" for event in (next(events), next(events))] == [
            "NODE_CREATED /a",
            "NODE_CHILDREN_CHANGED /",
        ]
        assert list(zk.events(timeout=0.01)) == []
    assert list(zk.events()) == []


def test_each_connection_has_its_own_events(hosts: str) -> None:
    zk = ZooKeeper(hosts)
    zk.create("/a")
    zk.get("/a", watch=True)
    zk.get("/a", watch=True)
    zk.stop()
    assert [(event.type.name, event.state.name) for event in zk.events()] == [("NONE", "CLOSED")]
    assert list(zk.events()) == []
    zk.stop()
    for _ in range(2):
        zk.start()
        zk.get("/a", watch=True)
        zk.exists("/none", watch=True)
        zk.set("/a", "x")
        assert next(zk.events(timeout=5)).path == "/a"
        zk.client.close()  # by itself: the next call connects again
    zk.get("/a", watch=True)
    zk.set("/a", "y")
    assert next(zk.events(timeout=5)).path == "/a"
    zk.stop()


def test_all_who_read_events_are_told_of_the_end(hosts: str) -> None:
    zk = ZooKeeper(hosts)
    read: list[list[Event]] = []
    readers = [
        threading.Thread(target=lambda: read.append(list(zk.events())), daemon=True)
        for _ in range(3)
    ]
    for reader in readers:
        reader.start()  # before there is a connection, whose events they get
    zk.create("/a")
    zk.get("/a", watch=True)
    zk.set("/a", "x")
    zk.stop()
    for reader in readers:
        reader.join(5)
    assert sorted(map(len, read)) == [0, 0, 1]
    ZooKeeper(hosts).stop()
    never = ZooKeeper(hosts)
    never.stop()
    assert list(never.events()) == []


def test_start_connects_without_assertions_too(hosts: str) -> None:
    program = f"from zookeeper import ZooKeeper; print(ZooKeeper({hosts!r}).start())"
    ended = subprocess.run(
        [sys.executable, "-O", "-c", program], capture_output=True, text=True, timeout=30
    )
    assert " connected>" in ended.stdout, ended.stderr


class Gate:
    """Clients begin to start, and go on when it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.error: Exception | None = None
        self._opened = threading.Event()
        start = AsyncClient.start

        async def wait_and_start(client: AsyncClient[bytes]) -> None:
            self.begun += 1
            try:
                await poll(self._opened.is_set, "the gate is opened")
                if self.error is not None:
                    raise self.error
                await start(client)
            except BaseException:
                await client._session.close(0)
                raise

        monkeypatch.setattr(AsyncClient, "start", wait_and_start)

    def open(self) -> None:
        self._opened.set()

    def wait_for(self, zk: ZooKeeper, waiting: int) -> None:
        """Until so many threads wait for a client."""
        portal().run(poll(lambda: self._count(zk) == waiting, f"{waiting} wait"))

    def _count(self, zk: ZooKeeper) -> int:
        return zk._connection._waiting if zk._connection is not None else 0


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class Use(threading.Thread):
    """Somebody's first use."""

    def __init__(self, zk: ZooKeeper) -> None:
        super().__init__(daemon=True)
        self._zk = zk
        self.outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._zk.children()
        except BaseException as error:
            self.outcome = error


def outcomes(uses: list[Use]) -> list[object]:
    for use in uses:
        use.join(10)
    return [use.outcome for use in uses]


def test_all_wait_for_one_start(hosts: str, gate: Gate) -> None:
    zk = ZooKeeper(hosts)
    uses = [Use(zk) for _ in range(4)]
    gate.wait_for(zk, 4)
    gate.open()
    assert outcomes(uses) == [[]] * 4
    assert gate.begun == 1
    zk.stop()


def test_all_get_the_error_of_the_start_and_the_next_tries_again(hosts: str, gate: Gate) -> None:
    zk = ZooKeeper(hosts)
    uses = [Use(zk) for _ in range(4)]
    gate.wait_for(zk, 4)
    gate.error = OperationTimeoutError("no server", operation="connect")
    gate.open()
    assert outcomes(uses) == [gate.error] * 4
    gate.error = None
    assert zk.children() == []
    assert gate.begun == 2
    zk.stop()


def test_stop_while_others_wait_for_the_start(hosts: str, gate: Gate) -> None:
    zk = ZooKeeper(hosts)
    uses = [Use(zk) for _ in range(2)]
    gate.wait_for(zk, 2)
    zk.stop()
    assert list(zk.events(timeout=5)) == []
    gate.open()
    assert [type(outcome) for outcome in outcomes(uses)] == [ClientClosedError] * 2
    assert zk.children() == []
    zk.stop()


class Rung(Exception):
    pass


@contextmanager
def alarm(gate: Gate, zk: ZooKeeper, handler: Callable[[], object]) -> Iterator[None]:
    """`handler` is called in this thread, while it waits for the client."""
    me = threading.get_ident()

    def ring() -> None:
        gate.wait_for(zk, 1)
        signal.pthread_kill(me, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    ringing = threading.Thread(target=ring, daemon=True)
    ringing.start()
    try:
        yield
    finally:
        ringing.join()
        signal.signal(signal.SIGALRM, before)


def test_a_handler_may_stop_what_is_being_started(hosts: str, gate: Gate) -> None:
    zk = ZooKeeper(hosts)

    def stop() -> None:
        zk.stop()
        gate.open()

    with alarm(gate, zk, stop), pytest.raises(ClientClosedError):
        zk.start()
    assert zk.start().children() == []
    zk.stop()


def test_a_handler_may_use_what_is_being_started(hosts: str, gate: Gate) -> None:
    zk = ZooKeeper(hosts)
    found: list[object] = []

    def use() -> None:
        gate.open()
        found.append(zk.children())

    with alarm(gate, zk, use):
        assert zk.children() == []
    assert found == [[]]
    assert gate.begun == 1
    zk.stop()


@pytest.mark.parametrize("others", [0, 2])
def test_who_is_interrupted_leaves_the_start_to_others(hosts: str, gate: Gate, others: int) -> None:
    zk = ZooKeeper(hosts)
    uses: list[Use] = []

    def ring() -> None:
        uses.extend(Use(zk) for _ in range(others))
        gate.wait_for(zk, 1 + others)
        raise Rung

    with alarm(gate, zk, ring), pytest.raises(Rung):
        zk.start()
    gate.wait_for(zk, others)
    gate.open()
    assert outcomes(uses) == [[]] * others
    assert zk.children() == []
    assert gate.begun == (1 if others else 2), "what nobody waits for is given up"
    zk.stop()


def test_stop_between_two_steps_of_a_start(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zk = ZooKeeper(hosts)
    connect = zk._new_connection

    def interrupted(old: Any) -> Any:
        made = connect(old)
        zk.stop()  # as a handler might, here
        return made

    monkeypatch.setattr(zk, "_new_connection", interrupted)
    with pytest.raises(ClientClosedError):
        zk.start()
    assert list(zk.events(timeout=5)) == []
    monkeypatch.undo()
    assert zk.start().children() == []
    zk.stop()


def test_hosts_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="not a port"):
        ZooKeeper("localhost:x")
    assert zookeeper.ZooKeeper is ZooKeeper
