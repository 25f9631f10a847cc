from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest

from zoo.client.blocking import Client
from zoo.client.calls import Call
from zoo.client.converters import TEXT
from zoo.client.direct import DirectSession, ask, finish
from zoo.client.errors import (
    BadVersionError,
    ClientClosedError,
    ConnectionLossError,
    NoNodeError,
    OperationTimeoutError,
    Outcome,
    RequestTooLargeError,
)
from zoo.client.portal import portal
from zoo.client.session import Session
from zoo.client.wire import IS_POSSIBLE
from zoo.jute.client_records import ExistsRequest
from zoo.jute.operations import Op
from zoo.testing.partition import Partition


def test_answers_and_errors(hosts: str) -> None:
    zk = Client(hosts)
    with pytest.raises(ClientClosedError):
        zk.get("/")
    with zk:
        zk.create("/a", b"1")
        assert zk.get("/a").data == b"1"
        assert zk.set("/a", b"2").version == 1
        with pytest.raises(BadVersionError, match="set /a"):
            zk.set("/a", b"", version=9)
        with pytest.raises(NoNodeError, match="get /b"):
            zk.get("/b")
        with pytest.raises(RequestTooLargeError):
            zk.set("/a", bytes(1 << 20))
        reader, zxid = ask(zk._client._session, Op.exists, ExistsRequest(b"/", False), "/", None)
        assert (reader.remaining, zxid) == (68, zk.last_zxid)
    with pytest.raises(ClientClosedError):
        zk.get("/")


def test_operations_of_several_requests(hosts: str) -> None:
    with Client(hosts) as zk:
        zk.create("/a/b/c", b"1", make_parents=True)
        assert zk.exists("/a/b") is not None
        assert zk.children("/a") == ["b"]
        below = zk.below("/a").with_data(TEXT)
        assert below.get("/b/c").data == "1"
        assert below.count_descendants() == 2
        assert zk.delete_all("/a") == 3
        assert zk.exists("/a") is None


def test_what_waits_for_a_loop_is_no_direct_operation(hosts: str) -> None:
    with pytest.raises(AssertionError, match="waits for its loop"):
        finish(asyncio.sleep(0))
    session: Any = DirectSession(Client(hosts)._client._session)
    with pytest.raises(AssertionError, match="on the loop"):
        finish(session.request(Op.exists, None, "/", "a watch", None))


def test_a_late_request_that_was_not_sent_never_will_be(hosts: str) -> None:
    with Client(hosts) as zk:
        zk.create("/a", b"1")
        zk.set_hosts("127.0.0.1:1")
        with pytest.raises(OperationTimeoutError) as failure:
            zk.set("/a", b"2", timeout=0.1)
        assert failure.value.outcome is Outcome.NOT_SENT
        zk.set_hosts(hosts.partition("/")[0])
        assert zk.get("/a").data == b"1"


