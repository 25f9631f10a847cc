from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.harness import Server
from tests.shell.rig import refused, typed
from zoo import __version__
from zoo.shell.administering import client_addresses, masked


def test_whoami_and_addauth(hosts: str) -> None:
    rig = typed(hosts, "addauth digest user:pw", "whoami")
    assert rig.out.lines == ["Auth scheme: User", "ip: 127.0.0.1", "digest: user"]
    assert {"scheme": "digest", "user": "user"} in rig.out.values[0]


def test_version_and_printwatches(hosts: str) -> None:
    rig = typed(hosts, "version", "printwatches", "printwatches off", "printwatches")
    assert rig.out.lines == [f"zoo {__version__}", "printwatches is on", "printwatches is off"]


def test_connect_and_close(hosts: str) -> None:
    rig = typed(hosts, "create -e /e", "close", "connect", "ls /", f"connect {hosts}", "ls /")
    assert rig.out.lines == ["Created /e", "[]", "[]"]
    assert refused(hosts, "close", "ls /") == (1, "not connected; `connect host:port` connects")
    assert refused(hosts, "connect a:b:c")[0] == 2


def test_history_hides_credentials(hosts: str) -> None:
    rig = typed(hosts, "addauth digest user:secret", "ls /", "history")
    assert rig.out.lines[1:] == ["0 - addauth digest ****", "1 - ls /", "2 - history"]
    assert masked("set /a addauth") == "set /a addauth"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("addAuth digest joe:secret", "addAuth digest ****"),
        ("add-auth digest joe:secret", "add-auth digest ****"),
        (" ADDAUTH  digest joe:secret", "ADDAUTH digest ****"),
        ('"addauth" digest joe:secret', "addauth ****"),
        ("addauth 'digest joe:secret", "addauth ****"),
        ("'addauth digest joe:secret", "addauth ****"),
        ("addauth digest:joe:secret", "addauth ****"),
        ("get '/a", "get '/a"),
    ],
)
def test_credentials_are_hidden_however_they_are_typed(line: str, shown: str) -> None:
    assert masked(line) == shown


def test_help(hosts: str) -> None:
    rig = typed(hosts, "help", "help getacl", "get --help")
    assert "  get [-s] [-w] [-b] [-x] [-o OUTPUT] PATH" in rig.out.lines
    assert "Print the ACL of a znode." in rig.out.lines[-1]
    assert refused(hosts, "help nothing")[0] == 2


def test_config(live_server: Server) -> None:
    rig = typed(live_server.address, "config", "config -s", "config -c")
    assert any(line.startswith("dataLength = ") for line in rig.out.lines)
    assert "stat" in rig.out.values[1]


def test_addresses_for_clients() -> None:
    text = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2;10.0.0.2:2182\nversion=1f"
    assert client_addresses(text) == "1f a:2181,10.0.0.2:2182"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "say what to change"),
        ("-add server.2=a:1:2;3 -members server.1=b:1:2;3", "not both"),
        ("-members server.1=b:1:2;3 -file x", "give either"),
        ("-remove 2 -v zz", "a version is a hexadecimal number"),
    ],
)
def test_reconfig_is_checked_here(hosts: str, options: str, message: str) -> None:
    code, text = refused(hosts, f"reconfig {options}")
    assert (code, message in text) == (2, True), text


def test_reconfig_of_a_standalone_server(hosts: str, tmp_path: Path) -> None:
    file = tmp_path / "members"
    file.write_text("# a comment\nserver.1=a:1:2:participant;3\nweight.1=1\n")
    assert refused(hosts, f"reconfig -file {file}")[0] == 1  # the server says no
    file.write_text("tickTime=1\n")
    assert "holds no line server.N=" in refused(hosts, f"reconfig -file {file}")[1]
