"""What all blocking recipes are: a view of an asyncio recipe, from any thread."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from zoo.client.portal import portal

R = TypeVar("R")
W = TypeVar("W")


def run(work: Coroutine[Any, Any, R]) -> R:
    """Its result; it runs on the portal's loop, where the client lives."""
    return portal().run(work)


class Twin(Generic[W]):
    """Wraps an asyncio recipe. Methods without a docstring have that of `of`'s method."""

    def __init__(self, recipe: W) -> None:
        self._recipe = recipe

    def __repr__(self) -> str:
        return repr(self._recipe)

    def __init_subclass__(cls, of: type | None = None) -> None:
        super().__init_subclass__()
        for name, method in vars(cls).items():
            if callable(method) and not name.startswith("_") and method.__doc__ is None:
                method.__doc__ = getattr(getattr(of, name, None), "__doc__", None)
