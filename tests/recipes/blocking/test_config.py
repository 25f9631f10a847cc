from __future__ import annotations

from dataclasses import dataclass

from zoo.client.blocking import Client
from zoo.recipes import blocking


@dataclass(frozen=True)
class Limits:
    most: int = 10


def test_settings(hosts: str) -> None:
    with Client(hosts) as zk, blocking.Config(zk, "/c", Limits, by="ann") as config:
        changes = config.changes()
        assert next(changes) == Limits()
        assert config.set(Limits(20), revision=0) == 1
        assert next(changes) == config.value == Limits(20)
        assert config.update(most=30) == 2
        assert config.rollback(1) == config.revision == 3
        assert [each.by for each in config.history(2)] == ["ann", "ann"]
        assert (config.problem, config.is_current, config.path) == ("", True, "/c")
