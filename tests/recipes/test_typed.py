from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest

from zoo.recipes.typed import BadSettingsError, decode, encode


class Side(Enum):
    BUY = 1
    SELL = 2


@dataclass(frozen=True)
class Limit:
    symbol: str
    most: int = 10
    tick: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        if self.most < 0:
            raise ValueError(f"most is {self.most}")
        if self.tick <= 0:  # of a NaN this raises InvalidOperation, which is no ValueError
            raise ValueError(f"tick is {self.tick}")


@dataclass(frozen=True)
class Market:
    open: bool
    rate: float
    limits: tuple[Limit, ...] = ()
    by_name: dict[str, Limit] = field(default_factory=dict)
    sides: frozenset[str] = frozenset()
    side: Side = Side.BUY
    mode: Literal["auction", "continuous"] = "continuous"
    note: str | None = None
    pair: tuple[int, str] = (1, "a")
    anything: Any = None
    keys: frozenset[Any] = frozenset()


def test_there_and_back() -> None:
    limit = Limit("ZOO", 5, Decimal("0.10"))
    market = Market(
        open=True,
        rate=2,
        limits=(limit, Limit("ABC")),
        by_name={"x": limit},
        sides=frozenset("ba"),
        side=Side.SELL,
        mode="auction",
        note="n",
        anything=[1, {"a": None}],
    )
    assert decode(Market, json.loads(json.dumps(encode(market)))) == market


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"open": 1, "rate": 1}, "open: true or false is needed, not 1"),
        ({"open": True, "rate": "1"}, "rate: a number is needed, not '1'"),
        ({"open": True}, "Market: .*missing.*'rate'"),
        ([], "settings: an object with the fields of Market is needed"),
        ({"limits": [{"symbol": "a"}, {"symbol": 5}]}, r"limits\[1\]\.symbol: a string is needed"),
        ({"limits": [{"symbol": "a", "most": True}]}, r"limits\[0\]\.most: an int is needed"),
        ({"limits": [{"symbol": "a", "most": -1}]}, r"limits\[0\]: most is -1"),
        ({"limits": [{"symbol": "a", "tick": "x"}]}, "tick: a decimal number as a string"),
        ({"limits": [{"symbol": "a", "tick": "NaN"}]}, r"limits\[0\]: InvalidOperation"),
        ({"rate": 10**400}, "rate: a number of less than 309 digits"),
        ({"keys": [[1]]}, "keys: unhashable"),
        ({"limits": 5}, "limits: a list is needed"),
        ({"by_name": {"k": None}}, r"by_name\['k'\]: an object"),
        ({"by_name": 5}, "by_name: an object is needed"),
        ({"side": "HOLD"}, "side: one of BUY, SELL is needed"),
        ({"mode": "off"}, "mode: one of 'auction', 'continuous' is needed"),
        ({"note": 5}, "note: a string is needed, not 5; or note: null is needed"),
        ({"pair": [1]}, "pair: a list of 2 is needed"),
    ],
)
def test_what_does_not_fit_is_named(raw: Any, why: str) -> None:
    with pytest.raises(BadSettingsError, match=why):
        decode(Market, raw)


def test_a_newer_releases_fields_are_overlooked() -> None:
    assert decode(Limit, {"symbol": "a", "newer": 1}) == Limit("a")


def test_types_that_settings_cannot_have() -> None:
    with pytest.raises(TypeError, match="cannot be of type"):
        decode(complex, 1)
    with pytest.raises(TypeError, match="keys of a dict"):
        decode(dict[int, str], {})
