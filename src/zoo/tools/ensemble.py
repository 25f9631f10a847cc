"""``zoo ensemble``: a whole ensemble on this machine, to try things out with."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import FrameType
from typing import NamedTuple

import click

from zoo.tools.local_ensemble import EnsembleProblem, LocalEnsemble, LocalServer

_HEAD = ("server", "pid", "role", "clients at", "zxid", "clients", "sessions", "znodes")
_SECONDS_PER_LOOK = 1.0
_NOT_SERVING = "looking for a leader"


class Row(NamedTuple):
    """What the view shows of one server."""

    server: str
    pid: str
    role: str
    address: str
    zxid: str
    clients: str
    sessions: str
    znodes: str


def look(server: LocalServer) -> Row:
    """One server's row; asks it."""
    process = server.process
    address = server.hosts
    nothing = ("-", "-", "-", "-")
    if process is None or process.poll() is not None:
        code = "not started" if process is None else f"ended with code {process.returncode}"
        return Row(str(server.sid), "-", code, address, *nothing)
    pid = str(process.pid)
    told = _told(server.ask("srvr"))
    if "Mode" not in told:
        role = _NOT_SERVING if server.ask("ruok") else "does not answer"
        return Row(str(server.sid), pid, role, address, *nothing)
    sessions = server.facts().get("global_sessions", "-")
    return Row(
        str(server.sid),
        pid,
        told["Mode"],
        address,
        told.get("Zxid", "-"),
        told.get("Connections", "-"),
        sessions,
        told.get("Node count", "-"),
    )


def _told(answer: str) -> dict[str, str]:
    rows = (line.partition(": ") for line in answer.splitlines())
    return {key: value for key, colon, value in rows if colon}


def table(rows: list[Row]) -> list[str]:
    """The rows as lines of text, under their heads."""
    lines = [_HEAD, *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(_HEAD))]
    return ["  ".join(text.ljust(w) for text, w in zip(line, widths)).rstrip() for line in lines]


class View:
    """The table, drawn over itself on a terminal; elsewhere one line for each change of a role."""

    def __init__(self, write: Callable[[str], None], is_terminal: bool) -> None:
        self._write = write
        self._is_terminal = is_terminal
        self._drawn = 0
        self._roles: dict[str, str] = {}

    def show(self, rows: list[Row]) -> None:
        if self._is_terminal:
            lines = table(rows)
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            self._write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
            self._drawn = len(lines)
            return
        for row in rows:
            if self._roles.get(row.server) != row.role:
                self._roles[row.server] = row.role
                self._write(f"server {row.server}: {row.role}, zxid {row.zxid}\n")


class Stop:
    """Set by SIGINT and SIGTERM; `wait` sleeps until then."""

    def __init__(self) -> None:
        self._event = Event()
        self._old = {n: signal.signal(n, self._on_signal) for n in (signal.SIGINT, signal.SIGTERM)}

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)


def write(text: str) -> None:
    click.echo(text, nl=False)


@click.command()
@click.option("--size", type=click.IntRange(1, 99), default=3, show_default=True, help="Voters.")
@click.option("--observers", type=click.IntRange(0, 99), default=0, show_default=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("zoo-ensemble"),
    show_default=True,
    help="Where the ensemble's state is kept; taken up again when it is there.",
)
@click.option(
    "--base-port",
    type=click.IntRange(1, 65000),
    help="Port of the first server for clients; further ones follow. Without it: any free ports.",
)
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A line for zoo.cfg."
)
@click.option("--seconds", type=float, help="Stop after so long.")
def ensemble(
    size: int,
    observers: int,
    directory: Path,
    base_port: int | None,
    assignments: tuple[str, ...],
    seconds: float | None,
) -> None:
    """Run a whole ensemble on this machine until Ctrl-C, and watch it.

    Each server is a process of its own, with its configuration, data and log in DIR/server.N.
    """
    settings = dict(assignment.partition("=")[::2] for assignment in assignments)
    if size == 1:
        settings.setdefault("standaloneEnabled", "false")
    try:
        servers = LocalEnsemble(directory, size, observers, base_port, settings)
    except (EnsembleProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from problem
    stop = Stop()
    click.echo(
        f"connect to {servers.connect_string}; logs in {directory}/server.*/log; Ctrl-C ends"
    )
    view = View(write, sys.stdout.isatty())
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    try:
        with servers:
            while not stop.is_set and time.monotonic() < end:
                view.show([look(server) for server in servers.servers.values()])
                stop.wait(max(0.0, min(_SECONDS_PER_LOOK, end - time.monotonic())))
            click.echo("stopping")
    finally:
        stop.restore()
