"""What all blocking recipes are: a view of an asyncio recipe, from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from zoo.client.portal import portal

R = TypeVar("R")
W = TypeVar("W")


def run(work: Coroutine[Any, Any, R]) -> R:
    """Its result; it runs on the portal's loop, where the client lives."""
    return portal().run(work)


def on_loop(look: Callable[[], R]) -> R:
    """What `look` returns on the portal's thread: of one moment, and where timers may be set."""

    async def there() -> R:
        return look()

    return run(there())


def iterate(changes: AsyncIterator[R]) -> Iterator[R]:
    """The same items; the caller blocks until there is one."""
    end = object()

    async def following() -> Any:
        return await anext(changes, end)

    while (item := run(following())) is not end:
        yield item


def is_set_within(event: asyncio.Event, timeout: float | None) -> bool:
    async def wait() -> None:
        async with asyncio.timeout(timeout):
            await event.wait()

    try:
        run(wait())
    except TimeoutError:
        return False
    return True


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
