"""What every measurement needs: both servers on directories of their own, and the C programs."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.interop import harness, java_peer
from tests.interop.harness import free_port
from tests.interop.raw_client import (
    Link,
    LinkClosed,
    Silence,
    connect_request,
    framed,
    parse_handshake,
)

HERE = Path(__file__).resolve().parent
KINDS = ("ours", "zookeeper")
OURS = ".venv/bin/zoo serve {config}"
HEAP = "-Xmx2g"


def require(*tools: str) -> None:
    """End with one line that names what is missing on this machine."""
    why = {
        "cc": "a C compiler builds the load generator",
        "java": "Apache ZooKeeper runs on Java 11 or newer",
        "ss": "iproute2's ss counts what connections have sent",
    }
    missing = [f"{tool} ({why[tool]})" for tool in tools if shutil.which(tool) is None]
    if missing:
        sys.exit(f"bench: not found: {'; '.join(missing)}")
    if "java" in tools:
        java_peer.fetch(harness.JAVA_HOME_DIR)


def build(name: str) -> str:
    """The program made from NAME.c, compiled anew when the source is newer."""
    program = Path(tempfile.gettempdir()) / f"zoo-bench-{name}"
    source = HERE / f"{name}.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-w", "-o", program, source], check=True)
    return str(program)


def opens_session(port: int) -> bool:
    """Can a session be opened on the port now?"""
    with contextlib.suppress(OSError, LinkClosed, Silence):
        link = Link(("127.0.0.1", port))
        try:
            link.send(framed(connect_request()))
            return parse_handshake(link.receive()).timeout_ms > 0
        finally:
            link.close()
    return False


def session_up(port: int, process: subprocess.Popen[bytes], deadline_s: float = 300.0) -> None:
    """Wait until a session can be opened on the port."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"bench: the server ended with status {process.returncode}")
        if opens_session(port):
            return
        time.sleep(0.01)
    sys.exit(f"bench: no session on port {port} within {deadline_s:g} s")


class Server:
    """One server with a zoo.cfg of its own under a new directory. Both kinds get the same keys."""

    def __init__(self, kind: str, ours: str = OURS, **settings: object) -> None:
        self.kind = kind
        self._ours = ours
        self._settings = settings
        self.directory = Path(tempfile.mkdtemp(prefix=f"zoo-bench-{kind}-"))
        self.data = self.directory / "data"
        self.data.mkdir()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def add(self, **settings: object) -> None:
        """More lines for its zoo.cfg."""
        self._settings |= settings

    def _command(self) -> list[str]:
        values: dict[str, object] = {
            "dataDir": self.data,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "tickTime": 2000,
            "maxClientCnxns": 0,
            "autopurge.purgeInterval": 0,  # ZooKeeper's default; purging is not what is measured
            **self._settings,
        }
        config = self.directory / "zoo.cfg"
        config.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        if self.kind == "ours":
            return [part.replace("{config}", str(config)) for part in shlex.split(self._ours)]
        return harness.server_command("java", config, (HEAP,), is_measured=True)

    def launch(self, **settings: object) -> None:
        """Start the process on the files that are there."""
        self._settings |= settings
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        """Until a session can be opened."""
        assert self.process is not None, "not started"
        session_up(self.port, self.process)

    def start(self, **settings: object) -> float:
        """Start on the files that are there; returns the seconds until a session opened."""
        began = time.monotonic()
        self.launch(**settings)
        self.wait()
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def resident_bytes(self) -> int:
        return harness.resident_bytes(self.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server, keep its files."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        """End the server at once and delete its files."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """One server alone, or several that form an ensemble; members in the order of their numbers."""

    def __init__(self, kind: str, ours: str = OURS, size: int = 1, **settings: object) -> None:
        self.kind = kind
        self.servers = [Server(kind, ours, **settings) for _ in range(size)]
        self.peer_ports: list[tuple[int, int]] = []
        """Of each member: its quorum port and its election port."""
        if size == 1:
            return
        lines: dict[str, object] = {"initLimit": 10, "syncLimit": 5}
        for sid in range(1, size + 1):
            quorum, election = free_port(), free_port()
            self.peer_ports.append((quorum, election))
            lines[f"server.{sid}"] = f"127.0.0.1:{quorum}:{election}"
        for sid, server in enumerate(self.servers, 1):
            server.add(**lines)
            (server.data / "myid").write_text(f"{sid}\n")

    @property
    def hosts(self) -> str:
        """What a client's connect string says."""
        return ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def start(self) -> Cluster:
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait()
        return self

    def leader(self, deadline_s: float = 30.0) -> Server:
        """The member that leads, as soon as one says that it does."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            for server in self.servers:
                with contextlib.suppress(OSError):
                    if "Mode: leader" in harness.four_letter(server.port, "srvr"):
                        return server
            time.sleep(0.01)
        sys.exit(f"bench: no leader within {deadline_s:g} s")

    def remove(self) -> None:
        for server in self.servers:
            server.remove()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, as README.md holds it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")
