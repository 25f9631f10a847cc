"""A whole ensemble of real server processes on this machine, its state in one folder.

Each server has a folder of its own, `server.N`, with its zoo.cfg, its data and its log. What is
there already is used again, ports included, so that an ensemble can be stopped and taken up later.
Processes are ended by their process ids, and none outlives `close`.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from zoo.testing.ports import ADDRESS, free_ports

_ANSWER_SECONDS = 0.5
_STOP_SECONDS = 15.0
_SERVER_LINE = re.compile(r"server\.(\d+)=[^:]+:(\d+):(\d+):(\w+)")


class Ports(NamedTuple):
    client: int
    quorum: int
    election: int


class EnsembleProblem(Exception):
    """The folder or the ports cannot be used; says why."""


class LocalServer:
    """One member: its files, and its process while it runs."""

    def __init__(self, sid: int, directory: Path, ports: Ports, role: str) -> None:
        self.sid = sid
        self.directory = directory
        self.ports = ports
        self.role = role
        self.process: subprocess.Popen[bytes] | None = None
        self.program = ["-m", "zoo"]
        """What Python runs."""

    @property
    def config(self) -> Path:
        return self.directory / "zoo.cfg"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        assert not self.is_running, f"server {self.sid} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "serve", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop them in our own way
            )

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code."""
        return None if self.process is None else self.process.wait(seconds)

    def ask(self, word: str) -> str:
        """The answer to a four-letter word; "" when there is none."""
        return ask(self.ports.client, word)

    def facts(self) -> dict[str, str]:
        """What mntr says, without the prefix zk_; empty when the server does not serve."""
        rows = (line.partition("\t") for line in self.ask("mntr").splitlines())
        return {key.removeprefix("zk_"): value for key, tab, value in rows if tab}

    @property
    def mode(self) -> str:
        """leader, follower or observer; "" while it is none of them."""
        return self.facts().get("server_state", "")


class LocalEnsemble:
    """`size` voters and then `observers`. Raises EnsembleProblem, OSError.

    `base_port`: clients from there on, quorum ports 100 and election ports 200 above; None: any
    free ports. `settings` are further lines for every zoo.cfg.
    """

    def __init__(
        self,
        directory: Path,
        size: int = 3,
        observers: int = 0,
        base_port: int | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self.servers: dict[int, LocalServer] = {}
        count = size + observers
        found = self._found()
        if found and [role for _, role in found.values()] != _roles(size, observers):
            raise EnsembleProblem(
                f"{directory} holds an ensemble of another shape; name another folder, or remove it"
            )
        ports = [p for p, _ in found.values()] if found else _ports(count, base_port)
        for sid, role in enumerate(_roles(size, observers), 1):
            place = directory / f"server.{sid}"
            self.servers[sid] = LocalServer(sid, place, ports[sid - 1], role)
        if not found:
            for server in self.servers.values():
                self._write_files(server, settings or {})

    def _found(self) -> dict[int, tuple[Ports, str]]:
        """The members of the ensemble that is in the folder already."""
        first = self.directory / "server.1" / "zoo.cfg"
        if not first.is_file():
            return {}
        members = {}
        for line in _SERVER_LINE.finditer(first.read_text()):
            sid = int(line[1])
            text = (self.directory / f"server.{sid}" / "zoo.cfg").read_text()
            client = re.search(r"^clientPort=(\d+)$", text, re.MULTILINE)
            if client is None:
                raise EnsembleProblem(f"{self.directory}/server.{sid}/zoo.cfg has no clientPort")
            members[sid] = Ports(int(client[1]), int(line[2]), int(line[3])), line[4]
        return members

    def _write_files(self, server: LocalServer, settings: Mapping[str, object]) -> None:
        data = server.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{server.sid}\n")
        lines = [
            f"dataDir={data.absolute()}",
            f"clientPort={server.ports.client}",
            f"clientPortAddress={ADDRESS}",
            "initLimit=10",
            "syncLimit=5",
            *(f"{key}={value}" for key, value in settings.items()),
            *(
                f"server.{each.sid}={ADDRESS}:{each.ports.quorum}:{each.ports.election}:{each.role}"
                for each in self.servers.values()
            ),
        ]
        server.config.write_text("\n".join(lines) + "\n")

    @property
    def connect_string(self) -> str:
        return ",".join(f"{ADDRESS}:{server.ports.client}" for server in self.servers.values())

    def start(self) -> None:
        for server in self.servers.values():
            server.start()

    def leader(self) -> LocalServer | None:
        """The server that says that it leads."""
        return next((s for s in self.servers.values() if s.is_running and s.mode == "leader"), None)

    def close(self) -> None:
        """Stop all, in good order if they let us."""
        running = [server for server in self.servers.values() if server.is_running]
        for server in running:
            server.signal(signal.SIGCONT)
            server.signal(signal.SIGTERM)
        for server in running:
            try:
                server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()

    def __enter__(self) -> LocalEnsemble:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(port: int, word: str) -> str:
    """A four-letter word's answer from a server on this machine; "" when there is none."""
    try:
        with socket.create_connection((ADDRESS, port), _ANSWER_SECONDS) as link:
            link.sendall(word.encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode(errors="replace")
    except OSError:
        return ""


def _roles(size: int, observers: int) -> list[str]:
    return ["participant"] * size + ["observer"] * observers


def _ports(count: int, base_port: int | None) -> list[Ports]:
    if base_port is not None:
        return [
            Ports(base_port + n, base_port + 100 + n, base_port + 200 + n) for n in range(count)
        ]
    numbers = free_ports(3 * count)
    return [Ports(*numbers[3 * n : 3 * n + 3]) for n in range(count)]
