from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.shell.test_oneshot import zoo
from zoo.shell.session import Link, Shell

SCRIPT = b"create /a x\nget /none\nls /\n"


def test_lines_from_a_pipe(hosts: str) -> None:
    done = zoo(hosts, "shell", stdin=SCRIPT)
    assert (done.returncode, done.stdout) == (0, b"Created /a\n[a]\n")
    assert done.stderr == b"zoo: get /none: The znode does not exist.\n"
    assert zoo(hosts, "shell", stdin=b"get /none\n").returncode == 1


def test_one_command_as_zkcli_takes_it(hosts: str) -> None:
    done = zoo(hosts, "shell", "-server", hosts, "create", "-s", "/a-", "two words")
    assert done.stdout == b"Created /a-0000000000\n"
    assert zoo(hosts, "shell", "get", "/a-0000000000").stdout == b"two words\n"


def test_options_as_zkcli_spells_them(hosts: str) -> None:
    options = ("-timeout", "5000", "-r", "-waitforconnection", "-server", hosts)
    assert zoo("127.0.0.1:1", "shell", *options, "ls", "/").stdout == b"[]\n"
    done = zoo(hosts, "shell", "-client-configuration", "file", "ls", "/")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"-client-configuration: Java's properties are options here: --tls-ca" in done.stderr


def test_the_sessions_timeout_is_zkclis(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    links: list[Link] = []

    async def close(shell: Shell) -> None:
        links.append(shell.link)

    monkeypatch.setattr(Shell, "close", close)
    zoo("127.0.0.1:1", "shell", "-timeout", "5000", "-r", "--timeout", "0.1", "ls", "/")
    assert {(link.session_timeout, link.timeout, link.read_only) for link in links} == {
        (5.0, 0.1, True)
    }


def test_json_lines(hosts: str) -> None:
    done = zoo(hosts, "shell", "--json", stdin=SCRIPT)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"path": "/a"},
        {"path": "/", "children": ["a"]},
    ]


def test_nobody_there() -> None:
    done = zoo("127.0.0.1:1", "shell", "--timeout", "0.3", stdin=b"ls /\n")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"zoo: connect 127.0.0.1:1: ")


def test_a_script_needs_no_extra(hosts: str) -> None:
    code = (
        "import sys\nsys.modules['prompt_toolkit'] = None\n"
        "from zoo.tools.cli import main\nmain(['shell'])"
    )
    env = {**os.environ, "ZOO_SERVER": hosts}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=b"ls /\n", capture_output=True, env=env, timeout=60)
    assert done.stdout == b"[]\n"


def test_one_command_gets_the_words_as_they_are(hosts: str) -> None:
    both = """{"msg": "it's"}"""
    assert zoo(hosts, "shell", "create", "/a", both).returncode == 0
    assert zoo(hosts, "get", "/a").stdout.decode() == f"{both}\n"


@pytest.mark.parametrize("words", [["get", "-w"], ["ls", "-w"], ["ls", "-R", "-w"], ["stat", "-w"]])
def test_what_is_not_there_is_not_waited_for(hosts: str, words: list[str]) -> None:
    env = {**os.environ, "ZOO_SERVER": hosts}
    command = [sys.executable, "-m", "zoo", "shell", *words, "/none"]
    done = subprocess.run(command, capture_output=True, env=env, timeout=60)
    assert done.returncode == 1
    assert b"/none: The znode does not exist." in done.stderr
