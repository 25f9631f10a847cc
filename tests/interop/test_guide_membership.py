"""What the user guide tells to type to change an ensemble's members, typed."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from kazoo.client import KazooClient

from tests.interop.harness import Server, free_port, repo_root, wait_until
from zoo.tools.cli import main

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_zoo")]
GUIDE = (repo_root() / "docs" / "USER_GUIDE.md").read_text()
SECTION = GUIDE.partition("\n### Changing the members\n")[2].partition("\n### ")[0]
COMMANDS = re.findall(r"^    (zoo .*)$", SECTION, re.MULTILINE)
SETTINGS = dict(
    line.split("=", 1)
    for line in re.findall(r"^    (\w[\w.]*=.*)$", SECTION, re.MULTILINE)
    if not line.startswith("server.")
)
DEAD = 3


class Machines:
    """The guide's hosts as addresses of this machine, with the same three ports on each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {port: free_port() for port in ("2888", "3888", "2181")}
        self.lines: dict[int, str] = {}
        self.running: dict[int, Server] = {}

    def here(self, text: str) -> str:
        # All are on one machine here, so none can have every address of its port.
        text = re.sub(r"([a-g]\.example)([^ ]*;)0\.0\.0\.0", r"\1\2\1", text)
        text = re.sub(r"([a-g])\.example(?=[,\s]|$)", r"\1.example:2181", text)
        text = re.sub(r"([a-g])\.example", lambda m: f"127.0.0.{ord(m[1]) - 86}", text)
        return re.sub(r"(2888|3888|2181)", lambda m: str(self.ports[m[1]]), text)

    def start(self, sid: int, line: str) -> None:
        self.lines[sid] = line
        home = self.directory / f"member{sid}"
        members = {f"server.{each}": text for each, text in self.lines.items()}
        server = Server("zoo", home, {**SETTINGS, "tickTime": 500, **members})
        server.port = int(self.ports["2181"])
        server.settings |= {"dataDir": server.data}
        server.data.mkdir(parents=True)
        (server.data / "myid").write_text(f"{sid}\n")
        server.settings["clientPortAddress"] = line.partition(":")[0]
        self.running[sid] = server.launch()
        wait_until(lambda: answers(line), 30, f"server {sid} has started")

    def stop(self, sid: int) -> None:
        self.running.pop(sid).kill()
        self.lines.pop(sid, None)


def answers(line: str) -> bool:
    host, port = line.partition(";")[2].split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_the_guide_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_AUTH", "digest:super:secret")
    machines = Machines(tmp_path)
    first = re.search(r"server\.1=(.*)", machines.here(SECTION))
    assert first is not None
    try:
        machines.start(1, first[1])
        for command in map(machines.here, COMMANDS):
            leaving = [int(sid) for sid in re.findall(r"--remove (\d+)", command)]
            if DEAD in leaving:
                machines.stop(DEAD)
            for sid, line in re.findall(r"server\.(\d+)=([^\"]+)", command):
                if int(sid) not in machines.running:
                    machines.start(int(sid), line)
            result = CliRunner().invoke(main, shlex.split(command)[1:])
            assert result.exit_code == 0, f"{command}\n{result.output}"
            for sid in set(leaving) & machines.running.keys():
                machines.stop(sid)
        assert result.stdout.count(",") == 4
        client = KazooClient(result.stdout.strip())
        client.start(20)
        assert client.get("/zookeeper/config")[0].count(b"participant") == 4
        client.stop()
    finally:
        for server in machines.running.values():
            server.kill()
