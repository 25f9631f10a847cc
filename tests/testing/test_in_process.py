from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import ConnectionLossError, OperationTimeoutError
from zoo.testing.in_process import ThreadServer
from zoo.testing.servers import ServerProblem


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with ThreadServer() as server:
        yield server


def test_it_serves_and_leaves_nothing_behind() -> None:
    hook = threading.excepthook
    with ThreadServer({"tickTime": 1000}) as server:
        assert server.is_running
        assert "up" in repr(server)
        with Client(server.hosts) as zk:
            assert zk.create("/a", b"1").data == b"1"
            assert zk.session_timeout >= 2
    assert not server.is_running
    assert threading.excepthook is hook
    assert not any("zoo server" in thread.name for thread in threading.enumerate())


def test_the_data_and_the_port_stay_over_a_kill_and_a_stop(server: ThreadServer) -> None:
    with Client(server.hosts) as zk:
        zk.create("/a", b"1")
        session_id = zk.session_id
        server.kill()
        with pytest.raises((ConnectionLossError, OperationTimeoutError)):
            zk.set("/a", b"2", timeout=0.3)
        server.start()
        assert zk.get("/a").data in (b"1", b"2")
        assert zk.session_id == session_id
        server.stop()
        assert not server.is_running
        assert server.start() is server.start()
        assert zk.exists("/a") is not None


def test_a_paused_server_says_nothing(server: ThreadServer) -> None:
    with Client(server.hosts) as zk:
        zk.create("/a")
        server.pause()
        began = time.monotonic()
        server.pause()  # it stands already
        assert time.monotonic() - began < 10
        with pytest.raises(OperationTimeoutError):
            zk.get("/a", timeout=0.2)
        server.resume()
        assert zk.get("/a").data == b""
    server.kill()
    with pytest.raises(ServerProblem, match="does not run"):
        server.pause()


def test_a_slow_disk_makes_writes_wait(server: ThreadServer) -> None:
    with Client(server.hosts) as zk:
        zk.create("/a")
        server.slow_disk(0.2)
        began = time.monotonic()
        zk.set("/a", b"1")
        assert time.monotonic() - began >= 0.2
        assert zk.get("/a").data == b"1"
        server.slow_disk(0)


def test_a_port_that_is_taken_is_a_problem(server: ThreadServer) -> None:
    other = ThreadServer({"clientPort": server.port})
    assert other.hosts == server.hosts
    with pytest.raises(ServerProblem, match="does not serve"):
        other.start()
    other.close()


def test_it_is_up_soon() -> None:
    times = []
    for _ in range(5):
        began = time.monotonic()
        with ThreadServer():
            times.append(time.monotonic() - began)
    assert min(times) < 0.3, times
