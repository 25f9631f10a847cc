"""Apache ZooKeeper's C client on both servers: Debian's `cli_mt`, and its library for the rest.

cli_mt has no multi and cannot say when a watch fires, so those go through the library (ctypes).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import c_library
from tests.interop.c_library import Client
from tests.interop.harness import Server

pytestmark = pytest.mark.interop

CLI = shutil.which("cli_mt") or "/usr/lib/zookeeper/bin/cli_mt"
NO_NODE, NODE_EXISTS, BAD_VERSION, NOT_EMPTY, ROLLED_BACK = -101, -110, -103, -111, -2
NO_CHILDREN_FOR_EPHEMERALS, NO_WATCHER = -108, -121
CREATED, DELETED, CHANGED, CHILD = 1, 2, 3, 4


class Shell:
    """cli_mt behind a pipe: a command goes in, the lines up to its result come out."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            [CLI, "-h", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # only session ids and timings go there
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stderr, selectors.EVENT_READ)
        self._read_until("Got a new session id")

    def _read_until(self, wanted: str, deadline: float = 15.0, quiet: float = 0.05) -> str:
        """Text until `wanted` has come and nothing more has for `quiet` seconds."""
        assert self._process.stderr is not None
        text, end = "", time.monotonic() + deadline
        while time.monotonic() < end:
            if self._selector.select(quiet):
                chunk = os.read(self._process.stderr.fileno(), 65536)
                if not chunk:
                    break
                text += chunk.decode(errors="replace")
            elif re.search(wanted, text):
                return text
        raise AssertionError(f"no {wanted!r} within {deadline} s in {text!r}")

    def send(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()

    def __call__(self, command: str, wanted: str = r"rc = |Error ") -> list[str]:
        self.send(command)
        text = self._read_until(wanted)
        text = re.sub(r"(ctime ?= ?|mtime ?= ?|time = ).*", r"\1*", text)
        lines = [line.strip() for line in text.splitlines()]
        return [line for line in lines if line and not line.startswith(("Creating", "time ="))]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        try:
            self._process.stdin.write(b"quit\n")
            self._process.stdin.close()
            assert self._process.wait(15) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._selector.close()
            self._process.stderr.close()


@contextlib.contextmanager
def shell_at(server: Server) -> Iterator[Shell]:
    if not Path(CLI).exists():
        pytest.skip("no cli_mt here (Debian package zookeeper-bin)")
    shell = Shell(server.address)
    yield shell
    shell.close()


@pytest.fixture
def fresh_shell(server: Server) -> Iterator[Shell]:
    """Its session is the server's first transaction."""
    with shell_at(server) as shell:
        yield shell


@pytest.fixture
def shell(lasting_server: Server) -> Iterator[Shell]:
    with shell_at(lasting_server) as shell:
        yield shell


@pytest.fixture
def connect(lasting_server: Server) -> Iterator[Callable[[], Client]]:
    try:
        c_library.load()
    except OSError:
        pytest.skip(f"no {c_library.LIBRARY} here (Debian package zookeeper-bin)")
    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client(lasting_server.address))
        return clients[-1]

    yield make
    for client in clients:
        assert client.close() == 0


def stat_lines(czxid: int, mzxid: int, version: int, owner: str = "0") -> list[str]:
    # cli_mt prints zxids in hexadecimal.
    return [
        *("ctime = *", f"czxid={czxid:x}", "mtime=*", f"mzxid={mzxid:x}"),
        *(f"version={version}\taversion=0", f"ephemeralOwner = {owner}"),
    ]


def test_cli_creates_reads_and_deletes(fresh_shell: Shell) -> None:
    shell = fresh_shell
    assert shell("create /a") == ["[/a]: rc = 0", "name = /a"]
    assert shell("create /a") == [f"[/a]: rc = {NODE_EXISTS}"]
    assert shell("set /a world") == ["/a: rc = 0 Stat:", *stat_lines(2, 4, 1)]
    assert shell("get /a") == [
        *("/a: rc = 0", "value_len = 5", "world", "Stat:"),
        *stat_lines(2, 4, 1),
    ]
    assert shell("exists /nope") == [f"Error {NO_NODE} for /nope"]
    answer, *names = shell("ls /")
    assert (answer, sorted(names)) == ("/: rc = 0", ["a", "zookeeper"])
    assert shell("create2 /a/b") == ["[/a/b]: rc = 0", "name = /a/b", *stat_lines(5, 5, 0)]
    assert shell("delete /a") == [f"/a: rc = {NOT_EMPTY}"]
    assert shell("delete /a/b") == ["/a/b: rc = 0"]
    *events, answer = shell("delete /a")  # get and ls of cli_mt always leave a watch
    assert answer == "/a: rc = 0"
    assert sorted(event.split()[1] for event in events) == ["CHILD_EVENT", "DELETED_EVENT"]
    assert shell("sync /") == ["[/]: rc = 0", "name = /"]


