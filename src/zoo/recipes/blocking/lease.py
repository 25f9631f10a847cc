"""The blocking twin of the lease."""

from __future__ import annotations

from typing import Any

from zoo.client.blocking import Client
from zoo.client.blocking_parts import BlockingTransaction
from zoo.recipes import lease
from zoo.recipes.blocking.base import Twin, is_set_within, on_loop, run
from zoo.recipes.blocking.places import blocking


class Lease(Twin[lease.Lease], of=lease.Lease):
    """`with Lease(zk, "/nightly", 30.0): ...`; see `zoo.recipes.Lease`."""

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        duration: float,
        *,
        holder: str = "",
        skew: float = 1.0,
    ) -> None:
        super().__init__(lease.Lease(zk._client, path, duration, holder=holder, skew=skew))

    @property
    def path(self) -> str:
        return self._recipe.path

    @property
    def holder(self) -> str:
        return self._recipe.holder

    @property
    def expires_in(self) -> float:
        return on_loop(lambda: self._recipe.expires_in)

    @property
    def is_held(self) -> bool:
        return self.expires_in > 0

    @property
    def token(self) -> int:
        return self._recipe.token

    def guarded(self) -> BlockingTransaction[Any]:
        return blocking(self._recipe.guarded())

    def acquire(self, timeout: float | None = None) -> None:
        run(self._recipe.acquire(timeout))

    def try_acquire(self) -> bool:
        return run(self._recipe.try_acquire())

    def renew(self) -> None:
        run(self._recipe.renew())

    def keep(self) -> None:
        on_loop(self._recipe.keep)

    def release(self) -> None:
        run(self._recipe.release())

    def current_holder(self) -> str | None:
        return run(self._recipe.current_holder())

    def wait_until_lost(self, timeout: float | None = None) -> bool:
        """False after `timeout` seconds, when it is still ours."""
        return is_set_within(self._recipe.lost, timeout)

    def __enter__(self) -> Lease:
        self.acquire()
        self.keep()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
