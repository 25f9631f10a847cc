"""The blocking twin of a place in a queue of contenders."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking_parts import BlockingTransaction
from zoo.client.transaction import Transaction
from zoo.recipes import places
from zoo.recipes.blocking.base import Twin, is_set_within, run


def blocking(transaction: Transaction[Any]) -> BlockingTransaction[Any]:
    twin = BlockingTransaction(transaction._client)
    twin._items, twin._paths = transaction._items, transaction._paths
    return twin


class Place(Twin[places.Place], of=places.Place):
    """See `zoo.recipes.Place`."""

    @property
    def path(self) -> str:
        return self._recipe.path

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier holder."""
        return self._recipe.token

    @property
    def is_held(self) -> bool:
        return self._recipe.is_held

    def guarded(self) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded())

    def wait_until_lost(self, timeout: float | None = None) -> bool:
        """False after `timeout` seconds, when it is still ours."""
        return is_set_within(self._recipe.lost, timeout)

    def leave(self) -> None:
        run(self._recipe.leave())
