from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.servers import wait_for
from zoo.runtime.config_file import load_config
from zoo.testing.ports import free_ports
from zoo.testing.server_process import ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "server", *free_ports(1))
    yield made
    made.kill()


def test_writes_what_zoo_serve_reads(server: ServerProcess) -> None:
    server.write_config({"tickTime": 700}, sid=3)
    config = load_config(server.config)
    assert (config.tick_time_ms, config.client_port) == (700, server.port)
    assert (server.data / "myid").read_text() == "3\n"
    assert config.data_dir == str(server.data)
    assert not config.warnings


def test_is_started_asked_and_ended(server: ServerProcess) -> None:
    assert server.wait() is None, "it was never started"
    assert server.mode == ""
    server.write_config({"4lw.commands.whitelist": "*"})
    server.launch()
    wait_for(lambda: server.mode == "standalone", "a server")
    assert server.facts()["znode_count"] == "5"
    assert server.hosts == f"127.0.0.1:{server.port}"
    process = server.process
    server.launch()
    assert server.process is process, "there is one already"
    server.signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(0.01)
    server.terminate()
    assert server.end(), "a stopped process is woken to end in good order"
    assert server.wait() == 0
    assert not server.is_running
    server.launch()
    server.kill()
    assert server.wait() == -signal.SIGKILL
    assert "stopped at zxid" in server.log_file.read_text()


def test_who_does_not_end_is_killed(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    server.write_config({})
    server.program = ["-c", "import signal; print('up', flush=True); signal.pause()"]
    server.launch()
    wait_for(lambda: "up" in server.log_file.read_text(), "a process")
    monkeypatch.setattr("zoo.testing.server_process._STOP_SECONDS", 0.01)
    assert not server.end()
    assert server.wait() == -signal.SIGKILL
