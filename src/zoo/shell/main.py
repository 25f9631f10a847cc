"""`zoo shell`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from zoo.shell.oneshot import connection_options, finish, make_shell
from zoo.shell.table import HELP, as_json


async def _shell(given: dict[str, Any]) -> int:
    from zoo.client.errors import ClientError
    from zoo.shell.blocking import read_stdin
    from zoo.shell.extras import extra
    from zoo.shell.lines import run_line, run_lines
    from zoo.shell.problems import explain

    words, session_ms = given.pop("words"), given.pop("session_ms")
    given["read_only"] |= given.pop("short_read_only")
    shell = make_shell(given)
    if session_ms is not None:
        shell.link = replace(shell.link, session_timeout=session_ms / 1000)
    shell.is_interactive = not words and sys.stdin.isatty()
    if shell.is_interactive:
        with extra("the shell on a terminal"):
            from zoo.shell.terminal import Terminal
        shell.read_line = Terminal(shell).read
    elif not words:
        shell.read_line = read_stdin
    try:
        try:
            await shell.connect()
        except (ClientError, OSError) as error:
            if not shell.is_interactive:
                raise
            shell.out.error(explain(error)[0])  # `connect` may be typed
        if words:
            code: int = await run_line(shell, words)
            if code == 0:
                await shell.wait_for_watches()
            return code
        if shell.is_interactive:
            shell.out.note("help lists the commands, Tab completes, Ctrl-D ends")
        return await run_lines(shell)
    finally:
        await shell.close()


@click.command(context_settings={**HELP, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
def shell(**given: Any) -> None:
    """A command line for znodes, with zkCli's commands; or one COMMAND.

    On a terminal with completion of commands and paths, and a history. From a pipe, one command a
    line; the exit code is that of the last one.
    """
    finish(_shell(given))


def _client_configuration(_ctx: click.Context, _param: click.Parameter, file: str | None) -> None:
    if file is not None:
        raise click.UsageError(
            "-client-configuration: Java's properties are options here: "
            "--tls-ca, --tls-cert and --tls-key, with files in PEM"
        )


def zkcli_options() -> list[click.Parameter]:
    """Those of ZooKeeper's own command line, as it spells them."""
    return [
        click.Option(["-r", "short_read_only"], is_flag=True, help="zkCli's --read-only."),
        click.Option(
            ["-timeout", "session_ms"],
            type=click.IntRange(1),
            metavar="MS",
            help="zkCli's: the session's timeout in milliseconds.",
        ),
        click.Option(
            ["-waitforconnection"],
            is_flag=True,
            expose_value=False,
            help="zkCli's: it is always so here.",
        ),
        click.Option(
            ["-client-configuration"],
            expose_value=False,
            callback=_client_configuration,
            hidden=True,
        ),
    ]


shell.params += [as_json(), *connection_options(), *zkcli_options()]
