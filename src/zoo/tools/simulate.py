"""``zoo simulate``: run simulated worlds; each failing seed prints the command that replays it."""

from __future__ import annotations

import logging
import re
import sys
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
@click.option(
    "--servers",
    type=click.IntRange(0, 9),
    help="Voters: 1 is a standalone server, 0 what each seed draws (the default with --zab).",
)
@click.option(
    "--observers", type=click.IntRange(-1, 9), default=-1, help="Observers; -1: what is drawn."
)
@click.option("--zab", is_flag=True, help="The protocol alone: members without trees and clients.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Seeds lived at a time.")
@click.option("--trace", is_flag=True, help="One line per event.")
@click.option("--quiet", is_flag=True, help="Only failures and the last line.")
def simulate(
    seeds: range,
    duration: int,
    servers: int | None,
    observers: int,
    zab: bool,
    jobs: int,
    trace: bool,
    quiet: bool,
) -> None:
    """Run servers, their disks, network and clients in virtual time, and check what they promise.

    One seed is one world: the same seed, duration and size give the same events. Exits with 1 if a
    promise was broken.
    """
    from zoo.sim.campaign import Plan, campaign, live

    logging.disable(logging.CRITICAL)
    if servers is None:
        servers = 0 if zab else 1
    plan = Plan(duration, servers, observers, zab)
    outcomes = campaign(plan, seeds, jobs) if not trace else (live(plan, s, _line) for s in seeds)
    simulated = spent = failed = 0
    for outcome in outcomes:
        simulated += outcome.simulated_us
        spent += outcome.cpu_us
        if outcome.failure is not None:
            failed += 1
            at = f"seed {outcome.seed}: FAILED at {outcome.simulated_us / 1e6:.6f} s"
            click.echo(f"{at}: {outcome.failure}")
            click.echo(f"replay: zoo simulate --seed {outcome.seed} {plan.options()} --trace")
        elif not quiet:
            click.echo(outcome.summary)
    rate = simulated / max(spent, 1)
    click.echo(
        f"{len(seeds)} seeds, {failed} failed; {simulated / 1e6:.0f} s simulated in "
        f"{spent / 1e6:.1f} s of CPU: {rate:.0f} s per second, "
        f"{rate * 3600 / 86_400:.1f} days per CPU-hour"
    )
    sys.exit(1 if failed else 0)


def _line(text: str) -> None:
    click.echo(text)
