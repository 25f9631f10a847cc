"""One command and the end: `zoo get /a`. Also the frame of `zoo shell`."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import click

from zoo.shell.access import NAMES, access_options
from zoo.shell.table import HELP, Entry, ShellCommand, as_json

_PATIENCE = 1.0
"""Seconds for a person who pressed Tab."""


def connection_options() -> list[click.Parameter]:
    """Whom to connect to, and how."""
    timeout = click.Option(
        ["--timeout"],
        type=click.FloatRange(0.05),
        default=10.0,
        show_default=True,
        help="Seconds to connect, and for each operation.",
    )
    read_only = click.Option(
        ["--read-only", "read_only"], is_flag=True, help="Accept a server without a quorum."
    )
    max_request = click.Option(
        ["--max-request-bytes"],
        type=click.IntRange(1024),
        default=0xFFFFF,  # Link's, which is not loaded yet
        show_default=True,
        envvar="ZOO_MAX_REQUEST_BYTES",
        show_envvar=True,
        help="The largest request that the servers take: their jute.maxbuffer.",
    )
    return [*access_options(), timeout, read_only, max_request]


def command(entry: Entry) -> click.Command:
    """`zoo NAME` for an entry of the table."""

    def run_it(**given: Any) -> None:
        finish(_once(entry, given))

    return ShellCommand(
        entry.name,
        params=[*entry.params, as_json(), *connection_options()],
        callback=run_it,
        help=entry.help,
        context_settings=HELP,
    )


async def _once(entry: Entry, given: dict[str, Any]) -> int:
    shell = make_shell(given)
    try:
        if entry.needs_session:
            await shell.connect()
        await entry.action(shell, **given)
        await shell.wait_for_watches()
    finally:
        await shell.close()
    return 0


def make_shell(given: dict[str, Any]) -> Any:
    """A Shell from what the options gave; takes them out."""
    from zoo.shell.output import Output
    from zoo.shell.session import Link, Shell

    wanted = (*NAMES, "timeout", "read_only", "max_request_bytes")
    link = Link(**{name: given.pop(name) for name in wanted})
    return Shell(link, Output(given.pop("as_json")))


def paths_for(given: dict[str, Any], incomplete: str) -> list[str]:
    """What a path may become, from the server that the options name; none if it is not there."""
    import asyncio

    from zoo.shell.completion import Listing, paths_from
    from zoo.shell.problems import EXPECTED

    shell = make_shell({**given, "timeout": _PATIENCE, "as_json": False})

    async def ask() -> list[str]:
        try:
            await shell.connect()
            return await paths_from(incomplete, Listing(shell.zk.children, _PATIENCE))
        finally:
            await shell.close()

    try:
        return asyncio.run(ask())
    except EXPECTED:
        return []


def finish(work: Coroutine[Any, Any, int]) -> None:
    """Run it; errors become one line. Raises SystemExit with its code."""
    import asyncio

    from zoo.shell.output import Output
    from zoo.shell.problems import EXPECTED, Exit, explain

    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        raise  # click ends quietly: who read us has enough
    except EXPECTED as error:
        text, code = explain(error)
        Output().error(text)
    raise SystemExit(code)
