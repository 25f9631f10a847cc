from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.client.live import poll
from tests.shell.rig import Rig, at, reader, refused, typed
from zoo.shell.lines import interruptible, prompt, run_lines
from zoo.shell.session import GivenUp


def test_a_script(hosts: str) -> None:
    lines = iter(["# a comment", "", "create /a x", "get /none", "get /a", "quit", "delete /a"])

    async def story(rig: Rig) -> None:
        rig.shell.read_line = reader(lines)
        assert await run_lines(rig.shell) == 0

    rig = at(hosts, story)
    assert rig.out.lines == ["Created /a", "x"]
    assert rig.shell.lines == ["create /a x", "get /none", "get /a", "quit"]
    assert next(lines) == "delete /a"


def test_the_exit_code_is_that_of_the_last_command(hosts: str) -> None:
    lines = iter(["ls /", "get /none"])

    async def read(_prompt: str) -> str | None:
        line = next(lines, None)
        if line == "ls /":
            raise GivenUp  # Ctrl-C: the next line counts
        return line

    async def story(rig: Rig) -> None:
        rig.shell.read_line = read
        assert await run_lines(rig.shell) == 1

    assert at(hosts, story).shell.lines == ["get /none"]


def test_prompt(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        assert prompt(rig.shell) == f"[zoo: {hosts}(CONNECTED) 0] "
        await rig.type("close")
        assert prompt(rig.shell) == f"[zoo: {hosts}(CLOSED) 1] "

    assert at(hosts, story).out.errors == []


def test_redo(hosts: str) -> None:
    rig = typed(hosts, "create -s /a-", "redo 0", "history")
    assert rig.out.lines[:2] == ["Created /a-0000000000", "Created /a-0000000001"]
    assert rig.out.notes == ["create -s /a-"]
    assert rig.shell.lines == ["create -s /a-", "create -s /a-", "history"]


@pytest.mark.parametrize("line", ["redo 1", "redo -1", "redo 7"])
def test_what_cannot_be_done_again(hosts: str, line: str) -> None:
    assert refused(hosts, "ls /", line)[0] == 2


def test_redos_cannot_be_done_again(hosts: str) -> None:
    assert "a redo cannot be done again" in refused(hosts, "redo 9", "redo 0")[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gte /", "there is no command 'gte'; did you mean get?"),
        ("get", "get: Missing argument 'PATH'."),
        ("get -q /", "get: No such option"),
        ('get "/a', 'the quote at "/a is not closed'),
    ],
)
def test_what_is_no_command(hosts: str, line: str, message: str) -> None:
    code, text = refused(hosts, line)
    assert (code, message in text) == (2, True), text


def test_ctrl_c_ends_the_command_and_not_the_shell(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        with interruptible(rig.shell):
            task = asyncio.get_running_loop().create_task(rig.type("watch /"))
            await poll(lambda: bool(rig.out.notes), "it watches")
            os.kill(os.getpid(), signal.SIGINT)
            assert await task == 130
            rig.shell.interrupt()  # nothing runs
            assert await rig.type("ls /") == 0

    assert at(hosts, story).out.lines == ["[]"]
