from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.runtime.servers import wait_for
from zoo.tools.ensemble import Row, View, look, table
from zoo.tools.local_ensemble import LocalEnsemble

LOOKING = Row("1", "10", "looking for a leader", "127.0.0.1:2181", "-", "-", "-", "-")
LEADING = Row("1", "10", "leader", "127.0.0.1:2181", "0x100000002", "3", "2", "5")


def test_a_terminal_shows_a_table_over_itself() -> None:
    written: list[str] = []
    view = View(written.append, True)
    view.show([LOOKING])
    view.show([LEADING])
    assert "looking for a leader" in written[0]
    assert written[1].startswith("\x1b[2A\x1b[2K")
    assert "0x100000002" in written[1]


def test_elsewhere_each_change_is_a_line() -> None:
    written: list[str] = []
    view = View(written.append, False)
    for row in (LOOKING, LOOKING, LEADING, LEADING):
        view.show([row])
    assert written == [
        "server 1: looking for a leader, zxid -\n",
        "server 1: leader, zxid 0x100000002\n",
    ]


def test_columns_stand_below_their_heads() -> None:
    head, first = table([LEADING])
    assert head.index("zxid") == first.index("0x100000002")
    assert head.index("sessions") == first.index("2", first.index("3"))


def test_a_row_tells_what_became_of_a_server(tmp_path: Path) -> None:
    ensemble = LocalEnsemble(tmp_path, 2)
    server = ensemble.servers[1]
    assert look(server).role == "not started"
    try:
        server.launch()
        wait_for(lambda: look(server).role == "looking for a leader", "one of two looks")
        server.kill()
        assert look(server).role == "ended with code -9"
        ensemble.start()
        wait_for(lambda: look(server).role in ("leader", "follower"), "they elect")
        row = look(server)
        assert row.zxid.startswith("0x")
        assert row.sessions == "0"
    finally:
        ensemble.close()


def test_runs_until_it_is_interrupted_and_leaves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "output"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "zoo", "ensemble", "--size", "3", "--observers", "1"]
        process = subprocess.Popen(
            [*command, "--dir", str(tmp_path / "e")], stdout=output, stderr=output
        )
    try:

        def has(role: str) -> bool:
            return f": {role}, zxid 0x" in log.read_text()

        wait_for(lambda: has("leader") and has("follower") and has("observer"), "all roles")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert log.read_text().startswith("connect to 127.0.0.1:")
    for server in LocalEnsemble(tmp_path / "e", 3, 1).servers.values():
        assert server.ask("ruok") == ""
        assert "stopped at zxid" in server.log_file.read_text()
