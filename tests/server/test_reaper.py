"""Containers and TTL nodes: who goes, when, at what pace, and who has been saved meanwhile."""

from __future__ import annotations

import pytest

from tests.server.wire import OPEN, WALL, Client, Server
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.server.reaper import Reaper


def server(**fields: int) -> Server:
    pace = {
        "container_check_interval_ms": 1_000,
        "container_max_per_minute": 60_000,
        "container_max_never_used_interval_ms": 0,
    }
    return Server({**pace, **fields}, extendedTypesEnabled="true", maxSessionTimeout=10_000_000)


def client_of(server: Server) -> Client:
    return server.client(timeout=10_000_000)


def container(client: Client, path: bytes, used: bool = True) -> None:
    record = c.CreateRequest(path, b"", OPEN, 4)
    assert client.ask(Op.createContainer, record).err == 0
    if used:
        client.create(path + b"/x")
        client.ask(Op.delete, c.DeleteRequest(path + b"/x", -1))


def ttl(client: Client, path: bytes, ms: int) -> None:
    assert client.ask(Op.createTTL, c.CreateTTLRequest(path, b"", OPEN, 5, ms)).err == 0


def test_a_container_goes_once_it_has_had_children_and_has_none() -> None:
    zoo = server()
    client = client_of(zoo)
    container(client, b"/used")
    container(client, b"/new", used=False)
    container(client, b"/full")
    client.create(b"/full/x")
    zoo.wait(2_500)
    zoo.settle()
    assert {b"/new", b"/full"} == set(zoo.core.tree.containers)
    client.ask(Op.delete, c.DeleteRequest(b"/full/x", -1))
    zoo.wait(2_500)
    zoo.settle()
    assert set(zoo.core.tree.containers) == {b"/new"}


def test_a_container_never_used_goes_after_its_interval_if_there_is_one() -> None:
    zoo = server(container_max_never_used_interval_ms=5_000)
    container(client_of(zoo), b"/new", used=False)
    zoo.wait(4_000)
    zoo.settle()
    assert b"/new" in zoo.core.tree.nodes
    zoo.wait(3_000)
    zoo.settle()
    assert b"/new" not in zoo.core.tree.nodes


def test_a_ttl_node_goes_when_it_was_not_written_for_so_long_and_has_no_children() -> None:
    zoo = server()
    client = client_of(zoo)
    for path in (b"/t", b"/written", b"/parent"):
        ttl(client, path, 3_000)
    client.create(b"/parent/x")
    zoo.wait(2_500)
    client.ask(Op.setData, c.SetDataRequest(b"/written", b"", -1))
    zoo.wait(2_500)
    zoo.settle()
    assert b"/t" not in zoo.core.tree.nodes
    assert {b"/written", b"/parent"} <= zoo.core.tree.nodes.keys()
    client.ask(Op.delete, c.DeleteRequest(b"/parent/x", -1))
    zoo.wait(4_000)
    zoo.settle()
    assert not zoo.core.tree.ttls


def test_deletions_are_paced() -> None:
    zoo = server(container_max_per_minute=60)
    client = client_of(zoo)
    for i in range(20):
        ttl(client, b"/t%d" % i, 100)
    zoo.wait(6_000)
    zoo.settle()
    assert 4 <= 20 - len(zoo.core.tree.ttls) <= 8
    zoo.wait(20_000)
    zoo.settle()
    assert not zoo.core.tree.ttls


@pytest.mark.parametrize("rescue", ["write", "child", "recreate", "plain"])
def test_what_was_saved_while_it_waited_for_its_turn_is_left_alone(rescue: str) -> None:
    """Prepared is enough: the rescue need not have committed yet."""
    zoo = server()
    client = client_of(zoo)
    core = zoo.core
    for path in (b"/first", b"/saved"):
        ttl(client, path, 500)
    slow = Reaper(core.config, core.tree, core.outstanding_view.get)
    assert list(slow.due(0, WALL)) == []
    due = slow.due(1_000, WALL + 10_000)
    assert next(due) == b"/first"
    core.turn(zoo.now + 10_000, WALL + 10_000)
    if rescue == "write":
        core.prep.prepare(client.connection, 1, Op.setData, SAVE)
    elif rescue == "child":
        client.create(b"/saved/x")
    else:
        client.ask(Op.delete, c.DeleteRequest(b"/saved", -1))
        if rescue == "recreate":
            ttl(client, b"/saved", 500)
        else:
            client.create(b"/saved")
    assert list(due) == []


SAVE = b"\0\0\0\x06/saved" + b"\0\0\0\0" + b"\xff\xff\xff\xff"


def test_the_first_check_comes_an_interval_after_the_start() -> None:
    zoo = server()
    core = zoo.core
    container(client_of(zoo), b"/c")
    reaper = Reaper(core.config, core.tree, core.outstanding_view.get)
    assert list(reaper.due(5_000, WALL)) == []
    assert list(reaper.due(5_999, WALL)) == []
    assert list(reaper.due(6_000, WALL)) == [b"/c"]