def test_cli_makes_every_kind_of_node(shell: Shell) -> None:
    shell("create /k")
    assert shell("create +e /k/e") == ["[/k/e]: rc = 0", "name = /k/e"]
    assert shell("create +s /k/s-") == ["[/k/s-]: rc = 0", "name = /k/s-0000000001"]
    assert shell("create +es /k/es-") == ["[/k/es-]: rc = 0", "name = /k/es-0000000002"]
    assert shell("create +c /k/c") == ["[/k/c]: rc = 0", "name = /k/c"]
    assert shell("create +t=60000 /k/t") == ["[/k/t]: rc = 0", "name = /k/t"]
    assert shell("create /k/e/child") == [f"[/k/e/child]: rc = {NO_CHILDREN_FOR_EPHEMERALS}"]
    names = ["c", "e", "es-0000000002", "s-0000000001", "t"]
    first, *listed = shell("ls /k")
    assert (first, sorted(listed)) == ("/k: rc = 0", names)


def test_cli_hears_a_watch(shell: Shell) -> None:
    shell("create /w")
    shell.send("wexists /w")  # cli_mt says nothing when it succeeds, and waits for it
    heard = shell("set /w x", wanted=r"CHANGED_EVENT[\s\S]*rc = ")
    assert any("CHANGED_EVENT state = CONNECTED_STATE for path /w" in line for line in heard)


def test_library_reads_what_it_wrote(connect: Callable[[], Client]) -> None:
    client = connect()
    assert client.create("/a", b"one") == "/a"
    assert client.create("/a", b"one") == NODE_EXISTS
    stat = client.set("/a", b"second", 0)
    assert isinstance(stat, c_library.Stat)
    assert (stat.version, stat.data_length, stat.num_children) == (1, 6, 0)
    assert client.set("/a", b"third", 0) == BAD_VERSION
    got = client.get("/a")
    assert isinstance(got, tuple)
    assert got[0] == b"second"
    assert got[1].fields() == stat.fields()
    big = bytes(range(256)) * 2048
    assert client.create("/a/big", big) == "/a/big"
    read = client.get("/a/big")
    assert isinstance(read, tuple)
    assert read[0] == big
    assert client.children("/a") == ["big"]
    assert client.children("/nope") == NO_NODE


def test_library_multi_is_all_or_nothing(connect: Callable[[], Client]) -> None:
    client = connect()
    done = client.multi(
        [
            ("create", "/m", b"", 0),
            ("create", "/m/s-", b"x", SEQ := c_library.SEQUENCE),
            ("create", "/m/s-", b"y", SEQ),
            ("set", "/m", b"data", 0),
            ("check", "/m", 1),
            ("delete", "/m/s-0000000000", 0),
        ]
    )
    assert done == (0, [0] * 6, ["/m", "/m/s-0000000000", "/m/s-0000000001"])
    failed = client.multi(
        [("set", "/m", b"lost", -1), ("check", "/m", 7), ("create", "/m/never", b"", 0)]
    )
    assert failed == (BAD_VERSION, [0, BAD_VERSION, ROLLED_BACK], [])
    got = client.get("/m")
    assert isinstance(got, tuple)
    assert got[0] == b"data"
    assert client.children("/m") == ["s-0000000001"]


def test_library_watches_fire_once_and_in_order(connect: Callable[[], Client]) -> None:
    watcher, other = connect(), connect()
    watcher.create("/w", b"")
    assert watcher.exists("/w/new") == NO_NODE
    watcher.get("/w")
    watcher.children("/w")
    other.create("/w/new", b"")
    assert sorted(watcher.events.get(timeout=10) for _ in range(2)) == [
        (CREATED, "/w/new"),
        (CHILD, "/w"),
    ]
    other.set("/w", b"1")
    other.set("/w", b"2")  # the watch has fired: no second event
    assert watcher.events.get(timeout=10) == (CHANGED, "/w")
    watcher.get("/w/new")
    other.delete("/w/new")
    assert watcher.events.get(timeout=10) == (DELETED, "/w/new")
    watcher.get("/w")
    assert watcher.remove_watches("/w") == 0
    assert watcher.remove_watches("/w") == NO_WATCHER
    other.set("/w", b"3")
    watcher.get("/w")  # an event would have come ahead of this reply
    left = [watcher.events.get_nowait() for _ in range(watcher.events.qsize())]
    assert [event for event in left if event[0] in (CREATED, DELETED, CHANGED, CHILD)] == []


def test_library_ephemerals_go_with_the_session(connect: Callable[[], Client]) -> None:
    watcher = connect()
    owner = Client(watcher.address)
    assert owner.create("/e", b"", c_library.EPHEMERAL) == "/e"
    stat = watcher.exists("/e")
    assert isinstance(stat, c_library.Stat)
    assert stat.ephemeral_owner != 0
    assert owner.close() == 0
    assert watcher.events.get(timeout=10) == (DELETED, "/e")
    assert watcher.exists("/e") == NO_NODE
