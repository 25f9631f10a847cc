"""Lists of servers that follow the ensemble's configuration (with real ensembles: interop)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.client.live import poll, run
from tests.interop.ensemble import lone_member
from tests.interop.harness import Server
from zoo.client.async_client import connect
from zoo.client.following import Listed, _adopt, listed
from zoo.client.hosts import Server as Address
from zoo.client.session import Options, Session

A, B = Address("a", 1), Address("b", 2)
TEXT = """server.1=a.example:2888:3888:participant;0.0.0.0:2181
server.2=[::1]:2888:3888|c:1:2:observer;[0:0:0:0:0:0:0:0]:2182
server.3=c:2888:3888:participant;d.example:2183
server.4=c:2889:3889:participant
weight.1=1
version=10000002f"""


def test_where_clients_are_served() -> None:
    servers = Address("a.example", 2181), Address("::1", 2182), Address("d.example", 2183)
    assert listed(TEXT) == Listed(0x10000002F, servers, ("server.4",))
    assert listed("") == Listed(0, (), ())
    with pytest.raises(ValueError, match="invalid literal"):
        listed("server.1=a:1:2;x")


def test_only_newer_and_complete_lists_are_adopted(caplog: pytest.LogCaptureFixture) -> None:
    session = Session((A,), Options(), Random(1))
    known = _adopt(session, Listed(0, (), ()), Listed(7, (A, B), ()))
    assert (known.version, session.hosts.servers) == (7, (A, B))
    assert _adopt(session, known, Listed(6, (A,), ())) is known
    assert session.hosts.servers == (A, B)
    with caplog.at_level(logging.WARNING):
        known = _adopt(session, known, Listed(8, (B,), ("server.1",)))
    assert (known.version, session.hosts.servers) == (8, (A, B))
    assert "no client address of server.1" in caplog.text
    _adopt(session, known, Listed(9, (), ()))
    assert session.hosts.servers == (A, B)


@pytest.fixture
def changing_server(tmp_path: Path) -> Iterator[Server]:
    """An ensemble of one, whose configuration may be changed by anybody."""
    server = lone_member(tmp_path, skipACL="yes")
    try:
        yield server.start()
    finally:
        server.kill()


def test_a_change_is_heard_of_and_the_connection_kept(changing_server: Server) -> None:
    async def main() -> None:
        address = changing_server.address
        name = address.replace("127.0.0.1", "localhost")
        async with connect(f"{name}/app", follow_config=True, session_timeout=20) as zk:
            hosts = zk._session.hosts
            await poll(lambda: str(hosts.servers[0]) == address, "the address of the list")
            number = zk.session_id
            await zk.reconfig(joining="server.7=127.0.0.1:1:2:observer;127.0.0.1:9")
            await poll(lambda: len(hosts) == 2, "the observer's address")
            await zk.reconfig(leaving="7")
            await poll(lambda: len(hosts) == 1, "the observer is gone")
            assert zk.session_id == number

    run(main())
