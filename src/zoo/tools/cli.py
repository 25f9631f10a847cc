"""The command ``zoo``. A command imports what it needs when it runs: ``zoo --help`` is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from zoo.config_properties import Setting

# ZooKeeper's exit code for a wrong invocation or configuration.
EXIT_INVOCATION = 2

_OPTION_KEYS = {
    "--data-dir": "dataDir",
    "--data-log-dir": "dataLogDir",
    "--client-port": "clientPort",
    "--client-address": "clientPortAddress",
}


def _show_version(context: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"zoo {version('zoo')}")
        context.exit()


LAZY = {
    "config": "zoo.tools.config",
    "demo": "zoo.tools.demo",
    "ensemble": "zoo.tools.ensemble",
    "reconfig": "zoo.tools.reconfig",
    "shell": "zoo.shell.main",
    "simulate": "zoo.tools.simulate",
    "transfer-leader": "zoo.tools.transfer_leader",
}
"""Commands with modules of their own, imported when they are wanted; there each has its name."""


class _Lazy(click.Group):
    """Our own commands, and the one-shot commands of the shell's table."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*self._own(context), *self._on_znodes()]

    def _own(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *LAZY])

    @staticmethod
    def _on_znodes() -> dict[str, str]:
        """One-shot commands of the shell's table, and their help."""
        from zoo.shell.commands import COMMANDS

        return {name: entry.help for name, entry in COMMANDS.items() if entry.is_one_shot}

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in LAZY:
            from importlib import import_module

            command: click.Command = getattr(import_module(LAZY[name]), name.replace("-", "_"))
            return command
        return super().get_command(context, name) or self._one_shot(name)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(context), 1)
            if not near:
                raise
            hint = f"{error.format_message()} Did you mean {near[0]}?"
            raise click.UsageError(hint, error.ctx) from None

    @staticmethod
    def _one_shot(name: str) -> click.Command | None:
        from zoo.shell import commands, oneshot

        entry = commands.one_shot(name)
        return None if entry is None else oneshot.command(entry)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        ours = [(name, self.get_command(context, name)) for name in self._own(context)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(60)) for name, each in ours if each])
        with formatter.section("Commands on znodes, for any server"):
            formatter.write_dl(list(self._on_znodes().items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version and exit.",
)
def main() -> None:
    """Apache ZooKeeper's coordination service in Python."""


def option_settings(options: dict[str, str | None], assignments: tuple[str, ...]) -> list[Setting]:
    """Settings of the options, ``--set`` last. Raises ConfigError for a ``--set`` without ``=``."""
    from zoo.config_properties import ConfigError, Origin, Setting

    settings = [
        Setting(_OPTION_KEYS[option], value.strip(), Origin(option))
        for option, value in options.items()
        if value is not None
    ]
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(Origin("--set"), "", None, f"{assignment!r} must be KEY=VALUE")
        settings.append(Setting(key.strip(), value.strip(), Origin("--set")))
    return settings


def fail(error: Exception) -> NoReturn:
    click.echo(f"zoo: {error}", err=True)
    raise SystemExit(EXIT_INVOCATION)


set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any zoo.cfg key; repeatable, wins over the file.",
)


@main.command()
@click.argument("config", required=False, type=click.Path())
@click.option("--data-dir", metavar="DIR", help="Snapshots, and logs unless --data-log-dir.")
@click.option("--data-log-dir", metavar="DIR", help="Transaction logs.")
@click.option("--client-port", metavar="PORT", help="Port for clients (0: any free port).")
@click.option("--client-address", metavar="ADDRESS", help="Address to listen on (127.0.0.1).")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@set_option
def serve(
    config: str | None,
    data_dir: str | None,
    data_log_dir: str | None,
    client_port: str | None,
    client_address: str | None,
    log_level: str,
    log_format: str,
    assignments: tuple[str, ...],
) -> None:
    """Run a server.

    CONFIG is a zoo.cfg. Without it the server listens on 127.0.0.1:2181 and keeps its data in
    ./zoo-data. Options win over the file.
    """
    import logging

    from zoo.config_properties import ConfigError
    from zoo.runtime.config_file import load_config
    from zoo.runtime.logs import setup_logging

    options = dict(zip(_OPTION_KEYS, (data_dir, data_log_dir, client_port, client_address)))
    try:
        loaded = load_config(config, option_settings(options, assignments))
    except ConfigError as error:
        fail(error)
    setup_logging(log_level, log_format)
    for warning in loaded.warnings:
        logging.getLogger("zoo.config").warning(warning)
    from zoo.runtime.main import serve as run_server

    raise SystemExit(run_server(loaded))
