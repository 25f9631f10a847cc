"""Commands of the shell within the test's process, and what they said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.client.live import run
from zoo.shell.lines import run_line
from zoo.shell.output import Output
from zoo.shell.session import Link, Reader, Shell


class Recorder(Output):
    """Keeps what would have been printed."""

    def __init__(self, as_json: bool = False) -> None:
        super().__init__(as_json, colour=False)
        self.is_terminal = False
        self.values: list[Any] = []
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.bytes = b""

    def show(self, value: Any, *lines: str) -> None:
        self.values.append(value)
        self.lines += lines

    def write(self, data: bytes) -> None:
        self.bytes += data

    def note(self, text: str) -> None:
        self.notes.append(text)

    def error(self, text: str) -> None:
        self.errors.append(text)


class Rig:
    """A Shell whose lines are typed by a test."""

    def __init__(self, hosts: str, is_interactive: bool = False) -> None:
        self.out = Recorder()
        self.shell = Shell(Link(hosts, timeout=15.0), self.out, is_interactive)

    async def type(self, *lines: str) -> int:
        """The exit code of the last one."""
        code = 0
        for line in lines:
            self.shell.lines.append(line)
            code = await run_line(self.shell, line)
        return code


def reader(lines: Iterator[str]) -> Reader:
    """A script's."""

    async def read(_prompt: str) -> str | None:
        return next(lines, None)

    return read


def at(hosts: str, story: Callable[[Rig], Awaitable[None]], is_interactive: bool = False) -> Rig:
    """Connect, live through the story, close."""
    rig = Rig(hosts, is_interactive)

    async def live() -> None:
        try:
            await rig.shell.connect()
            await story(rig)
        finally:
            await rig.shell.close()

    run(live())
    return rig


def typed(hosts: str, *lines: str) -> Rig:
    """The lines one after the other; all must succeed."""

    async def story(rig: Rig) -> None:
        for line in lines:
            code = await rig.type(line)
            assert code == 0, (line, rig.out.errors)

    return at(hosts, story)


def refused(hosts: str, *lines: str) -> tuple[int, str]:
    """Exit code and message of the last line, which fails."""

    async def story(rig: Rig) -> None:
        await rig.type(*lines[:-1])
        rig.out.errors.clear()
        codes.append(await rig.type(lines[-1]))

    codes: list[int] = []
    rig = at(hosts, story)
    assert len(rig.out.errors) == 1, rig.out.errors
    return codes[0], rig.out.errors[0]
