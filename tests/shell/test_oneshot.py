"""The command line as people and scripts call it; in processes of its own where that counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from tests.interop.harness import wait_until
from zoo.shell import oneshot
from zoo.shell.session import Link
from zoo.testing.servers import EmbeddedServer
from zoo.tools.cli import main

ZOO = [sys.executable, "-m", "zoo"]


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


def zoo(hosts: str, *arguments: str, stdin: bytes = b"") -> Done:
    """`zoo ARGUMENTS` within this process."""
    result = CliRunner().invoke(main, arguments, input=stdin, env={"ZOO_SERVER": hosts})
    return Done(result.exit_code, result.stdout_bytes, result.stderr_bytes)


def test_create_set_get(hosts: str) -> None:
    assert zoo(hosts, "create", "/a", "--file", "-", stdin=b"\x00\xff").stdout == b"Created /a\n"
    assert zoo(hosts, "get", "/a").stdout == b"\x00\xff\n"
    assert zoo(hosts, "set", "/a", "--", "-5").stdout == b""
    told = json.loads(zoo(hosts, "get", "/a", "--json").stdout)
    assert (told["data"], told["stat"]["version"]) == ("-5", 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get", "/none"], 1, b"zoo: get /none: The znode does not exist.\n"),
        (["get", "none"], 2, b"path does not start with '/'"),
        (["get"], 2, b"Missing argument 'PATH'"),
        (["get", "/a", "--auth", "x"], 2, b"--auth is scheme:credentials"),
        (["get", "/a", "--server", "127.0.0.1:1", "--timeout", "0.3"], 3, b"no server within 0.3"),
        (["get", "/a", "--server", "a:b:c"], 2, b"connect string"),
        (["get", "/a", "--tls-ca", "/none"], 1, b"/none: No such file"),
        (["history"], 2, b"No such command 'history'"),
        (["lss", "/"], 2, b"No such command 'lss'. Did you mean ls?"),
        (["create", "/a/b"], 1, b"zoo: create /a/b: The znode does not exist. (its parent /a)\n"),
        (["create", "-t", "0", "/a"], 2, b"Invalid value for '-t'"),
    ],
)
def test_errors_are_one_line_and_a_code(
    hosts: str, arguments: list[str], code: int, message: bytes
) -> None:
    done = zoo(hosts, *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_one_default_for_the_size_of_requests() -> None:
    (option,) = (o for o in oneshot.connection_options() if o.name == "max_request_bytes")
    assert option.default == Link().max_request_bytes


def test_more_than_a_server_takes_by_default(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * (1 << 20))
    with EmbeddedServer({"jute.maxbuffer": 4 << 20}) as server:
        refused = zoo(server.hosts, "create", "/a", "--file", str(big))
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert b"the option --max-request-bytes says what yours take" in refused.stderr
        enough = ("--max-request-bytes", "4000000")
        assert zoo(server.hosts, "create", "/a", "--file", str(big), *enough).returncode == 0
        zoo(server.hosts, "export", "/a", "-o", f"{tmp_path}/x")
        env = {"ZOO_SERVER": server.hosts, "ZOO_MAX_REQUEST_BYTES": "4000000"}
        done = CliRunner().invoke(main, ["import", f"{tmp_path}/x", "/b"], env=env)
        assert done.output == "/b: 1 created\n"


def completed(hosts: str, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    env = {
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("zoo", *words)),
        "COMP_CWORD": str(len(words)),
        "ZOO_SERVER": hosts,
    }
    result = CliRunner().invoke(main, env=env, prog_name="zoo")
    return [line.partition(",")[2] for line in result.stdout.split()]


def test_completion_in_bash(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("127.0.0.1:1", "get", "/a") == []
    monkeypatch.setattr(oneshot, "_PATIENCE", 20.0)  # this machine may be busy
    zoo(hosts, "create", "-p", "/app/config")
    assert completed(hosts, "getA") == ["getAcl", "getAllChildrenNumber"]
    assert completed(hosts, "get", "/a") == ["/app"]
    assert completed(hosts, "get", "-s", "/app/") == ["/app/config"]
    assert "--json" in completed(hosts, "get", "--")


def test_a_watch_is_waited_for(hosts: str) -> None:
    zoo(hosts, "create", "/a", "x")
    env = {**os.environ, "ZOO_SERVER": hosts, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*ZOO, "get", "-w", "/a"], stdout=subprocess.PIPE, env=env) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"x\n"
        assert waiting.poll() is None
        zoo(hosts, "set", "/a", "y")
        assert waiting.stdout.readline().startswith(b"WATCHER:: NodeDataChanged /a 0x")
        assert waiting.wait(30) == 0


def test_who_reads_us_may_have_enough(hosts: str) -> None:
    command = f"{sys.executable} -m zoo ls -R / | true"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "ZOO_SERVER": hosts},
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == b""


def test_interrupted(hosts: str) -> None:
    env = {**os.environ, "ZOO_SERVER": hosts}
    with subprocess.Popen([*ZOO, "watch", "/a"], stderr=subprocess.PIPE, env=env) as watching:
        assert watching.stderr is not None
        assert b"watching" in watching.stderr.readline()
        watching.send_signal(2)
        assert watching.wait(30) == 130
        assert watching.stderr.read() == b""


def test_libraries_of_the_extra_are_not_loaded(hosts: str) -> None:
    script = (
        "import sys\nfrom zoo.tools.cli import main\n"
        "try:\n    main(['ls', '/'])\nfinally:\n"
        "    print([m for m in ('rich', 'prompt_toolkit', 'zoo.server') if m in sys.modules])"
    )
    env = {**os.environ, "ZOO_SERVER": hosts}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout == "[]\n[]\n"


def test_multi_from_a_pipe(hosts: str) -> None:
    done = zoo(hosts, "multi", stdin=b"create /a\nset /a x\n")
    assert (done.returncode, done.stdout) == (0, b"Created /a\nSet, version 1\n")


def test_the_session_ends_with_the_command(hosts: str, tmp_path: Path) -> None:
    done = zoo(hosts, "create", "-e", "/e", "x")
    assert done.stderr == b"/e is ephemeral and goes now, with this command's session\n"
    assert wait_until(lambda: zoo(hosts, "ls", "/").stdout == b"[]\n", 10, "it has gone")
