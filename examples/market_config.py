"""Market settings reach all trading processes at once, checked, with a history and a way back.

Settings are a dataclass. What does not fit its types or its rules is refused where it is written,
and not followed where it would be read. Every process follows the settings and acts on what it has;
each change has a number, an author and a reason, and `rollback` makes an old state the newest.

    zoo serve &
    python examples/market_config.py follow 127.0.0.1:2181 trader-1 &
    python examples/market_config.py follow 127.0.0.1:2181 trader-2 &
    python examples/market_config.py set 127.0.0.1:2181 max_order=500 "before the data"
    python examples/market_config.py set 127.0.0.1:2181 trading=halted "circuit breaker"
    python examples/market_config.py rollback 127.0.0.1:2181 1
    python examples/market_config.py history 127.0.0.1:2181
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import zoo
from zoo.recipes import BadSettingsError
from zoo.recipes.blocking import Config

PATH = "/config/market"


class Trading(Enum):
    open = "open"
    halted = "halted"


@dataclass(frozen=True)
class Market:
    """What holds before anybody has set anything."""

    trading: Trading = Trading.open
    max_order: int = 1000
    tick: Decimal = Decimal("0.01")
    symbols: tuple[str, ...] = ("EURUSD", "USDJPY")

    def __post_init__(self) -> None:
        if self.max_order < 1:
            raise ValueError(f"max_order {self.max_order} leaves nothing to trade")
        if self.tick <= 0:
            raise ValueError(f"a tick of {self.tick}")


PARSERS: dict[str, Callable[[str], object]] = {
    "trading": Trading,
    "max_order": int,
    "tick": Decimal,
    "symbols": lambda text: tuple(text.split(",")),
}


def say(text: str) -> None:
    print(text, flush=True)


def follow(hosts: str, name: str) -> None:
    """A trading process: it looks at `config.value` whenever it needs a setting."""
    with zoo.Client(hosts) as zk, Config(zk, PATH, Market) as config:
        for market in config.changes():
            say(
                f"{name} at revision {config.revision}: {market.trading.name}, "
                f"orders up to {market.max_order}, tick {market.tick}"
            )


def change(hosts: str, assignment: str, why: str) -> None:
    field, _, text = assignment.partition("=")
    with zoo.Client(hosts) as zk, Config(zk, PATH, Market) as config:
        try:
            value = PARSERS.get(field, str)(text)
            say(f"revision {config.update(why=why, **{field: value})}")
        except (BadSettingsError, ValueError, ArithmeticError) as error:
            sys.exit(f"refused: {error}")


def rollback(hosts: str, revision: int) -> None:
    with zoo.Client(hosts) as zk, Config(zk, PATH, Market) as config:
        say(f"revision {config.rollback(revision)}")


def history(hosts: str) -> None:
    with zoo.Client(hosts) as zk, Config(zk, PATH, Market) as config:
        for each in config.history():
            changed = ", ".join(f"{name}: {a} -> {b}" for name, (a, b) in each.changed.items())
            say(f"#{each.number} {each.at:%F %T} by {each.by}: {each.why} ({changed})")


def main() -> None:
    match sys.argv[1:]:
        case ["follow", hosts, name]:
            follow(hosts, name)
        case ["set", hosts, assignment, why]:
            change(hosts, assignment, why)
        case ["rollback", hosts, revision]:
            rollback(hosts, int(revision))
        case ["history", hosts]:
            history(hosts)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
