"""What may come next in a line that is being typed: commands, options, paths of live znodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

import click

from zoo.client.errors import ClientError
from zoo.shell.commands import COMMANDS, find
from zoo.shell.table import ZNODE, Entry
from zoo.shell.words import being_typed, quoted

Lister = Callable[[str], Awaitable[list[str]]]
"""The names of a znode's children."""


class Candidate(NamedTuple):
    text: str
    """What replaces the word."""
    about: str
    length: int
    """Of what is there of it."""


async def candidates(
    line: str, list_children: Lister, commands: Sequence[str] | None = None
) -> list[Candidate]:
    """For the end of `line`. `commands`: those that count, all of the shell's when None."""
    typing = being_typed(line)
    length = len(typing.word) + len(typing.quote)
    if not typing.before:
        names = commands if commands is not None else _shell_commands()
        return [
            Candidate(name, COMMANDS[name].help if name in COMMANDS else "", length)
            for name in names
            if name.startswith(typing.word)
        ]
    try:
        entry = find(typing.before[0])
    except click.UsageError:
        return []
    if typing.word.startswith("-"):
        return list(_options(entry, typing.before, typing.word))
    param = _awaited(entry, typing.before[1:])
    if param is None:
        return []
    if isinstance(param.type, click.Choice):
        choices = map(str, param.type.choices)
        return [Candidate(c, "", length) for c in choices if c.startswith(typing.word)]
    if entry.name == "help":
        return [Candidate(n, "", length) for n in _shell_commands() if n.startswith(typing.word)]
    if param.type is not ZNODE:
        return []
    paths = await paths_from(typing.word, list_children)
    return [Candidate(quoted(path), "", length) for path in paths]


def _shell_commands() -> list[str]:
    return sorted(COMMANDS)


def _options(entry: Entry, before: Sequence[str], word: str) -> Iterator[Candidate]:
    for param in entry.parser.params:
        if isinstance(param, click.Option) and not set(param.opts) & set(before):
            for opt in param.opts:
                if opt.startswith(word):
                    yield Candidate(opt, param.help or "", len(word))


def _awaited(entry: Entry, words: Sequence[str]) -> click.Parameter | None:
    """The parameter that the next word would be for."""
    options = {
        opt: param
        for param in entry.parser.params
        if isinstance(param, click.Option)
        for opt in param.opts
    }
    arguments = [param for param in entry.parser.params if isinstance(param, click.Argument)]
    value_of: click.Option | None = None
    for word in words:
        if value_of is not None:
            value_of = None
        elif word in options:
            value_of = None if options[word].is_flag else options[word]
        elif arguments:
            arguments.pop(0)
    if value_of is not None:
        return value_of
    return arguments[0] if arguments else None


async def paths_from(word: str, list_children: Lister) -> list[str]:
    """The paths that begin with the word."""
    if not word:
        return ["/"]
    above, slash, name = word.rpartition("/")
    if not slash:
        return []
    names = await list_children(above or "/")
    return [f"{above}/{each}" for each in names if each.startswith(name)]


class Listing:
    """The children of znodes, from the server, for a person who pressed Tab and types on.

    An answer that takes longer than `deadline` s is none; one is good for `lifetime` s.
    """

    def __init__(self, ask: Lister, deadline: float = 3.0, lifetime: float = 2.0) -> None:
        self._ask = ask
        self._deadline = deadline
        self._lifetime = lifetime
        self._known: dict[str, tuple[float, list[str]]] = {}

    async def __call__(self, path: str) -> list[str]:
        now = time.monotonic()
        self._known = {p: known for p, known in self._known.items() if known[0] > now}
        if path in self._known:
            return self._known[path][1]
        try:
            async with asyncio.timeout(self._deadline):
                names = await self._ask(path)
        except (ClientError, click.ClickException, TimeoutError):
            return []
        self._known[path] = (now + self._lifetime, names)
        return names
