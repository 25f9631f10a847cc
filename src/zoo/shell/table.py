"""What a command is: its name, what it takes, and where its code is. One description serves the
shell, the one-shot commands, their help and the completion.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import click
from click.shell_completion import CompletionItem

Action = Callable[..., Awaitable[None]]
HELP = {"help_option_names": ["-h", "-?", "--help"]}


class ZnodePath(click.types.StringParamType):
    """Marks what completes to paths of znodes. Its rules are the client's business."""

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """For bash, zsh and fish: `eval "$(_ZOO_COMPLETE=bash_source zoo)"`."""
        from zoo.shell.oneshot import paths_for

        return [CompletionItem(path) for path in paths_for(ctx.params, incomplete)]


class FilePath(click.types.StringParamType):
    """A file here; "-" is standard input or output."""

    name = "file"


ZNODE = ZnodePath()
FILE = FilePath()


class ShellCommand(click.Command):
    """Says how to write an argument that looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            hint = f"{error.message} (write -- before data that begins with a dash)"
            raise click.NoSuchOption(error.option_name, hint, ctx=ctx) from None


@dataclass(frozen=True)
class Entry:
    """A command. `home` imports the module that has its function, when it is to run.

    The function is named as the command is, in Python's way, and takes the `Shell` and the
    parameters by name.
    """

    name: str
    home: Callable[[], ModuleType]
    help: str
    params: tuple[click.Parameter, ...] = ()
    is_one_shot: bool = True
    needs_session: bool = True

    @property
    def function_name(self) -> str:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()
        return f"{snake}_" if snake in ("import", "exit") else snake

    @property
    def action(self) -> Action:
        action: Action = getattr(self.home(), self.function_name)
        return action

    @cached_property
    def parser(self) -> click.Command:
        """What reads the command's words in the shell."""
        return ShellCommand(
            self.name, params=[*self.params, as_json()], help=self.help, context_settings=HELP
        )

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """The parameters by name. Raises click's UsageError; Exit after printing help."""
        context = self.parser.make_context(self.name, list(words))
        return dict(context.params)

    @property
    def usage(self) -> str:
        """`get [-s] [-w] [-b] [-x] PATH`, as a list of commands shows it."""
        return " ".join([self.name, *(_usage(param) for param in self.params)])


def _usage(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        value = "" if param.is_flag else f" {(param.name or '').upper()}"
        return f"[{param.opts[0]}{value}]"
    text = param.human_readable_name
    return text if param.required else f"[{text}]"


def normal(name: str) -> str:
    """getAcl, getacl and get-acl are one command."""
    return name.replace("-", "").lower()


# --- how parameters are written in the table


def path(name: str = "path", *, default: str | None = None) -> click.Argument:
    if default is None:
        return click.Argument([name], type=ZNODE)
    return click.Argument([name], type=ZNODE, required=False, default=default)


def word(name: str, *, required: bool = True) -> click.Argument:
    return click.Argument([name], required=required)


def flag(opts: str, name: str, text: str) -> click.Option:
    """`opts`: one or more spellings, "-s" or "-c --counts"."""
    return click.Option([*opts.split(), name], is_flag=True, help=text)


def value(opts: str, name: str, text: str, kind: Any = None, **more: Any) -> click.Option:
    return click.Option([*opts.split(), name], type=kind, help=text, **more)


def stat_flag() -> click.Option:
    return flag("-s", "stat", "The Stat, too.")


def watch_flag() -> click.Option:
    return flag("-w", "watch", "Watch: tell of the next change. A one-shot command waits for it.")


def version_option() -> click.Option:
    return value("-v", "version", "Only if this is its version.", int, default=-1)


def as_json() -> click.Option:
    return flag("--json", "as_json", "Print JSON, one object a line.")
