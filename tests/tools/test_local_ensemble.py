from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.runtime.servers import wait_for
from zoo.runtime.config_file import load_config
from zoo.testing.ports import Ports
from zoo.tools.local_ensemble import EnsembleProblem, LocalEnsemble


def test_lays_out_a_folder_that_zoo_serve_understands(tmp_path: Path) -> None:
    ensemble = LocalEnsemble(tmp_path, 3, 1, 2181, {"tickTime": 700})
    assert ensemble.servers[2].ports == Ports(2182, 2282, 2382)
    for sid, server in ensemble.servers.items():
        config = load_config(server.config)
        assert config.my_id == sid
        assert config.client_port == 2180 + sid
        assert config.tick_time_ms == 700
        assert [s.id for s in config.ensemble.voters] == [1, 2, 3]
        assert [s.id for s in config.ensemble.observers] == [4]
        assert not config.warnings
    assert ensemble.connect_string == "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183,127.0.0.1:2184"


def test_takes_up_what_is_there(tmp_path: Path) -> None:
    first = LocalEnsemble(tmp_path, 3)
    again = LocalEnsemble(tmp_path, 3)
    assert [s.ports for s in again.servers.values()] == [s.ports for s in first.servers.values()]
    with pytest.raises(EnsembleProblem, match="another shape"):
        LocalEnsemble(tmp_path, 3, 1)


def test_starts_asks_and_ends_servers(tmp_path: Path) -> None:
    with LocalEnsemble(tmp_path, 1, settings={"standaloneEnabled": "false"}) as ensemble:
        server = ensemble.servers[1]
        wait_for(lambda: ensemble.leader() is server, "a leader of one")
        assert server.facts()["znode_count"] == "5"
        assert server.ask("ruok") == "imok"
        server.signal(signal.SIGSTOP)
        assert server.ask("ruok") == ""
    assert server.wait() == 0, "a stopped process is woken to end in good order"
    assert not server.is_running
    assert server.ask("ruok") == ""
