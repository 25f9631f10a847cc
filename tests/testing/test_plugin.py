from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

USERS_TEST = """
def test_it(zoo_client, zoo_hosts, zoo_server):
    zoo_client.create("/a", b"1")
    assert zoo_client.children() == ["a"]
    assert zoo_hosts.startswith(zoo_server.hosts)

def test_that_nothing_is_left(zoo_client):
    assert zoo_client.children() == []
"""


def test_the_fixtures_in_a_project_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TEST)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "zoo.testing.plugin", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # it may be installed, too
    )
    assert "2 passed" in ended.stdout, ended.stdout