def test_no_deadline_at_all(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(hosts) as zk:
        assert zk.set("/", b"1", timeout=inf).version == 1
        monkeypatch.setattr("zoo.client.direct._ask_alone", lambda *_: False)
        assert zk.set("/", b"2", timeout=inf).version == 2, "as with others under way"
        assert zk.create("/a", b"1", timeout=inf).path == "/a"


def test_the_portals_own_thread_may_not_block(hosts: str) -> None:
    with Client(hosts) as zk:

        async def wrong() -> None:
            zk.get("/")

        with pytest.raises(RuntimeError, match="own thread"):
            portal().run(wrong())


@pytest.fixture
def net(hosts: str) -> Iterator[tuple[Partition, str]]:
    """A relay to the server, and the connect string through it."""
    port, _, chroot = hosts.rpartition(":")[2].partition("/")
    with Partition(int(port)) as relay:
        yield relay, f"{relay.hosts}/{chroot}"


class Worker(threading.Thread):
    """Writes numbers into a znode of its own and reads them back, whatever the connection does."""

    def __init__(self, zk: Client[bytes], path: str, stop: threading.Event) -> None:
        super().__init__(name=path, daemon=True)
        self._zk, self._path, self._stop_now = zk, path, stop
        self.known = 0
        self.events = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stop_now.is_set():
                self._step()
        except BaseException as error:
            self.error = error

    def _step(self) -> None:
        fired = threading.Event()
        before = self._zk.get(self._path, watch=lambda _: fired.set())
        assert int(before.data) == self.known
        try:
            self._zk.set(self._path, str(self.known + 1).encode(), version=before.stat.version)
        except ConnectionLossError:
            if int(self._zk.get(self._path).data) == self.known:
                return
        self.known += 1
        for _ in range(5):
            assert int(self._zk.get(self._path).data) == self.known
        assert fired.wait(10), f"no event of {self._path}"
        self.events += 1


def test_threads_while_connections_break(net: tuple[Partition, str]) -> None:
    relay, through = net
    with Client(through) as zk:
        session_id = zk.session_id
        stop = threading.Event()
        workers = [Worker(zk, f"/{n}", stop) for n in range(8)]
        for worker in workers:
            zk.create(worker.name, b"0")
        for worker in workers:
            worker.start()
        for _ in range(8):
            poll_events(workers, sum(each.events for each in workers) + 40)
            relay.break_connections()
        poll_events(workers, sum(each.events for each in workers) + 40)
        stop.set()
        for worker in workers:
            worker.join(20)
        assert [each.error for each in workers] == [None] * 8
        assert zk.session_id == session_id
        for worker in workers:
            assert int(zk.get(worker.name).data) == worker.known


def poll_events(workers: list[Worker], enough: int) -> None:
    for _ in range(4000):
        if sum(each.events for each in workers) >= enough:
            return
        assert all(each.error is None for each in workers), [each.error for each in workers]
        threading.Event().wait(0.005)
    raise AssertionError(f"{workers} do not go on")


class Rung(Exception):
    """Raised by the handler of a signal, anywhere."""


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # interrupted right before
def test_a_caller_that_is_interrupted_anywhere(hosts: str) -> None:
    def ring(*_: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    interrupted = 0
    try:
        with Client(hosts) as zk:
            session_id = zk.session_id
            for n in range(20):
                zk.create(f"/{n}", str(n).encode())
            for n in range(40):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.002 + n / 20_000)
                    for again in range(10_000):
                        assert zk.get(f"/{again % 20}").data == str(again % 20).encode()
                except Rung:
                    interrupted += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                assert zk.get(f"/{n % 20}", timeout=10).data == str(n % 20).encode()
            assert zk.session_id == session_id
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 40


def test_a_handler_may_call_while_a_call_waits(net: tuple[Partition, str], hosts: str) -> None:
    relay, through = net
    seen: list[bytes] = []
    with Client(through) as zk, Client(hosts) as other:
        other.create("/a", b"1")

        def look(*_: object) -> None:
            relay.heal()
            seen.append(zk.get("/a").data)

        before = signal.signal(signal.SIGALRM, look)
        try:
            relay.cut()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert zk.get("/a").data == b"1"
        finally:
            signal.signal(signal.SIGALRM, before)
    assert seen == [b"1"]


def test_a_lone_call_does_without_the_loop(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not IS_POSSIBLE:
        pytest.skip("connections are lent where there are epoll and eventfd")
    on_the_loop: list[Call] = []
    submit = Session.submit
    monkeypatch.setattr(
        Session, "submit", lambda self, call: on_the_loop.append(call) or submit(self, call)
    )
    with Client(hosts) as zk:
        zk.create("/a", b"1")
        on_the_loop.clear()
        for n in range(100):
            zk.set("/a", str(n).encode())
            assert zk.get("/a").data == str(n).encode()
        assert len(on_the_loop) < 10  # a ping may have been under way


def test_a_forked_child_leaves_the_connection_alone(hosts: str) -> None:
    with Client(hosts) as zk:
        zk.create("/a", b"1", ephemeral=True)
        child = os.fork()
        if child == 0:
            try:
                zk.set("/a", b"of the child")
            except RuntimeError as error:
                zk.close()
                os._exit(0 if "forked" in str(error) and zk.state.is_final else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert zk.get("/a").data == b"1"
        assert zk.state.is_usable
