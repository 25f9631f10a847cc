"""Ensembles that change while they serve: every server of the old one is replaced by another."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionLoss,
    NewConfigNoQuorumError,
    ReconfigInProcessError,
)

from tests.interop.harness import Server, free_port, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]
DEADLINE = 60.0
KINDS = [
    ["zoo", "zoo", "zoo", "zoo", "zoo"],
    ["java", "java", "zoo", "zoo", "zoo"],
    ["zoo", "zoo", "java", "java", "java"],
]


class Growing:
    """Servers that begin with a configuration of those before them and themselves."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines: dict[int, str] = {}
        self.servers: dict[int, Server] = {}

    def add(self, sid: int, kind: str) -> Server:
        home = self.directory / f"member{sid}"
        (home / "data").mkdir(parents=True)
        (home / "data" / "myid").write_text(f"{sid}\n")
        settings: dict[str, object] = {
            "initLimit": 20,
            "syncLimit": 10,
            "standaloneEnabled": "false",
            "reconfigEnabled": "true",
            "skipACL": "yes",
        }
        server = self.servers[sid] = Server(kind, home, settings)
        line = f"127.0.0.1:{free_port()}:{free_port()}:participant;127.0.0.1:{server.port}"
        self.lines[sid] = line
        settings |= {f"server.{each}": text for each, text in self.lines.items()}
        return server.launch()

    def line(self, sid: int) -> str:
        return f"server.{sid}={self.lines[sid]}"


@contextlib.contextmanager
def connected(*servers: Server) -> Iterator[KazooClient]:
    client = KazooClient(",".join(each.address for each in servers), timeout=10)
    client.start(DEADLINE)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def change(client: KazooClient, joining: str | None = None, leaving: str | None = None) -> str:
    """Ask until it is done: a joiner must have come, and a change may end the connection."""
    wanted: list[str] = []

    def is_done() -> bool:
        try:
            text = client.get("/zookeeper/config")[0].decode()
            is_there = joining is None or joining.partition("=")[0] + "=" in text
            is_gone = leaving is None or f"server.{leaving}=" not in text
            if is_there and is_gone:
                wanted.append(text)
                return True
            client.reconfig(joining=joining, leaving=leaving, new_members=None)
        except (NewConfigNoQuorumError, ReconfigInProcessError, ConnectionLoss):
            pass
        return False

    wait_until(is_done, DEADLINE, f"a change: {joining} joins, {leaving} leaves")
    return wanted[0]


def write(client: KazooClient, path: str) -> float:
    """Create a node, again when the connection breaks; seconds that it took."""
    began = time.monotonic()

    def is_written() -> bool:
        try:
            client.ensure_path(path)
        except ConnectionLoss:
            return False
        return True

    wait_until(is_written, DEADLINE, f"{path} is written")
    return time.monotonic() - began


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_all_servers_are_replaced_by_reconfig_alone(tmp_path: Path, kinds: list[str]) -> None:
    growing = Growing(tmp_path)
    servers = growing.servers
    try:
        growing.add(1, kinds[0]).wait()
        with connected(servers[1]) as client:
            write(client, "/kept/1")
            for sid in range(2, 6):
                growing.add(sid, kinds[sid - 1])
                change(client, joining=growing.line(sid))
                write(client, f"/kept/{sid}")
        for leaving in (1, 2):
            with connected(servers[4], servers[5]) as client:
                text = change(client, leaving=str(leaving))
                write(client, f"/kept/without{leaving}")
                servers[leaving].kill()
        assert [line[:8] for line in text.split("\n")[:-1]] == ["server.3", "server.4", "server.5"]
        with connected(servers[3]) as client:
            client.sync("/")
            names = client.get_children("/kept")
            assert sorted(names) == [*"12345", "without1", "without2"]
            servers[4].kill()
            write(client, "/kept/last")
    finally:
        for server in servers.values():
            server.kill()
