from __future__ import annotations

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_there_while_it_is_kept(hosts: str) -> None:
    with Client(hosts) as zk:
        with blocking.PersistentNode(zk, "/a", b"1") as node:
            assert node.is_there
            node.set_data(b"2")
            assert zk.get("/a").data == b"2"
        assert zk.exists("/a") is None
        assert not node.is_there
