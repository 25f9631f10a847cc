"""A standalone server in a thread of this process: there at once, and nothing stays behind.

The same code as `zoo serve`, on an event loop and a real folder of its own. What it shares with the
tests is the interpreter: a test that computes for long makes the server wait.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from zoo.config import config_from
from zoo.runtime.data_dir import prepare
from zoo.runtime.driver import Driver
from zoo.runtime.loading import load, write_snapshot
from zoo.runtime.main import host_facts
from zoo.runtime.turn_loop import TurnLoop
from zoo.server.core_view import CoreView
from zoo.testing.ports import ADDRESS, client_port
from zoo.testing.servers import DEFAULTS, ServerProblem, Startable
from zoo.testing.slow_disk import SlowStorage

_SECONDS = 30.0


class ThreadServer(Startable):
    """`with ThreadServer() as server: zoo.Client(server.hosts)`; up in milliseconds.

    `settings` are lines of zoo.cfg. Faults: `kill` and `start` again on the same data and port,
    `pause` and `resume`, `slow_disk`.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zoo-thread-"))
        self.port = client_port(settings)
        self._config = config_from(
            {
                **DEFAULTS,
                "dataDir": self._folder / "data",
                "clientPortAddress": ADDRESS,
                **(settings or {}),
                "clientPort": self.port,
            }
        )
        self._thread: threading.Thread | None = None
        self._loop: TurnLoop | None = None
        self._driver: Driver | None = None
        self._delay = 0.0
        self._go_on = threading.Event()
        self._go_on.set()
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<ThreadServer {self.hosts} {'up' if self.is_running else 'down'}>"

    @property
    def hosts(self) -> str:
        """The connect string."""
        return f"{ADDRESS}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # --- life

    def start(self) -> Self:
        """Start, and return once clients are served. Raises ServerProblem."""
        if self.is_running:
            return self
        serves = threading.Event()
        self._failure = None
        self._thread = threading.Thread(
            target=self._main, args=(serves,), name=f"zoo server {self.port}", daemon=True
        )
        self._thread.start()
        serves.wait(_SECONDS)
        if self._failure is not None or not serves.is_set():
            raise ServerProblem(f"{self!r} does not serve: {self._failure}") from self._failure
        return self

    def _main(self, serves: threading.Event) -> None:
        try:
            with asyncio.Runner(loop_factory=TurnLoop) as runner:
                runner.run(self._serve(serves))
        except BaseException as failure:
            self._failure = failure
        finally:
            serves.set()

    async def _serve(self, serves: threading.Event) -> None:
        dirs = prepare(self._folder / "data", None, autocreate=True)
        storage = SlowStorage(
            dirs.snapshots, dirs.logs, preallocation=1 << 20, delay=lambda: self._delay
        )
        try:
            loaded = load(self._config, storage)
            if loaded.snapshot is None:
                write_snapshot(loaded.core, storage)
            facts = host_facts(self._config, dirs, self.port)
            loaded.core.view = CoreView(loaded.core, facts)
            with socket.create_server((ADDRESS, self.port)) as listener:
                listener.setblocking(False)
                loop = asyncio.get_running_loop()
                assert isinstance(loop, TurnLoop)
                self._loop, self._driver = loop, Driver(loaded.core, storage, [listener])
                loop.call_soon(serves.set)
                await self._driver.run_as_guest()
        finally:
            storage.close()

    def _end(self, *, at_once: bool) -> None:
        self.resume()
        if self._loop is not None and self._driver is not None and self.is_running:
            end = self._driver.end if at_once else self._driver.stop
            self._loop.call_soon_threadsafe(end)
        if self._thread is not None:
            self._thread.join(_SECONDS)
            if self._thread.is_alive():
                raise ServerProblem(f"{self!r} does not end")
        self._thread = None

    def stop(self) -> None:
        """Drain, then end; the data stays for the next start."""
        self._end(at_once=False)

    def close(self) -> None:
        """End it and remove its data."""
        self._end(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- faults

    def kill(self) -> None:
        """Connections break; no session is ended, and what was not durable is lost."""
        self._end(at_once=True)

    def pause(self) -> None:
        """It keeps its connections and says nothing."""
        if self._loop is None or not self.is_running:
            raise ServerProblem(f"{self!r} does not run")
        if not self._go_on.is_set():
            return  # it stands already, and would hear of no second time
        stands = threading.Event()

        def stand() -> None:
            stands.set()
            self._go_on.wait()

        self._go_on.clear()
        self._loop.call_soon_threadsafe(stand)
        stands.wait(_SECONDS)

    def resume(self) -> None:
        self._go_on.set()

    def slow_disk(self, seconds: float) -> None:
        """Each write is acknowledged so much later, from the next on; 0 for as fast as it can."""
        self._delay = seconds
