from __future__ import annotations

from pathlib import Path

import pytest

from zoo.client.blocking import Client
from zoo.client.states import State
from zoo.testing.servers import EmbeddedEnsemble, EmbeddedServer, ServerProblem


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
