"""A server for tests of the runtime: as a process, or as a thread whose parts a test can break.

And a client that is nothing but bytes. Everything polls with a deadline and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.interop.raw_client import (
    REPLY_HEADER,
    Handshake,
    Link,
    buffer,
    connect_request,
    framed,
    header,
    parse_handshake,
)
from zoo.config import Config
from zoo.config_properties import Origin, Setting
from zoo.persistence.storage import Storage
from zoo.runtime.config_file import load_config
from zoo.runtime.driver import Driver
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.files import Files
from zoo.runtime.loading import load, write_snapshot
from zoo.runtime.turn_loop import TurnLoop
from zoo.server.core import ServerCore
from zoo.server.core_view import CoreView, HostFacts
from zoo.server.view import ServerConf

DEADLINE = 20.0
CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, SYNC, PING, CLOSE = 1, 2, 3, 4, 5, 9, 11, -11
OPEN_ACL = bytes.fromhex("00000001 0000001f") + buffer(b"world") + buffer(b"anyone")
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """The first true value of `condition()`."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(0.005)
    return value


def create_body(path: str, data: bytes = b"", flags: int = 0) -> bytes:
    return buffer(path.encode()) + buffer(data) + OPEN_ACL + flags.to_bytes(4, "big")


def set_body(path: str, data: bytes) -> bytes:
    return buffer(path.encode()) + buffer(data) + b"\xff\xff\xff\xff"


def get_body(path: str, watch: bool = False) -> bytes:
    return buffer(path.encode()) + bytes([watch])


class Client(Link):
    """A session over a bare link: requests by number, replies in order."""

    def __init__(self, port: int, *, timeout_ms: int = 30000, again: Handshake | None = None):
        super().__init__(("127.0.0.1", port), timeout_s=DEADLINE)
        session, password = (again.session_id, again.password) if again else (0, bytes(16))
        hello = connect_request(timeout_ms=timeout_ms, session_id=session, password=password)
        self.send(framed(hello))
        self.handshake = parse_handshake(self.receive())
        self.xid = 0

    @property
    def socket(self) -> socket.socket:
        return self._socket

    def request(self, op: int, body: bytes = b"") -> bytes:
        """The frame of a request with the next xid."""
        self.xid += 1
        return framed(header(self.xid, op) + body)

    def reply(self) -> tuple[int, int, int, bytes]:
        """xid, zxid, error and body of the next reply."""
        frame = self.receive()
        xid, zxid, error = REPLY_HEADER.unpack_from(frame)
        return xid, zxid, error, frame[REPLY_HEADER.size :]

    def call(self, op: int, body: bytes = b"") -> tuple[int, bytes]:
        """Error and body of one request."""
        self.send(self.request(op, body))
        xid, _, error, answer = self.reply()
        assert xid == (-2 if op == PING else self.xid)
        return error, answer

    def create(self, path: str, data: bytes = b"") -> None:
        assert self.call(CREATE, create_body(path, data))[0] == 0

    def get(self, path: str) -> bytes | None:
        """The data of a znode, None when there is no such znode."""
        error, answer = self.call(GET_DATA, get_body(path))
        if error:
            return None
        return answer[4 : 4 + int.from_bytes(answer[:4], "big")]


def ask(port: int, what: bytes = b"srvr", *, half_close: bool = False) -> bytes:
    """All that the server sends before it closes; with `half_close` as nc does it."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as link:
        link.sendall(what)
        if half_close:
            link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b""))


def mntr(port: int) -> dict[str, str]:
    rows = (line.partition("\t") for line in ask(port, b"mntr").decode().splitlines())
    return {key: value for key, _, value in rows}


class Process:
    """`python -m zoo serve` with its log in a file."""

    def __init__(self, directory: Path, *arguments: str, breaking: str = "") -> None:
        """`breaking`: Python statements that the process executes before it serves."""
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.data = directory / "data"
        self.log_path = directory / "log"
        start = ["-m", "zoo"]
        if breaking:
            start = ["-c", f"{breaking}\nfrom zoo.tools.cli import main\nmain()"]
        options = ["--data-dir", str(self.data), "--client-port", "0", *arguments]
        self.command = [sys.executable, *start, "serve", *options]
        self.process: subprocess.Popen[bytes]

    def start(self) -> Process:
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.directory
            )
        wait_for(lambda: "serves standalone" in self.log() or self.ended, "the start-up line")
        assert not self.ended, self.log()
        return self

    def run(self) -> tuple[int, str]:
        """Run to the end; exit code and output."""
        done = subprocess.run(
            self.command, capture_output=True, cwd=self.directory, timeout=DEADLINE
        )
        return done.returncode, (done.stdout + done.stderr).decode()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def port(self) -> int:
        found = re.search(r"serves standalone at \S+?:(\d+),", self.log())
        assert found, self.log()
        return int(found[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code (negative: died of a signal)."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(DEADLINE)

    def __enter__(self) -> Process:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if not self.ended:
            self.process.kill()
            self.process.wait()


def settings(data: Path, **values: object) -> Config:
    """A configuration on any free port; underscores in names stand for dots."""
    given = {"dataDir": data, "clientPort": 0, "maxClientCnxns": 0, **values}
    return load_config(
        None, [Setting(k.replace("_", "."), str(v), Origin("test")) for k, v in given.items()]
    )


class InThread:
    """A core and its driver in a thread of this process; `outcome` is what ended the driver."""

    def __init__(self, data: Path, files: Files | None = None, /, **values: object) -> None:
        self.config = settings(data, **values)
        directory = data / "version-2"
        directory.mkdir(parents=True, exist_ok=True)
        compression = self.config.snapshot_compression
        self.storage: Storage = FileStorage(
            directory, directory, compression=compression, preallocation=1 << 16, files=files
        )
        self.loaded = load(self.config, self.storage)
        if self.loaded.snapshot is None:
            write_snapshot(self.loaded.core, self.storage)
        self.core: ServerCore = self.loaded.core
        self.core.view = CoreView(self.core, _host(self.config))
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.sockets[0].setblocking(False)
        self.port = int(self.sockets[0].getsockname()[1])
        self.outcome: BaseException | None = None
        self.driver: Driver
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        async def main() -> None:
            self.driver = Driver(self.core, self.storage, self.sockets)
            self.loop = asyncio.get_running_loop()
            self._ready.set()
            await self.driver.run()

        try:
            with asyncio.Runner(loop_factory=TurnLoop) as runner:
                runner.run(main())
        except BaseException as failure:
            self.outcome = failure
        finally:
            self._ready.set()

    def in_loop(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(callback)

    def stop(self) -> BaseException | None:
        """Drain; what ended the driver."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self.in_loop(self.driver.stop)
        return self.wait()

    def wait(self) -> BaseException | None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the driver goes on"
        return self.outcome

    def __enter__(self) -> InThread:
        self._thread.start()
        self._ready.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            if not self.driver.disk_hangs:
                self.storage.close()


def _host(config: Config) -> HostFacts:
    conf = ServerConf(0, config.data_dir, config.data_log_dir, config.tick_time_ms, 0, 0, 0)
    return HostFacts("test", conf, (), lambda: 0, lambda: 0, lambda: 0, lambda: 0)


@contextlib.contextmanager
def clients(port: int, count: int) -> Iterator[list[Client]]:
    """So many sessions; closed at the end."""
    opened: list[Client] = []
    try:
        opened.extend(Client(port) for _ in range(count))
        yield opened
    finally:
        for client in opened:
            client.close()
