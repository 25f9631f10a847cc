"""The blocking twin of the coordinator of two-phase commits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.client.blocking import Client
from zoo.recipes import two_phase
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.two_phase import Decision


class Coordinator(Twin[two_phase.Coordinator], of=two_phase.Coordinator):
    """See `zoo.recipes.Coordinator`."""

    def __init__(self, zk: Client[Any], path: str, name: str) -> None:
        super().__init__(two_phase.Coordinator(zk._client, path, name))

    def execute(
        self,
        parts: Mapping[str, bytes],
        *,
        txid: str | None = None,
        timeout: float = two_phase.DEFAULT_TIMEOUT,
    ) -> Decision:
        return run(self._recipe.execute(parts, txid=txid, timeout=timeout))

    def outcome(self, txid: str) -> Decision | None:
        return run(self._recipe.outcome(txid))

    def recover(self) -> list[Decision]:
        return run(self._recipe.recover())

    def forget(self, txid: str) -> None:
        run(self._recipe.forget(txid))
