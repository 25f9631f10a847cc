"""The blocking twin of the typed settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, Self, TypeVar

from zoo.client.blocking import Client
from zoo.recipes import config
from zoo.recipes.blocking.base import Twin, iterate, run
from zoo.recipes.config import Revision

C = TypeVar("C")


class Config(Twin[config.Config[C]], Generic[C], of=config.Config):
    """See `zoo.recipes.Config`. `validate` is called on the portal's thread: it may compute, and
    not block."""

    def __init__(
        self,
        zk: Client[Any],
        path: str,
        kind: type[C],
        *,
        validate: Callable[[C], object] | None = None,
        by: str = "",
        keep: int = 100,
    ) -> None:
        super().__init__(config.Config(zk._client, path, kind, validate=validate, by=by, keep=keep))

    @property
    def path(self) -> str:
        return self._recipe.path

    @property
    def value(self) -> C:
        return self._recipe.value

    @property
    def revision(self) -> int:
        return self._recipe.revision

    @property
    def problem(self) -> str:
        return self._recipe.problem

    @property
    def is_current(self) -> bool:
        return self._recipe.is_current

    def changes(self) -> Iterator[C]:
        """The value now, and again after each change; blocks meanwhile."""
        return iterate(self._recipe.changes())

    def set(self, value: C, *, why: str = "", revision: int | None = None) -> int:
        return run(self._recipe.set(value, why=why, revision=revision))

    def update(self, *, why: str = "", **fields: Any) -> int:
        return run(self._recipe.update(why=why, **fields))

    def rollback(self, revision: int, *, why: str = "") -> int:
        return run(self._recipe.rollback(revision, why=why))

    def history(self, limit: int = 20) -> list[Revision]:
        return run(self._recipe.history(limit))

    def start(self, timeout: float | None = 30.0) -> None:
        run(self._recipe.start(timeout))

    def stop(self) -> None:
        run(self._recipe.stop())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
