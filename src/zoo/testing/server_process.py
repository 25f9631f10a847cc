"""One `zoo serve` on this machine: its folder, its process, and what it says of itself."""

from __future__ import annotations

import atexit
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from zoo.testing.ports import ADDRESS

_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 15.0


class ServerProcess:
    """The zoo.cfg, the data and the log are in `folder`; `port` is the clients'.

    The process is ended by its id, and does not outlive this one.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.program = ["-m", "zoo"]
        """What Python runs."""

    @property
    def config(self) -> Path:
        return self.folder / "zoo.cfg"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        return self.folder / "log"

    @property
    def hosts(self) -> str:
        """The connect string."""
        return f"{ADDRESS}:{self.port}"

    def write_config(self, settings: Mapping[str, object], sid: int | None = None) -> None:
        """Where its data is, what it listens at, and the `settings`; `sid` for a member."""
        self.data.mkdir(parents=True, exist_ok=True)
        lines = {
            "dataDir": self.data.absolute(),
            "clientPort": self.port,
            "clientPortAddress": ADDRESS,
            **settings,
        }
        self.config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        if sid is not None:
            (self.data / "myid").write_text(f"{sid}\n")

    # --- its life

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start the process if there is none, and do not wait for it."""
        if self.is_running:
            return
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "serve", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop it in our own way
            )
        atexit.register(_kill, self.process)

    def signal(self, number: int) -> None:
        if self.process is not None and self.is_running:
            self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone: nothing is flushed, no session is ended."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """SIGTERM, also to one that stands still."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def end(self) -> bool:
        """Wait for one that was told to end; one that does not is killed, and that is False."""
        try:
            self.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code; None when it was never started. Raises subprocess.TimeoutExpired."""
        return None if self.process is None else self.process.wait(seconds)

    # --- what it says

    def ask(self, word: str) -> str:
        """The answer to a four-letter word; "" when there is none."""
        try:
            with socket.create_connection((ADDRESS, self.port), _ANSWER_SECONDS) as link:
                link.sendall(word.encode())
                return b"".join(iter(lambda: link.recv(65536), b"")).decode(errors="replace")
        except OSError:
            return ""

    @property
    def mode(self) -> str:
        """standalone, leader, follower, observer, or "" while it serves nobody."""
        return self.said().get("Mode", "")

    def said(self) -> dict[str, str]:
        """What srvr says; empty when the server does not serve."""
        rows = (line.partition(": ") for line in self.ask("srvr").splitlines())
        return {key: value for key, colon, value in rows if colon}

    def facts(self) -> dict[str, str]:
        """What mntr says, without the prefix zk_; empty when the server does not serve."""
        rows = (line.partition("\t") for line in self.ask("mntr").splitlines())
        return {key.removeprefix("zk_"): value for key, tab, value in rows if tab}


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
