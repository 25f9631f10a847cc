"""Recipes that are wrong on purpose: their studies must see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from zoo.testing.simulated import Violation, simulate


def check_that_it_fails(
    study: Callable[[], Any], match: str, seeds: Iterable[int] = range(6), **how: Any
) -> None:
    """One of a few seeds must show it, with these words."""
    how.setdefault("duration", 8)
    for seed in seeds:
        one = study()
        try:
            simulate(one.programs(), seed=seed, check=one.check, **how)
        except Violation as violation:
            if match in str(violation):
                return
    pytest.fail(f"no seed says {match!r}")
