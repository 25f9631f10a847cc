"""The blocking twins of the values that many change at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from zoo.client.blocking import Client
from zoo.client.converters import Converter
from zoo.recipes import counter
from zoo.recipes.blocking.base import Twin, run

T = TypeVar("T")


class AtomicValue(Twin[counter.AtomicValue[T]], Generic[T], of=counter.AtomicValue):
    """See `zoo.recipes.AtomicValue`. `change` is called in the caller's thread."""

    def __init__(self, zk: Client[Any], path: str, converter: Converter[T], initial: T) -> None:
        super().__init__(counter.AtomicValue(zk._client, path, converter, initial))

    def get(self) -> T:
        return run(self._recipe.get())

    def update(self, change: Callable[[T], T]) -> T:
        while True:
            node = run(self._recipe._read())
            value = change(self._recipe._initial if node is None else node.data)
            if run(self._recipe._write(node, value)):
                return value

    def compare_and_set(self, expected: T, value: T) -> bool:
        return run(self._recipe.compare_and_set(expected, value))


class Counter(AtomicValue[int], of=counter.Counter):
    """See `zoo.recipes.Counter`."""

    def __init__(self, zk: Client[Any], path: str, initial: int = 0) -> None:
        super().__init__(zk, path, counter.NUMBER, initial)

    def add(self, amount: int = 1) -> int:
        return run(self._recipe.update(lambda value: value + amount))
