"""`zoo reconfig` and `zoo config` on ensembles of either kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.interop.ensemble import lone_member
from tests.interop.harness import Server, free_port
from tests.interop.test_reconfig import Growing
from zoo.tools.cli import main

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # super:test


def zoo(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def shown(server: Server) -> dict[str, Any]:
    result = zoo("config", "--server", server.address, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.mark.parametrize("kinds", [["zoo", "zoo", "zoo"], ["java", "java", "zoo"]], ids="-".join)
def test_servers_come_and_the_first_leaves(tmp_path: Path, kinds: list[str]) -> None:
    growing = Growing(tmp_path)
    servers = growing.servers
    try:
        growing.add(1, kinds[0]).wait()
        for sid in (2, 3):
            growing.add(sid, kinds[sid - 1])
            joining = ("--add", growing.line(sid), "--timeout", "60", "--yes")
            result = zoo("reconfig", "--server", servers[1].address, *joining)
            assert result.exit_code == 0, result.output
        told = shown(servers[3])
        assert told["connect"] == ",".join(servers[sid].address for sid in (1, 2, 3))
        assert told["quorum"]["up"]
        assert sorted(m["state"] for m in told["members"]) == ["follower", "follower", "leader"]

        version = told["version"]
        change = ("--server", servers[2].address, "--remove", str(told["leader"]))
        result = zoo("reconfig", *change, "--dry-run")
        assert f"server {told['leader']} leads and will not vote any more" in result.output
        assert result.exit_code == 0, result.output
        result = zoo("reconfig", *change, "--from-version", version, "--json")
        assert result.exit_code == 0, result.output
        outcome = json.loads(result.stdout)
        assert (outcome["outcome"], outcome["old"]["version"]) == ("done", version)
        assert outcome["now"]["leader"] in {1, 2, 3} - {told["leader"]}
        result = zoo("reconfig", *change)
        assert (result.exit_code, "nothing to do" in result.output) == (0, True)
    finally:
        for server in servers.values():
            server.kill()


@pytest.mark.parametrize("kind", ["zoo", pytest.param("java", marks=pytest.mark.slow)])
def test_members_change_their_part_and_their_addresses(tmp_path: Path, kind: str) -> None:
    growing = Growing(tmp_path)
    servers = growing.servers
    try:
        growing.add(1, kind).wait()
        for sid in (2, 3):
            growing.add(sid, kind).wait()
            joining = ("--add", growing.line(sid))
            result = zoo("reconfig", "--server", servers[1].address, *joining)
            assert result.exit_code == 0, result.output
        hosts = ",".join(server.address for server in servers.values())
        lines = {sid: growing.line(sid) for sid in (1, 2, 3)}
        peers = f"server.2=127.0.0.1:{free_port()}:{free_port()}:participant"
        for change in (
            lines[3].replace("participant", "observer"),
            lines[3],
            f"{peers};{servers[2].address}",
            f"{peers};127.0.0.1:{free_port()}",
            lines[1].replace("participant", "observer"),  # it leads
            lines[1],
        ):
            result = zoo("reconfig", "--server", hosts, "--add", change)
            assert result.exit_code == 0, f"{change}\n{result.output}"
            assert change.rpartition(";")[2] in result.output
    finally:
        for server in servers.values():
            server.kill()


@pytest.mark.parametrize("kind", ["zoo", "java"])
def test_who_may_not_and_where_it_is_off(tmp_path: Path, kind: str) -> None:
    digest = {"DigestAuthenticationProvider.superDigest": SUPER_DIGEST}
    server = lone_member(tmp_path, kind, **digest)
    change = ("--server", server.address, "--add", "server.9=127.0.0.1:1:2:observer;3", "--dry-run")
    try:
        server.start()
        result = zoo("reconfig", *change)
        assert result.exit_code == 3
        assert "refused: none of your identities may write" in result.output
        result = zoo("reconfig", *change, "--auth", "digest:super:test")
        assert "refused: " not in result.output
        assert "danger: server 9 does not run" in result.output
        server.stop()
        server.settings["reconfigEnabled"] = "false"
        server.start()
        result = zoo("reconfig", *change, "--auth", "digest:super:test")
        assert "refused: reconfigEnabled is not true" in result.output
    finally:
        server.kill()


@pytest.mark.parametrize("kind", ["zoo", "java"])
def test_a_server_that_stands_alone(tmp_path: Path, kind: str) -> None:
    server = Server(kind, tmp_path, {"reconfigEnabled": "true"})
    try:
        server.start()
        for command in (["config"], ["reconfig", "--remove", "2"]):
            result = zoo(*command, "--server", server.address)
            assert (result.exit_code, "stands alone" in result.output) == (1, True)
    finally:
        server.kill()
