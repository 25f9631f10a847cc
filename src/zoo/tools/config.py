"""``zoo config``: the configuration that an ensemble has, or that of a file."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click

from zoo.shell.access import Access, access_options
from zoo.tools.cli import fail, option_settings, set_option


@click.group(invoke_without_command=True)
@click.option("--watch", is_flag=True, help="Go on, and show every change.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON.")
@click.option("-c", "--clients", is_flag=True, help="Only the connect string for clients.")
@click.option("--timeout", type=float, default=15.0, show_default=True, help="Seconds to connect.")
@click.pass_context
def config(
    context: click.Context,
    /,
    watch: bool,
    as_json: bool,
    clients: bool,
    timeout: float,
    **given: Any,
) -> None:
    """Show an ensemble's configuration, or look at a file's.

    Without a command below: the members as the ensemble has them now, which of them answer, and
    who leads. `zoo reconfig` changes them.
    """
    if context.invoked_subcommand is not None:
        return
    from zoo.tools.config_live import Wish, run, show

    with suppress(KeyboardInterrupt):  # the way to end --watch
        run(show(Access.taken_from(given), timeout, Wish(watch, as_json, clients), click.echo))


config.params += access_options()


@config.command()
@click.argument("file", type=click.Path())
@set_option
def check(file: str, assignments: tuple[str, ...]) -> None:
    """Print what FILE amounts to, where each value comes from, and warnings."""
    from zoo.config import effective
    from zoo.config_properties import ConfigError
    from zoo.runtime.config_file import load_config

    try:
        loaded = load_config(file, option_settings({}, assignments))
    except ConfigError as error:
        fail(error)
    rows = [(f"{name}={value}", origin) for _, name, value, origin in effective(loaded)]
    width = max(len(text) for text, _ in rows if len(text) < 60)
    for text, origin in rows:
        click.echo(f"{text:{width}}  # {origin}")
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


@config.command()
@click.option("--markdown", "as_markdown", is_flag=True, help="As docs/CONFIGURATION.md.")
def keys(as_markdown: bool) -> None:
    """List every zoo.cfg key."""
    from zoo import config_doc

    click.echo(config_doc.markdown() if as_markdown else config_doc.plain(), nl=False)
