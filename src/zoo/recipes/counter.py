"""Values that many change at once: AtomicValue, and Counter for whole numbers.

Guarantee: a change is applied to exactly the value it was computed from, by comparing versions; no
update is lost. After a broken connection the outcome of a change is unknown: ConnectionLossError
is raised, never is the change applied twice. SUSPENDED and LOST need nothing: the value is not tied
to a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.converters import Converter
from zoo.client.errors import BadVersionError, NodeExistsError, NoNodeError
from zoo.client.outside import outside
from zoo.client.results import Node

T = TypeVar("T")
_LONGEST_PAUSE = 0.05


class AtomicValue(Generic[T]):
    """`initial` is its value while the znode does not exist."""

    def __init__(
        self, zk: AsyncClient[Any], path: str, converter: Converter[T], initial: T
    ) -> None:
        self.path = path
        self._zk = zk.with_data(converter)
        self._initial = initial
        self._rng = outside().random()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    async def get(self) -> T:
        """The value as this client's server has it."""
        node = await self._read()
        return self._initial if node is None else node.data

    async def _read(self) -> Node[T] | None:
        try:
            return await self._zk.get(self.path)
        except NoNodeError:
            return None

    async def update(self, change: Callable[[T], T]) -> T:
        """Replace the value by `change(value)`, computed anew until nobody came between."""
        bound = 0.001
        while True:
            node = await self._read()
            value = change(self._initial if node is None else node.data)
            if await self._write(node, value):
                return value
            await asyncio.sleep(self._rng.uniform(0, bound))
            bound = min(_LONGEST_PAUSE, bound * 2)

    async def compare_and_set(self, expected: T, value: T) -> bool:
        """Set it if it is `expected`; False, and no change, when it is not."""
        while True:
            node = await self._read()
            if (self._initial if node is None else node.data) != expected:
                return False
            if await self._write(node, value):
                return True

    async def _write(self, node: Node[T] | None, value: T) -> bool:
        try:
            if node is None:
                await self._zk.create(self.path, value, make_parents=True)
            else:
                await self._zk.set(self.path, value, version=node.version)
        except (BadVersionError, NodeExistsError, NoNodeError):
            return False
        return True


def _number(data: bytes | None) -> int:
    return int(data or b"0")


NUMBER: Converter[int] = Converter("a whole number", lambda value: b"%d" % value, _number)
"""Decimal digits, as kazoo's Counter writes them."""


class Counter(AtomicValue[int]):
    """A whole number; the znode holds its digits, as kazoo's does."""

    def __init__(self, zk: AsyncClient[Any], path: str, initial: int = 0) -> None:
        super().__init__(zk, path, NUMBER, initial)

    async def add(self, amount: int = 1) -> int:
        """The new value."""
        return await self.update(lambda value: value + amount)
