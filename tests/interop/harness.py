"""One server process, Apache ZooKeeper's or ours, started from the same zoo.cfg.

Everything here kills only what it started, by pid, and polls with a deadline. The jars of Apache
ZooKeeper are looked for in ZOO_JAVA_PEER (default /tmp/zookeeper-3.9.5): `lib/*.jar`, a
`log4j2.properties`, for the kind "java38" Debian's 3.8.0 in `lib-3.8`, and Curator's service
discovery in `lib-discovery`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from zoo.testing.ports import free_ports

KINDS = ("java", "zoo")
JAVA_KINDS = {"java": ("lib", "zookeeper-3.9*.jar"), "java38": ("lib-3.8", "zookeeper-3.8*.jar")}
JAVA_HOME_DIR = Path(os.environ.get("ZOO_JAVA_PEER", "/tmp/zookeeper-3.9.5"))
START_DEADLINE = 60.0
# With these a JVM is up in half the time; one that is measured goes without.
QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
T = TypeVar("T")


def repo_root() -> Path:
    return Path(__file__).resolve().parents[2]


def zoo_executable() -> Path:
    return Path(sys.executable).with_name("zoo")


def missing(kind: str) -> str | None:
    """Why a server of this kind cannot run here, or None."""
    if kind in JAVA_KINDS:
        if shutil.which("java") is None:
            return "no java on this machine"
        jars = JAVA_HOME_DIR.joinpath(*JAVA_KINDS[kind])
        if not list(jars.parent.glob(jars.name)):
            return f"no {jars} (see tests/interop/java_peer.py)"
        return None
    if not zoo_executable().exists():
        return f"{zoo_executable()} is not installed"
    if not (repo_root() / "src/zoo/tools/cli.py").exists():
        return "zoo serve does not exist yet"
    return None


def java_classes(kind: str) -> str:
    """The class path of Apache ZooKeeper: its own jars, and what they need from `lib`.

    Debian's jars come last: each names those in /usr/share/java that it was built with, and an
    older slf4j found there before ours would silence the server's log.
    """
    if kind == "java":
        return ":".join(f"{JAVA_HOME_DIR}{part}" for part in ("/lib/*", "", "/lib-discovery/*"))
    others = [
        str(jar)
        for jar in sorted(JAVA_HOME_DIR.glob("lib/*.jar"))
        if not jar.name.startswith(("zookeeper", "curator"))
    ]
    return ":".join([*others, str(JAVA_HOME_DIR), f"{JAVA_HOME_DIR}/{JAVA_KINDS[kind][0]}/*"])


def java_command(
    main: str,
    *args: str,
    properties: tuple[str, ...] = (),
    kind: str = "java",
    is_measured: bool = False,
) -> list[str]:
    """A java command line with Apache ZooKeeper's classes on its path."""
    return [
        "java",
        "-Xmx3g",
        *(() if is_measured else QUICK_JVM),
        "-Dfile.encoding=UTF-8",
        f"-Dlog4j2.configurationFile={JAVA_HOME_DIR}/log4j2.properties",
        *properties,
        "-cp",
        java_classes(kind),
        main,
        *args,
    ]


def server_command(
    kind: str, config: Path, properties: tuple[str, ...] = (), is_measured: bool = False
) -> list[str]:
    if kind in JAVA_KINDS:
        return java_command(
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(config),
            properties=("-Dzookeeper.admin.enableServer=false", *properties),
            kind=kind,
            is_measured=is_measured,
        )
    return [str(zoo_executable()), "serve", str(config)]


def free_port() -> int:
    (port,) = free_ports(1)
    return port


