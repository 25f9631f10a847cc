"""Real servers for tests: processes of `zoo serve` on loopback and free ports, in a folder of
their own that goes with them. None outlives the process that started it.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from zoo.testing.ports import ADDRESS, free_ports

START_SECONDS = 30.0
_STOP_SECONDS = 15.0
DEFAULTS = {
    "tickTime": 500,
    "maxSessionTimeout": 60_000,
    "maxClientCnxns": 0,
    "extendedTypesEnabled": "true",
    "4lw.commands.whitelist": "*",
    "initLimit": 20,
    "syncLimit": 10,
}


class ServerProblem(Exception):
    """A server did not start or stop; the text ends with its log."""


class _Ports(NamedTuple):
    client: int
    quorum: int
    election: int


class Startable(ABC):
    """Runs within a `with`; what does not start leaves nothing behind either."""

    @abstractmethod
    def start(self) -> Self: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedServer(Startable):
    """One `zoo serve`: `with EmbeddedServer() as server: zoo.Client(server.hosts)`.

    `settings` are lines of zoo.cfg. Faults: `kill` (-9), `pause` and `resume`, then `start` again
    on the same data and port.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zoo-server-"))
        (self.port,) = free_ports(1)
        lines = {**DEFAULTS, "clientPort": self.port, **(settings or {})}
        self._prepare(lines)

    @classmethod
    def _member(cls, folder: Path, port: int, lines: Mapping[str, object]) -> EmbeddedServer:
        server = cls.__new__(cls)
        server._folder, server.port = folder, port
        server._prepare(lines)
        return server

    def _prepare(self, lines: Mapping[str, object]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        text = {"dataDir": data, "clientPortAddress": ADDRESS, **lines}
        config = "".join(f"{key}={value}\n" for key, value in text.items())
        (self._folder / "zoo.cfg").write_text(config)

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.hosts} {'up' if self.is_running else 'down'}>"

    @property
    def hosts(self) -> str:
        """The connect string."""
        return f"{ADDRESS}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def launch(self) -> None:
        """Start the process and do not wait for it."""
        if self.is_running:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "zoo", "serve", str(self._folder / "zoo.cfg")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self._kill_at_exit, self._process)

    @staticmethod
    def _kill_at_exit(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()

    def start(self) -> Self:
        """Start, and return once clients are served. Raises ServerProblem."""
        self.launch()
        self.wait_until_serving()
        return self

    def wait_until_serving(self, seconds: float = START_SECONDS) -> None:
        def is_serving() -> bool:
            if not self.is_running:
                raise ServerProblem(f"{self!r} ended while it started\n{self.log[-2000:]}")
            return "Mode: " in self.ask("srvr")

        poll(is_serving, seconds, lambda: f"{self!r} does not serve\n{self.log[-2000:]}")

    def ask(self, word: str) -> str:
        """The answer to a four-letter word; "" when there is none."""
        try:
            with socket.create_connection((ADDRESS, self.port), 1.0) as link:
                link.sendall(word.encode())
                return b"".join(iter(lambda: link.recv(65536), b"")).decode(errors="replace")
        except OSError:
            return ""

    @property
    def mode(self) -> str:
        """standalone, leader, follower, observer, or "" while it serves nobody."""
        lines = (line.partition("Mode: ")[2] for line in self.ask("srvr").splitlines())
        return next(filter(None, lines), "")

    def _signal(self, number: int) -> None:
        if self._process is None or self._process.poll() is not None:
            raise ServerProblem(f"{self!r} does not run")
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9: nothing is flushed, no session is ended."""
        if self._process is not None and self.is_running:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM; the data stays for the next start."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerProblem(f"{self!r} ignored SIGTERM\n{self.log[-2000:]}") from None
        self._process = None

    def close(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class EmbeddedEnsemble(Startable):
    """`size` servers that vote: `with EmbeddedEnsemble(3) as ensemble`; servers[0] has the id 1."""

    def __init__(self, size: int = 3, settings: Mapping[str, object] | None = None) -> None:
        if size < 1:
            raise ValueError(f"an ensemble has at least one server, not {size}")
        self._folder = Path(tempfile.mkdtemp(prefix="zoo-ensemble-"))
        numbers = free_ports(3 * size)
        ports = [_Ports(*numbers[3 * n : 3 * n + 3]) for n in range(size)]
        members = {
            f"server.{n}": f"{ADDRESS}:{each.quorum}:{each.election}:participant"
            for n, each in enumerate(ports, 1)
        }
        self.servers: list[EmbeddedServer] = []
        for n, each in enumerate(ports, 1):
            folder = self._folder / str(n)
            lines = {**DEFAULTS, "clientPort": each.client, **(settings or {}), **members}
            self.servers.append(EmbeddedServer._member(folder, each.client, lines))
            (folder / "data" / "myid").write_text(f"{n}\n")

    def __repr__(self) -> str:
        return f"<EmbeddedEnsemble {self.hosts}>"

    @property
    def hosts(self) -> str:
        return ",".join(server.hosts for server in self.servers)

    def start(self) -> Self:
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_until_serving()
        return self

    def leader(self, seconds: float = START_SECONDS) -> EmbeddedServer:
        """The server that leads, waited for."""
        found: list[EmbeddedServer] = []

        def is_found() -> bool:
            running = (server for server in self.servers if server.is_running)
            found.extend(server for server in running if server.mode == "leader")
            return bool(found)

        poll(is_found, seconds, lambda: f"{self!r} has no leader")
        return found[0]

    def close(self) -> None:
        for server in self.servers:
            server.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def poll(condition: Callable[[], bool], seconds: float, problem: Callable[[], str]) -> None:
    """Until the condition holds; ServerProblem after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ServerProblem(f"{problem()} (waited {seconds} s)")
        time.sleep(0.01)
