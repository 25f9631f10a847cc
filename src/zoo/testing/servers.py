"""Real servers for tests: processes of `zoo serve` on loopback and free ports, in a folder of
their own that goes with them. None outlives the process that started it.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from zoo.testing.network import Network
from zoo.testing.ports import ADDRESS, Ports, client_port, free_member_ports
from zoo.testing.server_process import ServerProcess
from zoo.testing.slow_disk import write_delay

START_SECONDS = 30.0
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


class EmbeddedServer(ServerProcess, Startable):
    """One `zoo serve`: `with EmbeddedServer() as server: zoo.Client(server.hosts)`.

    `settings` are lines of zoo.cfg. Faults: `kill` (-9) and `start` again on the same data and
    port, `pause` and `resume`, `slow_disk`.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        port = client_port(settings)
        self._prepare(Path(tempfile.mkdtemp(prefix="zoo-server-")), port)
        self.write_config({**DEFAULTS, **(settings or {})})

    @classmethod
    def _member(
        cls, folder: Path, port: int, lines: Mapping[str, object], sid: int
    ) -> EmbeddedServer:
        server = cls.__new__(cls)
        server._prepare(folder, port)
        server.write_config(lines, sid)
        return server

    def _prepare(self, folder: Path, port: int) -> None:
        ServerProcess.__init__(self, folder, port)
        self._disk_delay = folder / "disk-delay"
        self.program = ["-m", "zoo.testing.slow_disk", str(self._disk_delay)]

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.hosts} {'up' if self.is_running else 'down'}>"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self) -> Self:
        """Start, and return once clients are served. Raises ServerProblem."""
        self.launch()
        self.wait_until_serving()
        return self

    def wait_until_serving(self, seconds: float = START_SECONDS) -> None:
        def is_serving() -> bool:
            if not self.is_running:
                raise ServerProblem(f"{self!r} ended while it started\n{self.log[-2000:]}")
            return bool(self.mode)

        poll(is_serving, seconds, lambda: f"{self!r} does not serve\n{self.log[-2000:]}")

    def signal(self, number: int) -> None:
        """Raises ServerProblem when it does not run."""
        if not self.is_running:
            raise ServerProblem(f"{self!r} does not run")
        super().signal(number)

    def kill(self) -> None:
        """kill -9: nothing is flushed, no session is ended."""
        if self.is_running:
            super().kill()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and says nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def slow_disk(self, seconds: float) -> None:
        """Each write is on disk so much later, from the next on; 0 for as fast as it can."""
        write_delay(self._disk_delay, seconds)

    def stop(self) -> None:
        """SIGTERM; the data stays for the next start."""
        if self.is_running:
            self.terminate()
            if not self.end():
                raise ServerProblem(f"{self!r} ignored SIGTERM\n{self.log[-2000:]}")

    def close(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class EmbeddedEnsemble(Startable):
    """`size` servers that vote: `with EmbeddedEnsemble(3) as ensemble`; servers[0] has the id 1.

    With `can_part` their links run through relays: `part` cuts members off from the others, though
    not from clients, `mend` ends that, and `network` cuts and delays single ways. Each member then
    has its own addresses of the others in its configuration, which a reconfig would mix up.
    """

    def __init__(
        self,
        size: int = 3,
        settings: Mapping[str, object] | None = None,
        *,
        can_part: bool = False,
    ) -> None:
        if size < 1:
            raise ValueError(f"an ensemble has at least one server, not {size}")
        if "clientPort" in (settings or {}):
            raise ValueError("the servers of an ensemble have ports of their own, no clientPort")
        self._network = Network(size) if can_part else None
        self._folder = Path(tempfile.mkdtemp(prefix="zoo-ensemble-"))
        ports = free_member_ports(size)
        self.servers: list[EmbeddedServer] = []
        for sid, each in enumerate(ports, 1):
            lines = {**DEFAULTS, **(settings or {}), **self._members(sid, ports)}
            folder = self._folder / str(sid)
            self.servers.append(EmbeddedServer._member(folder, each.client, lines, sid))

    def _members(self, seen_by: int, ports: Sequence[Ports]) -> dict[str, str]:
        """The lines of zoo.cfg that say where they are."""
        lines = {}
        for sid, (_, quorum, election) in enumerate(ports, 1):
            if self._network is not None:
                quorum, election = self._network.ports(seen_by, sid)
            lines[f"server.{sid}"] = f"{ADDRESS}:{quorum}:{election}:participant"
        return lines

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
        """The server that leads, waited for. One that was cut off from most, or has a successor,
        may say for a while that it leads, and does not count.
        """
        found: list[tuple[int, int]] = []

        def is_found() -> bool:
            found.extend(self._leaders())
            return bool(found)

        poll(is_found, seconds, lambda: f"{self!r} has no leader")
        return self.servers[max(found)[1]]

    def _leaders(self) -> Iterator[tuple[int, int]]:
        """Zxid and place of each that says that it leads."""
        for place, server in enumerate(self.servers):
            is_cut_off = self._network is not None and not self._network.reaches_most(place + 1)
            said = server.said() if server.is_running and not is_cut_off else {}
            if said.get("Mode") == "leader":
                yield int(said["Zxid"], 16), place

    # --- faults between members

    @property
    def network(self) -> Network:
        """Raises ServerProblem where it cannot be parted."""
        if self._network is None:
            raise ServerProblem(f"{self!r} has no relays: EmbeddedEnsemble(can_part=True) has")
        return self._network

    def part(self, *servers: EmbeddedServer) -> None:
        """Cut these off from the other members, both ways. Nobody is told."""
        self.network.part(*(self.servers.index(server) + 1 for server in servers))

    def mend(self) -> None:
        """All reach each other, and what was sent meanwhile arrives."""
        self.network.mend()

    def close(self) -> None:
        for server in self.servers:
            server.close()
        if self._network is not None:
            self._network.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def poll(condition: Callable[[], bool], seconds: float, problem: Callable[[], str]) -> None:
    """Until the condition holds; ServerProblem after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ServerProblem(f"{problem()} (waited {seconds} s)")
        time.sleep(0.01)