def wait_until(condition: Callable[[], T], deadline: float, what: str, pause: float = 0.01) -> T:
    """The first true value of `condition()`; AssertionError naming `what` after `deadline` s."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(pause)


def wait_out(seconds: float) -> None:
    """Let load or an attack run for a while. Never to wait for a result: that is wait_until."""
    time.sleep(seconds)


def wait_and_watch_memory(pid: int, seconds: float) -> int:
    """The largest resident memory seen in so many seconds, in bytes."""
    peak, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        peak = max(peak, resident_bytes(pid))
        time.sleep(0.02)
    return peak


def four_letter(port: int, word: str, timeout: float = 10.0) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout) as link:
        link.sendall(word.encode())
        parts = []
        while chunk := link.recv(65536):
            parts.append(chunk)
    return b"".join(parts).decode(errors="replace")


def serving(port: int) -> bool:
    try:
        return "Mode: " in four_letter(port, "srvr", 5.0)
    except OSError:
        return False


def wait_for_port(
    port: int, process: subprocess.Popen[bytes], deadline: float = START_DEADLINE
) -> None:
    """Until the server answers `srvr` with a mode: it has recovered and serves."""

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} while starting")
        return serving(port)

    wait_until(ready, deadline, f"a server on port {port}")


def die_with_parent() -> None:
    """In a new child: be killed when the test process ends, however it ends (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and of its descendants, in bytes (Linux)."""
    total = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


@dataclass
class Server:
    """A server on its own directory; start, stop, kill -9 and start again on the same files."""

    kind: str
    directory: Path
    settings: dict[str, object] = field(default_factory=dict)
    properties: tuple[str, ...] = ()  # java -D options, for what zoo.cfg cannot say
    is_measured: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.kind}.log"

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def config(self) -> Path:
        values: dict[str, object] = {
            "tickTime": 500,
            "dataDir": self.data,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "maxClientCnxns": 0,
            "maxSessionTimeout": 60000,
            "extendedTypesEnabled": "true",
            "4lw.commands.whitelist": "*",
            **self.settings,
        }
        self.data.mkdir(parents=True, exist_ok=True)
        path = self.directory / "zoo.cfg"
        path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        return path

    def launch(self) -> Server:
        """Start the process; `wait` until it serves."""
        return self._launched(self.config())

    def relaunch(self) -> Server:
        """`launch` with the zoo.cfg that is there: a server writes a new one when it is told of
        other members.
        """
        return self._launched(self.directory / "zoo.cfg")

    def _launched(self, config: Path) -> Server:
        command = server_command(self.kind, config, self.properties, self.is_measured)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return self

    def wait(self, deadline: float = START_DEADLINE) -> Server:
        assert self.process is not None, "not started"
        try:
            wait_for_port(self.port, self.process, deadline)
        except BaseException as failure:
            self.kill()
            raise RuntimeError(
                f"{self.kind} did not start: {failure}\n{self.log()[-4000:]}"
            ) from failure
        return self

    def start(self, deadline: float = START_DEADLINE) -> Server:
        return self.launch().wait(deadline)

    def freeze(self) -> None:
        """SIGSTOP; returns once none of its threads runs any more."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        wait_until(
            lambda: all(
                (task / "stat").read_text().rpartition(")")[2].split()[0] in "TZ"
                for task in tasks.iterdir()
            ),
            5,
            "all threads have stopped",
        )

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, deadline: float = 30.0) -> int:
        """SIGTERM and wait; the exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.kind} ignored SIGTERM for {deadline} s") from None
        finally:
            self.process = None

    def kill(self) -> None:
        """kill -9 of the server and of the helpers it started."""
        if self.process is None:
            return
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def become(self, kind: str) -> Server:
        """The other implementation on the same files (stopped first)."""
        assert self.process is None, "stop it first"
        self.kind = kind
        return self

    def four_letter(self, word: str) -> str:
        return four_letter(self.port, word)

    def mntr(self) -> dict[str, str]:
        rows = (line.split("\t", 1) for line in self.four_letter("mntr").splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2}

    def resident(self) -> int:
        return resident_bytes(self.pid)


@contextlib.contextmanager
def running(
    kind: str, directory: Path, properties: tuple[str, ...] = (), **settings: object
) -> Iterator[Server]:
    """A started server; killed, whatever happens, at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    server = Server(kind, directory, settings, properties)
    try:
        yield server.start()
    finally:
        server.kill()
