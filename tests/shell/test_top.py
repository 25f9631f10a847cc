from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.client.live import run
from tests.interop.harness import Server
from tests.shell.pty_driver import CTRL_C, Terminal
from tests.shell.rig import Recorder
from tests.shell.test_oneshot import ZOO, zoo
from zoo.client.hosts import Server as Address
from zoo.shell.members import Look
from zoo.shell.session import Link, Shell
from zoo.shell.top import HEADS, _members, row, style_of

QUICK = ("--once", "--interval", "0.05")


def test_once(live_server: Server) -> None:
    done = zoo(live_server.address, "top", *QUICK)
    head, line = done.stdout.decode().splitlines()
    assert head.split() == " ".join(HEADS).split()
    assert line.split()[:2] == [live_server.address, "standalone"]


def test_once_as_json(live_server: Server) -> None:
    done = zoo(f"{live_server.address},127.0.0.1:1", "top", "--json", *QUICK)
    members = json.loads(done.stdout)["members"]
    assert [member["role"] for member in members] == ["standalone", None]
    assert members[0]["requestsPerSecond"] >= 0
    assert members[1]["trouble"]


def test_nobody_there() -> None:
    done = zoo("127.0.0.1:1,127.0.0.1:2", "top", *QUICK)
    assert done.returncode == 1
    assert b"no server of 127.0.0.1:1,127.0.0.1:2 serves" in done.stderr


def test_live_until_ctrl_c(live_server: Server, tmp_path: Path) -> None:
    command = [*ZOO, "top", "--interval", "0.1"]
    with Terminal(command, {"ZOO_SERVER": live_server.address}) as terminal:
        terminal.wait_for("standalone")
        terminal.wait_for("Ctrl-C ends")
        terminal.send(CTRL_C)
        assert terminal.wait() == 130


def test_without_rich_there_is_a_hint(live_server: Server) -> None:
    code = (
        "import sys; sys.modules['rich.live'] = None\nfrom zoo.tools.cli import main; main(['top'])"
    )
    command = [sys.executable, "-c", code]
    with Terminal(command, {"ZOO_SERVER": live_server.address}) as terminal:
        terminal.wait_for("zoo top on a terminal needs rich.live: pip install prompt_toolkit rich")
        assert terminal.wait() == 1


def test_the_members_of_the_ensemble(monkeypatch: pytest.MonkeyPatch, live_server: Server) -> None:
    """Of one address all that the configuration names; of several just these."""
    text = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2;10.0.0.2:2182\nversion=1"
    shell = Shell(Link("h:1,i:2/chroot"), Recorder())
    assert run(_members(shell)) == [Address("h", 1), Address("i", 2)]

    class Node:
        data = text

    async def get_config(_self: object) -> type[Node]:
        return Node

    monkeypatch.setattr("zoo.client.admin.AdminOperations.get_config", get_config)
    shell = Shell(Link(live_server.address), Recorder())
    assert run(_members(shell)) == [Address("a", 2181), Address("10.0.0.2", 2182)]
    assert shell.client is None


def test_rows_and_their_styles() -> None:
    up = Look(Address("h", 1), 0.0, "leader", zxid=16, facts={"znode_count": "5"})
    down = Look(Address("h", 2), 0.0, trouble="no answer")
    assert row(up, None, up)[:4] == ("h:1", "leader", "0x10", "0")
    assert row(up, None, None)[3] == "?"
    assert row(down, None, up)[:3] == ("h:2", "no answer", "")
    assert len(row(up, None, up)) == len(row(down, None, up)) == len(HEADS)
    assert style_of(row(up, None, up)) == "bold green"
    assert style_of(row(down, None, up)) == "red"
    follower = Look(Address("h", 3), 0.0, "follower", zxid=15)
    assert style_of(row(follower, None, up)) == ""
