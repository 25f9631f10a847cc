"""Transactions to which something happens on their way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ConnectionLossError, Outcome
from zoo.client.transaction import Transaction

Commit = Callable[[], Awaitable[list[Any]]]


def replace_next_commit(
    zk: AsyncClient[bytes],
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[Commit], Awaitable[list[Any]]],
) -> None:
    """Of the client's next transaction: `how` is given what would commit it."""
    original = Transaction.commit

    async def commit(self: Transaction[Any], *, timeout: float | None = None) -> list[Any]:
        if self._client._session is not zk._session:
            return await original(self, timeout=timeout)
        monkeypatch.setattr(Transaction, "commit", original)
        return await how(lambda: original(self, timeout=timeout))

    monkeypatch.setattr(Transaction, "commit", commit)


def lose_the_answer(
    zk: AsyncClient[bytes], monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[Any]]
) -> None:
    """Of the next transaction: it is applied, then something happens, then the connection broke."""

    async def how(commit: Commit) -> list[Any]:
        await commit()
        await then()
        raise ConnectionLossError(outcome=Outcome.UNKNOWN)

    replace_next_commit(zk, monkeypatch, how)
