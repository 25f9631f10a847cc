"""``zoo config``: the configuration of a file, or the one that an ensemble has."""

from __future__ import annotations

import click

from zoo.tools.cli import fail, option_settings, set_option


@click.group()
def config() -> None:
    """Look at configuration without starting a server."""


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
