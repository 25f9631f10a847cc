from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.shell.rig import Rig, at, refused, typed
from zoo.shell import writing
from zoo.testing.in_process import ThreadServer


def test_create(hosts: str) -> None:
    rig = typed(
        hosts,
        *("create /a hello", "create -s /a/s- x", "create -e /a/e", "create -c /a/c"),
        *("create -t 60000 /a/t", "create -s -t 60000 /a/st-", "create /b two world:anyone:r"),
        "getAcl /b",
    )
    assert rig.out.lines == [
        *("Created /a", "Created /a/s-0000000000", "Created /a/e", "Created /a/c"),
        *("Created /a/t", "Created /a/st-0000000004", "Created /b", "world:anyone:r"),
    ]
    assert rig.out.values[1] == {"path": "/a/s-0000000000"}
    assert rig.out.notes == ["/a/e is ephemeral and goes now, with this command's session"]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("create /a", 1, "/a: The znode exists already."),
        ("create /no/parent", 1, "/no/parent: The znode does not exist."),
        ("create -c -s /c", 2, "a container is neither ephemeral nor sequential"),
        ("create -e -t 5 /c", 2, "an ephemeral znode has no ttl"),
        ("create -t 0 /c", 2, "0 is not in the range x>=1"),
        ("create -t x /c", 2, "'x' is not a valid integer"),
        ("create /a//b", 2, "empty component"),
        ("create", 2, "create: Missing argument 'PATH'"),
        ("create /c x nonsense", 2, "'nonsense' is not of the form scheme:id:perms"),
        ("create /c x --file y", 2, "give the data or a --file with it, not both"),
        ("create /c --file /none/at/all", 1, "/none/at/all: No such file"),
        ("set /a", 2, "no data"),
        ("set /a x -v 7", 1, "/a: The version in the request is not"),
        ("set -b /a !", 2, "not base64"),
        ("delete /a -v 3", 1, "/a: The version in the request is not"),
        ("delete /none", 1, "/none: The znode does not exist."),
        ("deleteall /none", 1, "/none: The znode does not exist."),
        ("deleteall /", 1, "the root cannot be deleted"),
    ],
)
def test_refusals(hosts: str, line: str, code: int, message: str) -> None:
    its_code, text = refused(hosts, "create /a hello", line)
    assert (its_code, message in text) == (code, True), text


def test_a_ttl_that_the_server_does_not_know(tmp_path: Path) -> None:
    with ThreadServer({"extendedTypesEnabled": "false"}) as server:
        code, text = refused(server.hosts, "create -t 1000 /ttl")
        (tmp_path / "multi").write_text("create /a\ncreate -t 1000 /ttl\n")
        multi = refused(server.hosts, f"multi --file {tmp_path}/multi")
    way = "a TTL needs extendedTypesEnabled=true in every server's zoo.cfg"
    assert code == multi[0] == 1
    assert text.startswith("create /ttl: ")
    assert text.endswith(way)
    assert multi[1].startswith("transaction: create /ttl")
    assert multi[1].endswith(way)


def test_set(hosts: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"from a file")
    rig = typed(
        hosts,
        *("create /a", "set /a one", "set -v 1 -s /a two", "get /a", "set -b /a aGk=", "get /a"),
        *(f"set /a --file {tmp_path}/data", "get /a", 'set /a {"x":1}', "get /a"),
    )
    lines = rig.out.lines
    assert "dataVersion = 2" in lines
    assert [line for line in lines if line in ("two", "hi", "from a file", '{"x":1}')] == [
        *("two", "hi", "from a file", '{"x":1}')
    ]


def test_data_from_stdin(hosts: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stdin").write_bytes(b"\x00piped")
    with (tmp_path / "stdin").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        rig = typed(hosts, "create /a --file -", "get -o - /a")
    assert rig.out.bytes == b"\x00piped"


def test_delete(hosts: str) -> None:
    rig = typed(hosts, "create /a", "delete -v 0 /a", "ls /")
    assert rig.out.lines[-1] == "[]"


@pytest.mark.parametrize("batch", ["", "-b 1", "-b 3"])
def test_deleteall(hosts: str, batch: str) -> None:
    rig = typed(hosts, *(f"create -p /a/{n}/x" for n in range(5)), f"deleteall {batch} /a", "ls /")
    assert rig.out.lines[-1] == "[]"
    assert rig.out.values[-2] == {"path": "/a", "deleted": 11}


def test_deleteall_while_others_create(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child appears after the subtree was listed: the transaction fails, and all goes at last."""
    listed = writing.subtree
    late = iter(["/a/late", "/a/later"])

    async def list_and_create(zk: Any, root: str) -> dict[str, list[str]]:
        found = await listed(zk, root)
        if path := next(late, None):
            await zk.create(path)
        return found

    monkeypatch.setattr(writing, "subtree", list_and_create)

    async def story(rig: Rig) -> None:
        assert await rig.type("create -p /a/b/c", "deleteall /a") == 0
        assert await rig.shell.zk.children("/") == []
        await asyncio.sleep(0)

    assert at(hosts, story).out.values[-1] == {"path": "/a", "deleted": 5}


def test_set_acl(hosts: str) -> None:
    rig = typed(
        hosts,
        *("create -p /a/b", "setAcl -s /a world:anyone:cdrwa,ip:10.0.0.1:r", "getAcl /a"),
        *("setAcl -R /a world:anyone:cdra", "getAcl /a", "getAcl /a/b"),
    )
    assert "aclVersion = 1" in rig.out.lines
    assert rig.out.lines[-2:] == ["world:anyone:cdra", "world:anyone:cdra"]
    assert {"path": "/a", "changed": 2} in rig.out.values
    assert refused(hosts, "setAcl -v 9 /a world:anyone:cdrwa")[0] == 1
