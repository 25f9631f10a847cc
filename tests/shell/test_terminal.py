"""The shell in a real terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.pty_driver import CTRL_C, CTRL_D, ENTER, TAB, UP, Screen, Terminal
from tests.shell.test_oneshot import ZOO, zoo
from zoo.shell.terminal import History, history_file


@pytest.fixture
def terminal(hosts: str, tmp_path: Path) -> Iterator[Terminal]:
    zoo(hosts, "create", "-p", "/app/config", "x")
    with _shell(hosts, tmp_path) as shell:
        shell.wait_for(" 0]")
        yield shell


def _shell(hosts: str, tmp_path: Path) -> Terminal:
    env = {"ZOO_SERVER": hosts, "ZOO_HISTORY": str(tmp_path / "state/history")}
    return Terminal([*ZOO, "shell"], env)


def test_completion_of_commands_options_and_paths(terminal: Terminal) -> None:
    terminal.send("tre" + TAB)
    terminal.wait_for(" 0] tree")
    terminal.send(CTRL_C + "getA" + TAB)
    terminal.wait_for("getAllChildrenNumber")
    terminal.send(CTRL_C + "ls --j" + TAB)
    terminal.wait_for("ls --json")
    terminal.send(" /ap" + TAB)
    terminal.wait_for("ls --json /app")
    terminal.send("/" + TAB)
    terminal.wait_for("ls --json /app/config")
    terminal.send(ENTER)
    terminal.wait_for('{"path": "/app/config", "children": []}')
    terminal.wait_for(" 1]")
    terminal.send(CTRL_D)
    assert terminal.wait() == 0


def test_history_outlives_the_shell_without_credentials(
    terminal: Terminal, hosts: str, tmp_path: Path
) -> None:
    terminal.send("addauth digest user:secret" + ENTER)
    terminal.wait_for(" 1]")
    terminal.send("get /app/config" + ENTER)
    terminal.wait_for(" 2]")
    terminal.send("quit" + ENTER)
    assert terminal.wait() == 0
    file = tmp_path / "state/history"
    assert "get /app/config" in file.read_text()
    assert "secret" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    with _shell(hosts, tmp_path) as again:
        again.wait_for(" 0]")
        again.send(UP + UP)
        again.wait_for(" 0] get /app/config")
        again.send(ENTER)
        again.wait_for(" 1]")
        assert "\nx\n" in again.text


def test_following_until_ctrl_c(terminal: Terminal, hosts: str) -> None:
    terminal.send("watch /app" + ENTER)
    terminal.wait_for("watching /app and all below it; Ctrl-C ends")
    zoo(hosts, "set", "/app/config", "fresh")
    terminal.wait_for("NodeDataChanged     /app/config = fresh")
    terminal.send(CTRL_C)
    terminal.wait_for(" 1]")
    terminal.send("get /app/config" + ENTER)
    terminal.wait_for(" 2]")
    assert "\nfresh\n" in terminal.text


def test_events_come_while_a_line_is_typed(terminal: Terminal, hosts: str) -> None:
    terminal.send("addWatch /app" + ENTER)
    terminal.wait_for(" 1]")
    terminal.send("get /app")
    terminal.wait_for(" 1] get /app")
    zoo(hosts, "create", "/app/new")
    terminal.wait_for("WATCHER:: NodeCreated /app/new")
    terminal.send("/new" + ENTER)
    terminal.wait_for(" 1] get /app/new")  # the line was kept
    assert "[zoo: " in terminal.wait_for(" 2]")


def test_a_transaction(terminal: Terminal) -> None:
    terminal.send("multi" + ENTER)
    terminal.wait_for("multi>")
    terminal.send("ch" + TAB)
    terminal.wait_for("multi> check")
    terminal.send(" /app" + ENTER)
    terminal.wait_for("multi>", times=2)
    terminal.send("create /app/t x" + ENTER)
    terminal.wait_for("multi>", times=3)
    terminal.send("commit" + ENTER)
    terminal.wait_for("Created /app/t")
    terminal.wait_for(" 1]")
    terminal.send("multi" + ENTER)
    terminal.wait_for("multi>", times=4)
    terminal.send("delete /app/t" + ENTER)
    terminal.wait_for("multi>", times=5)
    terminal.send(CTRL_C)
    terminal.wait_for(" 2]")
    terminal.send("ls /app" + ENTER)
    assert "[config, t]" in terminal.wait_for(" 3]")


def test_binary_data_does_not_upset_the_terminal(terminal: Terminal, hosts: str) -> None:
    zoo(hosts, "set", "/app/config", "--file", "-", stdin=b"\x1b[2J\x00")
    terminal.send("get /app/config" + ENTER)
    terminal.wait_for("|00000000| 1b 5b 32 4a 00")
    assert "\x1b[2J" not in terminal.raw


def test_without_prompt_toolkit_there_is_a_hint(hosts: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['prompt_toolkit'] = None\n"
        "from zoo.tools.cli import main; main(['shell'])"
    )
    with Terminal([sys.executable, "-c", code], {"ZOO_SERVER": hosts}) as terminal:
        terminal.wait_for("needs prompt_toolkit: pip install prompt_toolkit rich")
        assert terminal.wait() == 1


def test_without_a_server_the_shell_starts_all_the_same(hosts: str, tmp_path: Path) -> None:
    env = {"ZOO_HISTORY": str(tmp_path / "history")}
    command = [*ZOO, "shell", "--server", "127.0.0.1:1", "--timeout", "0.3"]
    with Terminal(command, env) as terminal:
        terminal.wait_for("(CLOSED) 0]")
        terminal.send("ls /" + ENTER)
        text = terminal.wait_for("(CLOSED) 1]")
        assert "zoo: not connected; `connect host:port` connects" in text


def test_where_the_history_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZOO_HISTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert history_file() == Path("/state/zoo/history")
    monkeypatch.setenv("ZOO_HISTORY", "/mine")
    assert history_file() == Path("/mine")
    history = History(tmp_path / "h", [].append)
    for line in ("addauth digest a:b", " Add-Auth digest a:b", '"addauth" digest \'a:b'):
        history.store_string(line)
    assert not (tmp_path / "h").exists()


def test_a_history_that_cannot_be_kept_is_said_once(hosts: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder would be")
    with _shell(hosts, tmp_path) as shell:
        shell.wait_for(" 0]")
        shell.send("ls /" + ENTER)
        shell.wait_for(" 1]")
        shell.send("ls /" + ENTER)
        text = shell.wait_for(" 2]")
        assert text.count(f"history is not kept: {tmp_path}/state/history: ") == 1
        assert "Traceback" not in text
        shell.send(UP)
        shell.wait_for(" 2] ls /")


def test_a_history_that_cannot_be_read(tmp_path: Path) -> None:
    told: list[str] = []
    history = History(tmp_path, told.append)
    assert list(history.load_history_strings()) == []
    history.store_string("ls /")
    assert told == [f"history is not kept: {tmp_path}: Is a directory"]


def test_the_screen_of_these_tests() -> None:
    screen = Screen()
    screen.feed("one\r\ntwo\x1b[1mX\x1b[0m\x1b[1A\r\x1b[2CE\x1b[1B\x1b[4D\x1b[Kzwei\b\bEI\x1b[J")
    assert screen.text == "onE\nzwEI"
