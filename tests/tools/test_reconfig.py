from __future__ import annotations

import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.interop.ensemble import lone_member
from tests.interop.harness import Server, free_port
from zoo.shell.access import Access
from zoo.tools.cli import main
from zoo.tools.reconfig import Manner, _verdict
from zoo.tools.reconfig_plan import Finding, Level

GONE = f"server.9=127.0.0.1:1:2:observer;127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory: Path = tmp_path_factory.mktemp("member")
    server = lone_member(directory, skipACL="yes")
    try:
        yield server.start()
    finally:
        server.kill()


def run(member: Server | None, *arguments: str) -> Result:
    server = [] if member is None else ["--server", member.address]
    return CliRunner().invoke(main, ["reconfig", *server, *arguments])


def test_a_dry_run_shows_everything_and_changes_nothing(member: Server) -> None:
    result = run(member, "--add", GONE, "--dry-run")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "server",
        "now,",
        "version",
        "100000000",
        "then",
        "what",
        "it",
        "says",
    ]
    assert lines[2].split()[:3] == ["9", "-", GONE.partition("=")[2]]
    assert "then: a quorum is all of 1: none may fail" in lines
    assert lines[-3].startswith("danger: server 9 does not run")
    assert lines[-1] == f"request: reconfig joiningServers={GONE} curConfigId=100000000"
    assert "without --dry-run you will be asked" in result.stderr
    assert run(member, "--remove", "7", "--dry-run").exit_code == 0


def test_nothing_dangerous_is_done_unasked(member: Server) -> None:
    result = run(member, "--add", GONE)
    assert (result.exit_code, "--yes does it all the same" in result.stderr) == (3, True)
    result = run(member, "--add", GONE, "--json")
    assert json.loads(result.stdout)["outcome"] == "not sent"


@pytest.mark.parametrize(("answer", "why"), [(True, ""), (False, "as you wish")])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, answer: bool, why: str) -> None:
    asked: list[str] = []

    def confirm(text: str, err: bool) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", confirm)
    manner = Manner(Access(), 1.0, dry_run=False, yes=False, json=False)
    assert _verdict([Finding(Level.DANGER, "fire")], manner) == why
    assert asked == ["Do it all the same?"]
    assert _verdict([Finding(Level.NOTE, "smoke")], manner) == ""
    assert _verdict([Finding(Level.REFUSED, "no")], manner._replace(yes=True)) != ""
    assert len(asked) == 1


def test_changes_and_how_they_end(member: Server) -> None:
    result = run(member, "--add", GONE, "--yes", "--timeout", "0.3", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit"], told["outcome"]) == (4, 4, "lagging")
    assert told["request"]["joiningServers"] == GONE
    old = told["old"]["version"]
    result = run(member, "--remove", "9", "--from-version", old)
    assert (result.exit_code, "holds, not" in result.stderr) == (3, True)
    result = run(member, "--remove", "9")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "to be stopped: 9"), (
        result.output
    )
    result = run(member, "--remove", "9")
    assert (result.exit_code, result.stdout.splitlines()[-1][:13]) == (0, "nothing to do")


def test_all_members_from_a_file(member: Server, tmp_path: Path) -> None:
    line = f"server.1={member.settings['server.1']}"
    file = tmp_path / "members"
    file.write_text(f"# all of them\n{line}\n{GONE}\nversion=7\n")
    for members in (str(file), f"{line},{GONE}"):
        result = run(member, "--members", members, "--dry-run")
        assert f"newMembers={line},{GONE} " in result.stdout, result.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give --add and --remove, or else --members"),
        (["--members", "x=1", "--remove", "2"], "or else --members"),
        (["--members", "/none/such"], "No such file"),
        (["--remove", "2", "--from-version", "x"], "is not hexadecimal"),
        (["--remove", "2", "--auth", "me"], "scheme:credentials"),
    ],
)
def test_wrong_invocations(arguments: list[str], why: str) -> None:
    result = run(None, *arguments)
    assert (result.exit_code, why in result.stderr) == (2, True)


def test_no_server_is_exit_code_1() -> None:
    result = run(None, "--server", "127.0.0.1:1", "--remove", "2", "--timeout", "0.1")
    assert (result.exit_code, "connection refused" in result.stderr) == (1, True)


def test_an_interruption_leaves_the_outcome_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(work: Coroutine[Any, Any, int]) -> int:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.tools.config_live.run", interrupted)
    result = run(None, "--remove", "2")
    assert (result.exit_code, "tells what holds now" in result.stderr) == (5, True)
    assert CliRunner().invoke(main, ["config", "--watch"]).exit_code == 0
