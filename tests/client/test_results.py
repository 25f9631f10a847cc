from __future__ import annotations

from datetime import UTC, datetime

from zoo.client.results import Node
from zoo.jute.records import Stat


def node(owner: int) -> Node[bytes]:
    return Node("/a/b", b"x", Stat(1, 2, 1000, 2500, 3, 0, 0, owner, 1, 0, 1))


def test_a_node_tells_about_itself() -> None:
    it = node(0)
    assert (it.name, it.version) == ("b", 3)
    assert it.created == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert it.modified.microsecond == 500_000
    assert repr(it).startswith("Node(path='/a/b', data=b'x', stat=Stat(czxid=1")


def test_who_goes_with_a_session() -> None:
    assert node(0x0100_0000_1234_5678).is_ephemeral
    assert not node(0).is_ephemeral
