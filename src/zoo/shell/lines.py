"""Lines that were typed, or come from a file, run one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import click

from zoo.shell.administering import masked
from zoo.shell.commands import find
from zoo.shell.problems import EXPECTED, Exit, explain
from zoo.shell.session import GivenUp, Shell
from zoo.shell.transactions import pass_over
from zoo.shell.words import split


async def run_lines(shell: Shell) -> int:
    """Read and run until quit or the end; the exit code of the last command, as with zkCli."""
    code = int(Exit.OK)
    with interruptible(shell) if shell.is_interactive else contextlib.nullcontext():
        while not shell.is_over and (line := await _next_line(shell)) is not None:
            if line.strip() and not line.lstrip().startswith("#"):
                shell.lines.append(line.strip())
                code = await run_line(shell, line)
    return code


async def _next_line(shell: Shell) -> str | None:
    assert shell.read_line is not None
    while True:
        try:
            return await shell.read_line(prompt(shell))
        except GivenUp:
            continue


@contextlib.contextmanager
def interruptible(shell: Shell) -> Iterator[None]:
    """Ctrl-C ends the command that runs and not the shell."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, shell.interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def prompt(shell: Shell) -> str:
    state = shell.client.state.name if shell.client is not None else "CLOSED"
    return f"[zoo: {shell.link.hosts}({state}) {len(shell.lines)}] "


async def run_line(shell: Shell, line: str | tuple[str, ...]) -> int:
    """One command, as a line or as its words; what goes wrong is printed. Its exit code."""
    try:
        shell.running = asyncio.get_running_loop().create_task(_command(shell, line))
        await shell.running
    except click.exceptions.Exit as done:
        return done.exit_code
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # the shell itself is to end
        shell.out.note("")  # the line of the terminal's ^C ends
        return Exit.INTERRUPTED
    except GivenUp:
        return Exit.INTERRUPTED
    except EXPECTED as error:
        text, code = explain(error)
        shell.out.error(text)
        return code
    return Exit.OK


async def _command(shell: Shell, line: str | tuple[str, ...]) -> None:
    words = split(line) if isinstance(line, str) else list(line)
    entry = find(words[0])
    try:
        given = entry.parse(words[1:])
    except click.UsageError:
        if entry.name == "multi":
            await pass_over(shell)
        raise
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
