from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.interop.raw_client import LinkClosed
from tests.runtime.servers import (
    CREATE,
    DEADLINE,
    SET_DATA,
    Client,
    InThread,
    create_body,
    set_body,
    wait_for,
)
from tests.runtime.test_file_storage import FaultyFiles
from zoo.persistence.storage import StorageFailed
from zoo.runtime import driver as driver_module
from zoo.runtime.driver import DiskHangs


class Broken(Exception):
    pass


def broken(*_: object) -> None:
    raise Broken("injected")


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def server(tmp_path: Path, files: FaultyFiles) -> Iterator[InThread]:
    with InThread(tmp_path, files) as server:
        yield server
        files.instead.clear()


class Gate:
    """A system call that does not return until it may."""

    def __init__(self, files: FaultyFiles, name: str) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        real = getattr(os, name)

        def call(*arguments: object) -> object:
            self.reached.set()
            self.open.wait(DEADLINE)
            return real(*arguments)

        files.instead[name] = call


def acknowledged(client: Client) -> int:
    """How many replies come until the server closes."""
    count = 0
    while True:
        try:
            assert client.reply()[2] == 0
        except LinkClosed:
            return count
        count += 1


def refuses(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


# --- the disk fails


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("pwrite", errno.ENOSPC),
        ("pwrite", errno.EIO),
        ("fdatasync", errno.EIO),
        ("posix_fallocate", errno.ENOSPC),
    ],
)
def test_a_failing_log_stops_the_server_and_nothing_undurable_is_acknowledged(
    server: InThread, files: FaultyFiles, tmp_path: Path, call: str, code: int
) -> None:
    client = Client(server.port)
    client.create("/a", b"0")
    files.fail(call, code, after=2)
    value = b"v" * 20_000
    answered = 0
    with contextlib.suppress(LinkClosed):
        while answered < 50:  # one at a time, so that each is a batch
            assert client.call(SET_DATA, set_body("/a", value + b"%d" % answered))[0] == 0
            answered += 1
    assert answered < 50
    failure = server.wait()
    assert isinstance(failure, StorageFailed)
    assert os.strerror(code) in str(failure)
    server.storage.close()
    files.instead.clear()
    with InThread(tmp_path) as again:
        after = Client(again.port)
        kept = after.get("/a")
        assert kept is not None
        assert answered == 0 or int(kept[len(value) :]) >= answered - 1
        after.close()
    client.close()


def test_a_failing_snapshot_stops_the_server(tmp_path: Path, files: FaultyFiles) -> None:
    with InThread(tmp_path, files, snapCount=10) as server:
        client = Client(server.port)
        files.fail("rename", errno.ENOSPC)
        for i in range(30):
            client.send(client.request(CREATE, create_body(f"/{i}")))
        failure = server.wait()
        assert isinstance(failure, StorageFailed)
        assert "snapshot" in str(failure)
        files.instead.clear()
    with InThread(tmp_path) as again:
        assert again.core.tree.last_zxid >= acknowledged(client)
    client.close()


def test_a_failing_purge_is_logged_and_tried_again(
    tmp_path: Path, files: FaultyFiles, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"snapCount": 10, "autopurge_snapRetainCount": 3, "autopurge_purgeInterval": 1}
    with InThread(tmp_path, files, **values) as server:
        client = Client(server.port)
        names = (f"/{n}" for n in count())
        # A server rests between snapshots, so it takes a while of writing to have so many.
        wait_for(
            lambda: (client.create(next(names)), len(server.storage.snapshots()) > 3)[1],
            "snapshots",
        )
        files.fail("unlink", errno.EACCES)
        server.driver.background.submit(server.driver._purge)
        wait_for(lambda: "purging failed" in caplog.text, "the log line")
        assert "next attempt comes in 1 h" in caplog.text
        client.create("/after")
        files.instead.clear()
        server.driver.background.submit(server.driver._purge)
        wait_for(lambda: len(server.storage.snapshots()) == 3, "three snapshots are kept")
        client.close()
        assert server.stop() is None
    with InThread(tmp_path) as again:
        assert b"/after" in again.core.tree.nodes


