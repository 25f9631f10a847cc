"""``zoo simulate``: run simulated worlds; each failing seed prints the command that replays it."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    IntParam = click.ParamType[int]
    RangeParam = click.ParamType[range]
else:  # before click 8.2 it is not generic
    IntParam = RangeParam = click.ParamType

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


class Duration(IntParam):
    """``90s``, ``10m``, ``500ms``, ``1h`` or plain seconds; the value is microseconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", str(value))
        if match is None:
            self.fail(f"{value!r} is not a time such as 90s, 10m or 500ms", param, context)
        return int(float(match[1]) * _UNITS[match[2] or "s"])


class Seeds(RangeParam):
    """``7`` or ``0-199``."""

    name = "seeds"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> range:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", str(value))
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            self.fail(f"{value!r} is not a seed such as 7 or a range such as 0-199", param, context)
        return range(int(match[1]), int(match[2] or match[1]) + 1)


@click.command()
@click.option("--seed", "--seeds", "seeds", type=Seeds(), default="1", show_default=True)
@click.option(
    "--duration", type=Duration(), default="60s", show_default=True, help="Virtual time per seed."
)
@click.option("--trace", is_flag=True, help="One line per event.")
@click.option("--quiet", is_flag=True, help="Only failures and the last line.")
def simulate(seeds: range, duration: int, trace: bool, quiet: bool) -> None:
    """Run a server, its disk, network and clients in virtual time, and check what it promises.

    One seed is one world: the same seed and duration give the same events. Exits with 1 if a
    promise was broken.
    """
    sink: Callable[[str], None] | None = click.echo if trace else None
    logging.disable(logging.CRITICAL)
    began = time.process_time()
    simulated = 0
    failed: list[int] = []
    for seed in seeds:
        simulated += _one(seed, duration, sink, quiet, failed)
    spent = max(time.process_time() - began, 1e-9)
    click.echo(
        f"{len(seeds)} seeds, {len(failed)} failed; {simulated / 1e6:.0f} s simulated in "
        f"{spent:.1f} s of CPU: {simulated / 1e6 / spent:.0f} s per second"
    )
    sys.exit(1 if failed else 0)


def _one(
    seed: int, duration: int, sink: Callable[[str], None] | None, quiet: bool, failed: list[int]
) -> int:
    """Run one seed; returns the virtual microseconds that it lived."""
    from zoo.sim.checking import Violation
    from zoo.sim.world import World

    world = World(seed, trace=sink)
    try:
        world.run(duration)
    except Violation as violation:
        failed.append(seed)
        click.echo(f"seed {seed}: FAILED at {world.schedule.now / 1e6:.6f} s: {violation}")
        click.echo(f"replay: zoo simulate --seed {seed} --duration {duration // 1000}ms --trace")
    else:
        if not quiet:
            click.echo(world.summary())
    return world.schedule.now
