from __future__ import annotations

import time
from pathlib import Path

import pytest

from zoo.client.blocking import Client
from zoo.client.states import State
from zoo.testing.ports import free_ports
from zoo.testing.servers import EmbeddedEnsemble, EmbeddedServer, ServerProblem, poll


def test_a_server_survives_its_faults_and_leaves_nothing() -> None:
    with EmbeddedServer() as server:
        assert server.mode == "standalone"
        with Client(server.hosts) as zk:
            zk.create("/a", b"kept")
            session = zk.session_id
            server.kill()
            assert "down" in repr(server)
            server.start()
            assert zk.get("/a").data == b"kept"
            server.pause()
            server.resume()
            assert zk.set("/a", b"still").version == 1
            assert zk.session_id == session
        server.stop()
        with pytest.raises(ServerProblem, match="does not run"):
            server.pause()
        folder: Path = server.folder
        assert folder.exists()
    assert not folder.exists()


def test_a_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(ServerProblem, match="tickTime"),
        EmbeddedServer({"tickTime": "x"}),
    ):
        pytest.fail("it started")


def test_a_slow_disk_makes_writes_wait() -> None:
    with EmbeddedServer() as server, Client(server.hosts) as zk:
        zk.create("/a")
        server.slow_disk(0.3)
        began = time.monotonic()
        zk.set("/a", b"1")
        assert time.monotonic() - began >= 0.3
        server.slow_disk(0)
        zk.set("/a", b"2")
        began = time.monotonic()
        zk.set("/a", b"3")
        assert time.monotonic() - began < 0.3


@pytest.mark.interop
def test_a_leader_that_is_cut_off_leads_no_more_and_comes_back() -> None:
    with EmbeddedEnsemble(3, can_part=True) as ensemble:
        old = ensemble.leader()
        ensemble.part(old)
        assert ensemble.leader() is not old
        others = [server for server in ensemble.servers if server is not old]
        poll(lambda: any(each.mode == "leader" for each in others), 30, lambda: "no new leader")
        poll(lambda: old.mode != "leader", 30, lambda: "two leaders")
        with Client(",".join(server.hosts for server in others)) as zk:
            zk.create("/a", b"without it")
        ensemble.mend()
        poll(lambda: old.mode == "follower", 30, lambda: "it does not follow")
        with Client(old.hosts) as zk:
            zk.sync("/")
            assert zk.get("/a").data == b"without it"


def test_who_leads_is_in_touch_with_most_and_has_no_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensemble = EmbeddedEnsemble(3, can_part=True)
    one, two, three = ensemble.servers
    says = {
        one.port: "Zxid: 0x1ffffffff\nMode: leader\n",
        two.port: "Zxid: 0x200000000\nMode: leader\n",
    }
    monkeypatch.setattr(EmbeddedServer, "is_running", True)
    monkeypatch.setattr(EmbeddedServer, "ask", lambda server, _word: says.get(server.port, ""))
    try:
        assert ensemble.leader() is two
        ensemble.part(three)
        assert ensemble.leader() is two
        ensemble.mend()
        ensemble.part(two)
        assert ensemble.leader() is one
        ensemble.network.cut((3, 1))
        with pytest.raises(ServerProblem, match="no leader"):
            ensemble.leader(0.01)
    finally:
        monkeypatch.undo()
        ensemble.close()


def test_the_port_that_was_asked_for() -> None:
    (port,) = free_ports(1)
    with EmbeddedServer({"clientPort": port}) as server:
        assert server.hosts == f"127.0.0.1:{port}"
        assert server.mode == "standalone"
    with pytest.raises(ValueError, match="ports of their own"):
        EmbeddedEnsemble(3, {"clientPort": port})


def test_only_who_says_so_can_be_parted() -> None:
    ensemble = EmbeddedEnsemble(1)
    try:
        with pytest.raises(ServerProblem, match="can_part=True"):
            ensemble.part(ensemble.servers[0])
    finally:
        ensemble.close()


@pytest.mark.interop
def test_a_client_survives_the_leader() -> None:
    with EmbeddedEnsemble(3) as ensemble, Client(ensemble.hosts) as zk:
        zk.create("/a", b"1", ephemeral=True)
        session = zk.session_id
        leader = ensemble.leader()
        leader.kill()
        assert ensemble.leader() is not leader
        zk.wait_until_connected()
        assert zk.get("/a").data == b"1"
        assert zk.session_id == session
        assert zk.state is State.CONNECTED


def test_an_ensemble_has_members() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EmbeddedEnsemble(0)
