"""multi: operations collected line by line, committed all or none."""

from __future__ import annotations

from typing import Any

import click

from zoo.client.results import Node
from zoo.client.transaction import Transaction
from zoo.jute.records import Stat
from zoo.shell import values
from zoo.shell.blocking import content, read_stdin
from zoo.shell.commands import COMMANDS
from zoo.shell.problems import EXPECTED, Problem, explain
from zoo.shell.session import Reader, Shell
from zoo.shell.table import HELP, ShellCommand, path, version_option
from zoo.shell.words import split
from zoo.shell.writing import create_options, given_data, knowing_the_way_to_a_ttl

PROMPT = "multi> "
OPERATIONS = ("create", "set", "delete", "check")
ENDS = ("commit", "abort")
_CHECK = ShellCommand(
    "check",
    params=[version_option(), path()],
    help="Fail unless the znode exists and has this version.",
    context_settings=HELP,
)


async def multi(shell: Shell, *, file: str | None) -> None:
    """From the terminal until `commit` or `abort`; from a file or a pipe until its end.

    A wrong line of a script spoils the transaction and does not end it: the lines after it would
    be run one by one.
    """
    transaction = shell.zk.transaction()
    typed = shell.is_interactive and file is None
    read = await _reader(shell, file)
    wrong: Exception | None = None
    if typed:
        shell.out.note(f"{', '.join(OPERATIONS)}; commit or abort ends")
    while (text := await _next(read)) not in (None, *ENDS):
        error = await _collected(transaction, str(text))
        if typed and error is not None:
            shell.out.error(explain(error)[0])
        else:
            wrong = wrong or error
    if wrong is not None:
        shell.out.note("nothing was done")
        raise wrong
    if text == "abort" or (typed and text is None):  # the end of what is typed is no commit
        shell.out.note("nothing was done")
        return
    with knowing_the_way_to_a_ttl():  # what else a transaction consists of all servers know
        results = await transaction.commit()
    shell.out.show([_json(result) for result in results], *map(_line, results))


async def pass_over(shell: Shell) -> None:
    """The lines of a script that belong to a multi which cannot begin."""
    if shell.read_line is None or shell.is_interactive:
        return
    count = 0
    while await _next(shell.read_line) not in (None, *ENDS):
        count += 1
    shell.out.note(f"{count} lines up to its end were passed over: nothing was done")


async def _next(read: Reader) -> str | None:
    line = await read(PROMPT)
    return None if line is None else line.strip()


async def _collected(transaction: Transaction[bytes], text: str) -> Exception | None:
    """What is wrong with the line, if it is neither an operation nor a comment."""
    try:
        if text and not text.startswith("#"):
            await collect(transaction, text)
    except click.exceptions.Exit:  # it has printed its help
        return click.UsageError(f"{text!r} is no operation")
    except EXPECTED as error:
        return error
    return None


async def _reader(shell: Shell, file: str | None) -> Reader:
    if file is None and shell.read_line is not None:
        return shell.read_line
    if file is None or file == "-":
        return read_stdin
    lines = iter((await content(file)).decode().splitlines())

    async def read(_prompt: str) -> str | None:
        return next(lines, None)

    return read


async def collect(transaction: Transaction[bytes], line: str) -> None:
    """Add the operation in the line. Raises click.UsageError, ValueError."""
    name, *words = split(line)
    if name not in OPERATIONS:
        raise click.UsageError(f"{name!r} is none of {', '.join((*OPERATIONS, *ENDS))}")
    if name == "check":
        given = dict(_CHECK.make_context("check", words).params)
    else:
        given = COMMANDS[name].parse(words)
        given.pop("as_json")
    _refuse(name, given)
    where = given.pop("path")
    if name == "create":
        given.pop("parents")
        transaction.create(where, **await create_options(**given))
    elif name == "set":
        data = await given_data(given["data"], given["file"], given["as_base64"])
        if data is None:
            raise click.UsageError("set: no data")
        transaction.set(where, data, version=given["version"])
    elif name == "delete":
        transaction.delete(where, version=given["version"])
    else:
        transaction.check(where, version=given["version"])


def _refuse(name: str, given: dict[str, Any]) -> None:
    for option in ("parents", "stat"):
        if given.get(option):
            raise Problem(f"{name}: no {option} in a transaction")


def _json(result: Any) -> dict[str, Any]:
    if isinstance(result, Node):
        return {"created": result.path}
    return {"stat": values.stat_json(result)} if isinstance(result, Stat) else {}


def _line(result: Any) -> str:
    if isinstance(result, Node):
        return f"Created {result.path}"
    return f"Set, version {result.version}" if isinstance(result, Stat) else "OK"
