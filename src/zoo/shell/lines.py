"""Lines that were typed, or come from a file, run one after the other."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import click

from zoo.shell.administering import masked
from zoo.shell.commands import find
from zoo.shell.problems import EXPECTED, Exit, explain
from zoo.shell.session import GivenUp, Shell
from zoo.shell.words import split


async def run_lines(shell: Shell) -> int:
    """Read and run until quit or the end; the exit code of the last command, as with zkCli."""
    assert shell.read_line is not None
    code = int(Exit.OK)
    while not shell.is_over:
        try:
            line = await shell.read_line(prompt(shell))
        except GivenUp:
            continue
        if line is None:
            break
        if line.strip() and not line.lstrip().startswith("#"):
            shell.lines.append(line.strip())
            code = await run_line(shell, line)
    return code


def prompt(shell: Shell) -> str:
    state = shell.client.state.name if shell.client is not None else "CLOSED"
    return f"[zoo: {shell.link.hosts}({state}) {len(shell.lines)}] "


async def run_line(shell: Shell, line: str) -> int:
    """One command; what goes wrong is printed. Its exit code."""
    try:
        await _interruptible(_command(shell, line))
    except click.exceptions.Exit as done:
        return done.exit_code
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        shell.out.note("")  # the line of the terminal's ^C ends
        return Exit.INTERRUPTED
    except GivenUp:
        return Exit.INTERRUPTED
    except EXPECTED as error:
        text, code = explain(error)
        shell.out.error(text)
        return code
    return Exit.OK


async def _command(shell: Shell, line: str) -> None:
    words = split(line)
    entry = find(words[0])
    given = entry.parse(words[1:])
    before = shell.out.as_json
    shell.out.as_json = given.pop("as_json") or before
    try:
        if entry.name == "redo":
            await _redo(shell, given["number"])
        else:
            await entry.action(shell, **given)
    finally:
        shell.out.as_json = before


async def _redo(shell: Shell, number: int) -> None:
    if not 0 <= number < len(shell.lines) - 1:
        raise click.UsageError(f"redo {number}: the history has no such line before this one")
    line = shell.lines[number]
    if line.split()[:1] == ["redo"]:
        raise click.UsageError("a redo cannot be done again")
    shell.lines[-1] = line
    shell.out.note(masked(line))
    await _command(shell, line)


async def _interruptible(work: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C ends this work and nothing else."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def read_stdin(_prompt: str) -> str | None:
    """A line of a script. In a thread: the session must be kept alive meanwhile."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.rstrip("\n") if line else None