# --- anything else fails


@pytest.mark.parametrize("where", ["tick", "turn", "go_on", "ready", "connect", "persisted"])
def test_an_exception_of_the_core_ends_the_driver(
    server: InThread, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    client = Client(server.port)
    monkeypatch.setattr(server.core, where, broken)
    client.send(client.request(CREATE, create_body("/a")))
    link = socket.socket()
    link.connect_ex(("127.0.0.1", server.port))  # refused when the driver has ended already
    assert isinstance(server.wait(), Broken)
    assert acknowledged(client) <= (where in ("tick", "connect"))
    client.close()
    link.close()


def test_an_exception_in_any_callback_ends_the_driver(server: InThread) -> None:
    server.in_loop(broken)
    assert isinstance(server.wait(), Broken)


def test_an_exception_in_any_thread_ends_the_driver(server: InThread) -> None:
    hook = threading.excepthook
    threading.Thread(target=broken).start()
    assert isinstance(server.wait(), Broken)
    assert threading.excepthook is not hook


@pytest.mark.parametrize("where", ["_drained", "_snapshot_slice"])
def test_an_exception_in_a_later_step_ends_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(driver_module.Driver, where, broken)
    with InThread(tmp_path, snapCount=4) as server:
        client = Client(server.port)
        for i in range(10):
            client.send(client.request(CREATE, create_body(f"/{i}")))
        if where == "_drained":
            server.in_loop(server.driver.stop)
        assert isinstance(server.wait(), Broken)
        client.close()


# --- stopping


def test_a_write_under_way_is_durable_and_answered_before_the_end(
    server: InThread, files: FaultyFiles, tmp_path: Path
) -> None:
    client, idle = Client(server.port), Client(server.port)
    gate = Gate(files, "fdatasync")
    client.send(client.request(CREATE, create_body("/last", b"word")))
    assert gate.reached.wait(DEADLINE)
    client.send(client.request(CREATE, create_body("/queued")))
    wait_for(lambda: len(server.core.proposals) == 2, "the second write is prepared")
    server.in_loop(server.driver.stop)
    wait_for(lambda: refuses(server.port), "refusal of connections")
    idle.send(idle.request(CREATE, create_body("/too_late")))
    gate.open.set()
    assert acknowledged(client) == 2
    assert acknowledged(idle) == 0
    assert server.wait() is None
    server.storage.close()
    with InThread(tmp_path) as again:
        nodes = again.core.tree.nodes
        assert b"/last" in nodes
        assert b"/queued" in nodes
        assert b"/too_late" not in nodes
    for one in (client, idle):
        one.close()


def test_a_disk_that_never_answers_does_not_keep_the_server(
    server: InThread, files: FaultyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(driver_module, "_THREADS_END_SECONDS", 0.2)
    client = Client(server.port)
    gate = Gate(files, "fdatasync")
    client.send(client.request(CREATE, create_body("/a")))
    assert gate.reached.wait(DEADLINE)
    began = time.monotonic()
    assert isinstance(server.stop(), DiskHangs)
    assert time.monotonic() - began < 5
    assert server.driver.disk_hangs
    assert acknowledged(client) == 0
    gate.open.set()
    wait_for(lambda: not server.driver.disk.is_alive, "the thread's end")
    server.driver.disk.close()
    server.storage.close()
    client.close()


def test_a_silent_disk_is_named_in_the_log(
    server: InThread,
    files: FaultyFiles,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(driver_module, "_DISK_SILENCE_SECONDS", 0.1)
    client = Client(server.port)
    gate = Gate(files, "fdatasync")
    client.send(client.request(CREATE, create_body("/a")))
    wait_for(lambda: "disk is silent" in caplog.text, "the log line")
    gate.open.set()
    assert client.reply()[2] == 0
    client.close()


def test_stopping_does_not_wait_for_a_snapshot(
    tmp_path: Path, files: FaultyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_MAX_SNAPSHOT_BACKLOG", -1)  # never a next slice
    with InThread(tmp_path, files, snapCount=4) as server:
        client = Client(server.port)
        for i in range(10):
            client.create(f"/{i}")
        wait_for(lambda: server.driver._snapshot is not None, "a snapshot begins")
        assert server.stop() is None
        assert [s.zxid for s in server.storage.snapshots()] == [0]
        assert not [p for p in (tmp_path / "version-2").iterdir() if "writing" in p.name]
        client.close()
    with InThread(tmp_path) as again:
        assert again.core.tree.last_zxid == 11


def test_stop_after_the_end_is_nothing(server: InThread) -> None:
    outcome: list[object] = []
    assert server.stop() is None
    server.driver.stop()
    outcome.append(server.driver.stopping)
    assert outcome == [True]


# --- snapshots while serving


@pytest.mark.parametrize("compression", ["", "gz", "snappy"])
def test_snapshots_are_taken_and_purged_while_writes_go_on(
    tmp_path: Path, compression: str
) -> None:
    values: dict[str, object] = {
        "snapCount": 40,
        "autopurge_snapRetainCount": 3,
        **({"zookeeper_snapshot_compression_method": compression} if compression else {}),
    }
    with InThread(tmp_path, None, **values) as server:
        client = Client(server.port)
        slowest, made, deadline = 0.0, 0, time.monotonic() + DEADLINE
        # On a slow disk snapshots rest for longer: ten times as much is logged between them.
        while made < 400 or (len(server.storage.snapshots()) < 5 and time.monotonic() < deadline):
            began = time.monotonic()
            client.create(f"/{made}", b"%d" % made)
            slowest = max(slowest, time.monotonic() - began)
            made += 1
        assert len(server.storage.snapshots()) >= 5
        assert slowest < 1.0
        server.driver.background.submit(server.driver._purge)
        wait_for(lambda: len(server.storage.snapshots()) <= 4, "the purge")
        ending = f".{compression}" if compression else ""
        kept = server.storage.snapshots()[1:]
        assert all(s.name == f"snapshot.{s.zxid:x}{ending}" for s in kept)
        client.close()
        assert server.stop() is None
        logs = [log.zxid for log in server.storage.logs()]
        assert len(logs) >= 3
        assert logs[0] <= server.storage.snapshots()[0].zxid + 1
    check_restart_from_each_state(tmp_path, made)


def check_restart_from_each_state(data: Path, count: int) -> None:
    """Remove the newest snapshot, again and again: the tree is the same from each of them."""
    directory = data / "version-2"
    while True:
        with InThread(data, snapCount=10**6) as again:
            assert again.core.tree.last_zxid == count + 1
            nodes = again.core.tree.nodes
            assert all(b"%d" % i in nodes[b"/%d" % i] for i in range(count))
            snapshots = again.storage.snapshots()
        if len(snapshots) == 1:
            return
        (directory / snapshots[-1].name).unlink()


def test_a_slow_fsync_is_counted_and_logged(
    tmp_path: Path, files: FaultyFiles, caplog: pytest.LogCaptureFixture
) -> None:
    with InThread(tmp_path, files, fsync_warningthresholdms=20) as server:
        client = Client(server.port)
        gate = Gate(files, "fdatasync")
        client.send(client.request(CREATE, create_body("/a")))
        assert gate.reached.wait(DEADLINE)
        wait_for(lambda: server.driver.disk.silent_seconds() > 0.05, "time passes")
        gate.open.set()
        assert client.reply()[2] == 0
        assert server.core.stats.fsync_threshold_exceed_count >= 1
        assert "a slow disk makes clients wait" in caplog.text
        client.close()


def test_time_passes_without_input(tmp_path: Path) -> None:
    """Ephemerals of a silent session go although nobody says anything."""
    with InThread(tmp_path, tickTime=50, minSessionTimeout=100) as server:
        client = Client(server.port, timeout_ms=100)
        client.call(CREATE, create_body("/e", b"", 1))
        assert b"/e" in server.core.tree.nodes
        wait_for(lambda: b"/e" not in server.core.tree.nodes, "expiry")
        with pytest.raises(LinkClosed):
            client.receive()
        client.close()
