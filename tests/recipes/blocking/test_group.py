from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_members(hosts: str) -> None:
    with Client(hosts) as zk, blocking.Group(zk, "/g", "me", b"data") as group:
        assert next(group.changes()) == {"me": b"data"}
        group.set_data(b"new")
        assert group.members() == {"me": b"new"}
