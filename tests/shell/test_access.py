"""The options that commands share say the same everywhere, and TLS reaches every server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.client.tls_front import TlsFront, needs_openssl
from tests.interop.ensemble import lone_member
from tests.interop.harness import Server
from zoo.shell import oneshot
from zoo.shell.access import NAMES, Access
from zoo.shell.commands import COMMANDS
from zoo.shell.main import shell
from zoo.tools.cli import main
from zoo.tools.config import config
from zoo.tools.reconfig import reconfig
from zoo.tools.transfer_leader import transfer_leader

KINDS = [oneshot.command(COMMANDS["get"]), shell, config, reconfig, transfer_leader]


def options(command: click.Command) -> dict[str | None, object]:
    return {each.name: each.to_info_dict() for each in command.params if each.name in NAMES}


@pytest.mark.parametrize("command", KINDS, ids=lambda each: each.name or "get")
def test_whom_to_ask_is_asked_the_same(command: click.Command) -> None:
    found = options(command)
    assert tuple(found) == NAMES
    assert found == options(config)
    variables = {each.name: each.envvar for each in command.params if each.name in NAMES}
    assert variables == {
        "hosts": "ZOO_SERVER",
        "auths": "ZOO_AUTH",
        "ca": "ZOO_TLS_CA",
        "certificate": "ZOO_TLS_CERT",
        "key": "ZOO_TLS_KEY",
    }


def test_credentials_have_two_parts() -> None:
    assert Access(auths=("digest:kim:a:b",)).credentials() == [("digest", b"kim:a:b")]
    with pytest.raises(click.UsageError, match="--auth is scheme:credentials"):
        Access(auths=("digest",)).credentials()


def test_tls_is_used_when_something_is_said_of_it(tmp_path: Path) -> None:
    assert Access().ssl() is None
    nowhere = f"{tmp_path}/none.pem"
    for access in (Access(ca=nowhere), Access(certificate=nowhere)):
        with pytest.raises(click.ClickException, match=r"/none.pem: No such file"):
            access.ssl()
    with pytest.raises(click.UsageError, match="--tls-key is the key of a --tls-cert"):
        Access(key=nowhere).ssl()


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Listed under an address that speaks no TLS."""
    server = lone_member(tmp_path_factory.mktemp("member"), skipACL="yes")
    try:
        yield server.start()
    finally:
        server.kill()


@needs_openssl
def test_every_kind_of_command_speaks_tls(member: Server, tmp_path: Path) -> None:
    with TlsFront(member.address, tmp_path, asks_back=True) as front:

        def zoo(line: str, ca: Path = front.cert, cert: Path | None = front.cert) -> Result:
            variables = {"ZOO_SERVER": front.hosts, "ZOO_TLS_CA": str(ca)}
            if cert is not None:
                variables |= {"ZOO_TLS_CERT": str(cert), "ZOO_TLS_KEY": str(front.key)}
            return CliRunner().invoke(main, line.split(), env=variables)

        assert zoo("create /over tls").output == "Created /over\n"
        assert zoo("shell get /over").output == "tls\n"
        assert "1       participant" in zoo("config").output
        assert zoo("reconfig --remove 7").output.splitlines()[-1].startswith("nothing to do")
        assert "server 1 is the leader" in zoo("transfer-leader 1").output
        looked = zoo("top --once --interval 0.05").output
        assert "leader" in looked
        refused = zoo("config --timeout 0.5", cert=None)
        assert refused.exit_code == 1
        assert "no server took a session" in refused.output
        (tmp_path / "other").mkdir()
        with TlsFront(member.address, tmp_path / "other") as stranger:
            distrusted = zoo("config --timeout 0.5", ca=stranger.cert)
            assert "CERTIFICATE_VERIFY_FAILED" in distrusted.output
