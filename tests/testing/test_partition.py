from __future__ import annotations

import socket

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import OperationTimeoutError
from zoo.client.states import State
from zoo.testing.in_process import ThreadServer
from zoo.testing.partition import Partition
from zoo.testing.ports import ADDRESS
from zoo.testing.servers import poll


def test_nothing_comes_through_while_it_is_cut() -> None:
    with (
        ThreadServer() as server,
        Partition(server.port) as net,
        Client(server.hosts) as other,
        Client(net.hosts, session_timeout=20) as zk,
    ):
        zk.create("/a", b"1")
        session_id = zk.session_id
        net.cut()
        with pytest.raises(OperationTimeoutError):
            zk.set("/a", b"2", timeout=0.2)
        assert other.get("/a").data == b"1"
        net.heal()
        zk.sync("/")
        assert zk.session_id == session_id
        assert other.get("/a").data == b"2"  # it had only been under way


def test_connections_break_and_come_back() -> None:
    states: list[State] = []
    with ThreadServer() as server, Partition(server.port) as net:
        with Client(net.hosts) as zk:
            zk.create("/a", ephemeral=True)
            zk.add_listener(states.append)
            net.break_connections()
            zk.get("/a")
            assert zk.exists("/a") is not None
        server.kill()
    assert State.SUSPENDED in states


def test_the_end_is_quiet_while_it_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadServer() as server:
        caplog.clear()
        with Partition(server.port) as net, socket.create_connection((ADDRESS, net.port)):
            poll(lambda: len(net._writers) == 2, 10, lambda: "it is not relayed")
            net.cut()
        assert [record for record in caplog.records if record.name == "asyncio"] == []
