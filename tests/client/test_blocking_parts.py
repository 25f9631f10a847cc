from __future__ import annotations

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import TransactionFailedError
from zoo.client.transaction import Get, ListChildren


def test_transactions(hosts: str) -> None:
    with Client(hosts) as zk:
        with zk.transaction() as t:
            t.create("/a", b"1")
            t.set("/a", b"2")
        assert [type(result).__name__ for result in t.results] == ["Node", "Stat"]
        with pytest.raises(ValueError, match="committed already"):
            t.commit()
        failing = zk.transaction()
        failing.delete("/none")
        with pytest.raises(TransactionFailedError):
            failing.commit()
        node, names = zk.multi_read([Get("/a"), ListChildren("/")])
        assert (getattr(node, "data", None), names) == (b"2", ["a"])


def test_streams(hosts: str) -> None:
    with Client(hosts) as zk:
        stream = zk.watch("/a")
        with pytest.raises(TimeoutError):
            stream.next(timeout=0.01)
        zk.create("/a")
        zk.set("/a", b"1")
        assert [next(stream).path for _ in range(2)] == ["/a", "/a"]
        assert (stream.path, stream.dropped, stream.is_ended) == ("/a", 0, False)
        assert "/a" in repr(stream)
        stream.close()
        assert list(stream) == []
        zk.watch("/a")
        zk.remove_watches("/a")
