"""`zoo shell` on both servers, and beside Apache ZooKeeper's own command line.

The commands whose output people cut to pieces print what zkCli prints. Left out are those that
differ on purpose: an ACL is one line here, "Created ..." and the path of an error go elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import harness
from tests.interop.harness import Server
from tests.interop.test_java_cli import ACLS, NODES, QUOTAS, WATCHES, normalised, run_cli
from zoo.client.blocking import Client
from zoo.testing import EmbeddedEnsemble

pytestmark = pytest.mark.interop

START = "create /a hello\ncreate /a/b x\ncreate -s /a/s- y\ncreate /a/b/c z\ncreate -e /a/e w\n"
READS = """
ls /
ls /a
ls -s /a
ls -R /a
get /a
get -s /a
get -b /a
get -x /a
stat /a/b
getEphemerals
getEphemerals /a/e
getAllChildrenNumber /a
sync /a
set -s /a again
setquota -n 2 /a
setquota -B 100 /a
listquota /a
delquota /a
whoami
printwatches
"""
MORE = """
multi
create /m x
set /m y
check -v 1 /m
commit
tree -c /m
addWatch /m
create -t 60000 /m/t
create -c /m/c
deleteall /m
config -c
"""


def run_shell(server: Server, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(harness.zoo_executable()), "shell", "--server", server.address, *options],
        input=script.strip() + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """One of each kind."""
    directory = tmp_path_factory.mktemp("shell")
    with contextlib.ExitStack() as stack:
        for kind in harness.KINDS:
            if reason := harness.missing(kind):
                pytest.skip(reason)
        yield {
            kind: stack.enter_context(harness.running(kind, directory / kind))
            for kind in harness.KINDS
        }


def told(text: str, server: Server) -> list[str]:
    """Without what is of that server and moment."""
    return [re.sub(r"0x[0-9a-f]+", "0x...", line) for line in normalised(text, server)]


@pytest.mark.parametrize("script", [NODES, ACLS, QUOTAS, WATCHES, MORE])
def test_same_on_both_servers(script: str, servers: dict[str, Server]) -> None:
    seen = {}
    for kind, server in servers.items():
        done = run_shell(server, script)
        assert "Traceback" not in done.stderr
        seen[kind] = [told(text, server) for text in (done.stdout, done.stderr)]
    assert seen["zoo"] == seen["java"]


def test_prints_what_zkcli_prints(servers: dict[str, Server]) -> None:
    server, script = servers["java"], START + READS + "deleteall /a"
    theirs = told(run_cli(server, script), server)
    ours = told(run_shell(server, script).stdout, server)
    missing = [line for line in ours if line not in theirs and not line.startswith("Created /")]
    assert missing == []
    assert sum(line in ours for line in theirs) > 70


@pytest.mark.parametrize("kind", harness.KINDS)
def test_export_here_import_there(kind: str, servers: dict[str, Server], tmp_path: Path) -> None:
    one, other = servers[kind], servers["zoo" if kind == "java" else "java"]
    file = tmp_path / "app.jsonl.gz"
    acl = "create /a/locked x world:anyone:rwcda,digest:u:l/WWQMEJvHDdk3y8BNFWSmaANKE=:r"
    closed = "create /a/shut x\ncreate /a/shut/in y\nsetAcl /a/shut world:anyone:rd"
    script = f"{START}{acl}\n{closed}\nexport /a -o {file}\ndeleteall /a"
    assert run_shell(one, script).returncode == 0
    looks = "ls -R /copy\nget /copy/shut/in\ngetAcl /copy/locked\ngetAcl /copy/shut"
    done = run_shell(other, f"import {file} /copy\n{looks}")
    assert "/copy: 7 created, 1 omitted" in done.stdout
    assert "digest:u:l/WWQMEJvHDdk3y8BNFWSmaANKE=:r" in done.stdout
    # Open to us while what is below it was created, and no longer.
    assert done.stdout.endswith("world:anyone:dr\n")
    again = run_shell(other, f"import {file} /copy")
    assert (again.returncode, again.stdout) == (0, "/copy: 1 omitted, 7 same\n")


def test_top_of_a_java_server(servers: dict[str, Server]) -> None:
    done = run_shell(servers["java"], "top --once --json --interval 0.05")
    (member,) = json.loads(done.stdout)["members"]
    assert (member["role"], member["lag"]) == ("standalone", 0)
    assert member["znodes"] > 3


@pytest.mark.usefixtures("needs_zoo")
def test_top_and_watch_of_an_ensemble_that_loses_a_member() -> None:
    with EmbeddedEnsemble(3) as ensemble, Client(ensemble.hosts) as client:
        members = _top(ensemble.hosts)
        assert sorted(member["role"] for member in members) == ["follower", "follower", "leader"]
        assert all(isinstance(member["lag"], int) for member in members)
        command = [str(harness.zoo_executable()), "watch", "/w", "--json", "--server"]
        with subprocess.Popen(
            [*command, ensemble.hosts], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watch:
            assert watch.stdout is not None
            assert watch.stderr is not None
            watch.stderr.readline()
            for member in ensemble.servers:  # one of them serves the watch
                member.kill()
                harness.wait_until(lambda: _down(ensemble.hosts) == 1, 60, "the others serve")
                member.start()
            client.retrying(lambda: client.sync("/"))
            gap = json.loads(watch.stdout.readline())
            assert gap["event"] == "Gap"
            client.create("/w", b"after it all")
            seen = (json.loads(line) for line in watch.stdout)
            created = next(each for each in seen if each["event"] != "Gap")
            assert (created["event"], created["data"]) == ("NodeCreated", "after it all")
            watch.kill()


def _down(hosts: str) -> int:
    return sum(member["role"] is None for member in _top(hosts))


def _top(hosts: str) -> list[dict[str, Any]]:
    command = [str(harness.zoo_executable()), "top", "--once", "--json", "--interval", "0.05"]
    done = subprocess.run(
        [*command, "--server", hosts], capture_output=True, text=True, check=True, timeout=60
    )
    members: list[dict[str, Any]] = json.loads(done.stdout)["members"]
    return members
