"""``zoo simulate``: run simulated worlds; each failing seed prints the command that replays it."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.sim.campaign import AnyPlan

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
@click.option(
    "--recipes",
    is_flag=False,
    flag_value="all",
    help="Recipes of the client, one (by name) or all, each with its guarantee as a check.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, help="Seeds lived at a time.")
@click.option("--trace", is_flag=True, help="One line per event.")
@click.option("--quiet", is_flag=True, help="Only failures and the last line.")
def simulate(
    seeds: range,
    duration: int,
    servers: int | None,
    observers: int,
    zab: bool,
    recipes: str | None,
    jobs: int,
    trace: bool,
    quiet: bool,
) -> None:
    """Run servers, their disks, network and clients in virtual time, and check what they promise.

    One seed is one world: the same seed, duration and size give the same events. Exits with 1 if a
    promise was broken.
    """
    logging.disable(logging.CRITICAL)
    tally = Tally(trace, quiet)
    for plan in _plans(duration, servers, observers, zab, recipes):
        tally.live(plan, seeds, jobs)
    tally.report()
    sys.exit(1 if tally.failed else 0)


def _plans(
    duration: int, servers: int | None, observers: int, zab: bool, recipes: str | None
) -> list[AnyPlan]:
    from zoo.sim.campaign import Plan

    if recipes is None:
        default = 0 if zab else 1
        return [Plan(duration, default if servers is None else servers, observers, zab)]
    from zoo.testing.simulated_recipes import STUDIES, RecipePlan

    names = list(STUDIES) if recipes == "all" else [recipes]
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(STUDIES)}", None)
    return [RecipePlan(duration, name, servers or 0) for name in names]


class Tally:
    """Lives through seeds, tells of each, and counts."""

    def __init__(self, trace: bool, quiet: bool) -> None:
        self.failed = 0
        self._trace = trace
        self._quiet = quiet
        self._seeds = self._simulated = self._spent = 0

    def live(self, plan: AnyPlan, seeds: range, jobs: int) -> None:
        from zoo.sim.campaign import campaign, live

        traced = (live(plan, seed, _line) for seed in seeds)
        for outcome in traced if self._trace else campaign(plan, seeds, jobs):
            self._seeds += 1
            self._simulated += outcome.simulated_us
            self._spent += outcome.cpu_us
            if outcome.failure is not None:
                self.failed += 1
                at = f"seed {outcome.seed}: FAILED at {outcome.simulated_us / 1e6:.6f} s"
                click.echo(f"{at}: {outcome.failure}")
                click.echo(f"replay: zoo simulate --seed {outcome.seed} {plan.options()} --trace")
            elif not self._quiet:
                click.echo(outcome.summary)

    def report(self) -> None:
        rate = self._simulated / max(self._spent, 1)
        click.echo(
            f"{self._seeds} seeds, {self.failed} failed; {self._simulated / 1e6:.0f} s simulated "
            f"in {self._spent / 1e6:.1f} s of CPU: {rate:.0f} s per second, "
            f"{rate * 3600 / 86_400:.1f} days per CPU-hour"
        )


def _line(text: str) -> None:
    click.echo(text)
