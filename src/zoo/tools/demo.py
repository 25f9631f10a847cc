"""``zoo demo``: clients move money while the leader is killed again and again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from zoo.tools.ensemble import Stop


@click.command()
@click.option("--size", type=click.IntRange(3, 9), default=3, show_default=True, help="Servers.")
@click.option("--kills", type=click.IntRange(0), default=5, show_default=True, help="0: endless.")
@click.option("--pause", type=float, default=2.0, show_default=True, help="Seconds between kills.")
@click.option("--clients", type=click.IntRange(1, 100), default=4, show_default=True)
@click.option("--accounts", type=click.IntRange(2, 99), default=20, show_default=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the ensemble's state is kept. Without it: in a temporary folder.",
)
def demo(
    size: int, kills: int, pause: float, clients: int, accounts: int, directory: Path | None
) -> None:
    """Start an ensemble, let clients move money between accounts under locks, kill the leader again
    and again, and show that no money is lost and how long each outage was.

    Exits with 1 if anything was wrong.
    """
    from zoo.tools.demonstration import Demo
    from zoo.tools.local_ensemble import EnsembleProblem, LocalEnsemble

    stop = Stop()
    try:
        with _folder(directory) as folder, LocalEnsemble(folder, size) as servers:
            click.echo(f"{size} servers start; {clients} clients")
            demonstration = Demo(servers, clients, accounts, stop)
            demonstration.run(kills, pause)
    except (EnsembleProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from problem
    finally:
        stop.restore()
    if demonstration.wrong:
        raise click.ClickException("; ".join(demonstration.wrong))


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
    else:
        with tempfile.TemporaryDirectory(prefix="zoo-demo-") as name:
            yield Path(name)
