from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.rig import Rig, at, refused, typed


def test_ls(hosts: str) -> None:
    rig = typed(hosts, "create /a", "create /a/y", "create /a/x", "ls /a", "ls -s /a")
    assert rig.out.lines[3:5] == ["[x, y]", "[x, y]"]
    assert rig.out.lines[5].startswith("cZxid = 0x")
    assert rig.out.lines[-1] == "numChildren = 2"
    assert rig.out.values[-1]["children"] == ["x", "y"]
    assert rig.out.values[-1]["stat"]["numChildren"] == 2


def test_ls_of_all_below(hosts: str) -> None:
    rig = typed(hosts, "create -p /a/b/c", "create /a-b", "create /a/x", "ls -R /")
    assert rig.out.lines[3:] == ["/", "/a", "/a/b", "/a/b/c", "/a/x", "/a-b"]
    assert {"path": "/a/b/c"} in rig.out.values


def test_ls_of_all_below_watches_each(hosts: str) -> None:
    """As zkCli does. One event is waited for, not one of each."""

    async def story(rig: Rig) -> None:
        assert await rig.type("create -p /a/b/c", "create /a/d", "ls -R -w /a") == 0
        rig.out.values.clear()
        assert await rig.type("create /a/b/c/x") == 0
        await rig.shell.wait_for_watches()
        assert await rig.type("create /a/d/x", "sync /") == 0

    rig = at(hosts, story)
    events = [value["path"] for value in rig.out.values if "event" in value]
    assert events == ["/a/b/c", "/a/d"]


def test_get(hosts: str) -> None:
    rig = typed(hosts, "create /a hello", "get /a", "get -s /a", "get -b /a", "get -x /a")
    assert rig.out.lines[1:3] == ["hello", "hello"]
    assert "dataVersion = 0" in rig.out.lines
    assert "aGVsbG8=" in rig.out.lines
    assert any("68 65 6c 6c 6f" in line for line in rig.out.lines)


def test_get_as_json(hosts: str) -> None:
    rig = typed(hosts, "create /a hello", "get --json /a")
    told = rig.out.values[-1]
    assert (told["path"], told["data"], told["stat"]["version"]) == ("/a", "hello", 0)
    assert not rig.out.as_json  # it was for that line


def test_binary_data(hosts: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "data", tmp_path / "copy"
    source.write_bytes(b"\x00\xff\n")
    rig = typed(hosts, f"create /a --file {source}", "get /a", f"get /a -o {copy}", "get /a -o -")
    assert copy.read_bytes() == b"\x00\xff\n"
    assert rig.out.bytes == b"\x00\xff\n\n\x00\xff\n"  # once with a line end, once exactly


def test_stat(hosts: str) -> None:
    rig = typed(hosts, "create /a xyz", "stat /a")
    assert "dataLength = 3" in rig.out.lines
    assert refused(hosts, "stat /none") == (1, "stat /none: The znode does not exist.")


def test_get_acl(hosts: str) -> None:
    acl = "world:anyone:cdrwa,ip:10.0.0.0/8:r"
    rig = typed(hosts, f"create /a x {acl}", "getAcl /a", "getAcl -s /a")
    assert rig.out.lines[1:3] == ["world:anyone:cdrwa", "ip:10.0.0.0/8:r"]
    assert "aclVersion = 0" in rig.out.lines
    assert rig.out.values[-1]["acl"] == ["world:anyone:cdrwa", "ip:10.0.0.0/8:r"]


def test_counting_ephemerals_and_sync(hosts: str) -> None:
    rig = typed(
        hosts,
        *("create -p /a/b/c", "getAllChildrenNumber /a", "create -e /a/e", "getEphemerals /a"),
        *("getEphemerals", "getEphemerals /a/e-", "sync /a"),
    )
    lines = rig.out.lines
    assert lines[1] == "2"
    assert lines[3:] == ["[/a/e]", "[/a/e]", "[]", "Sync is OK"]


def test_tree(hosts: str) -> None:
    rig = typed(
        hosts,
        *("create -p /a/b/c", "create /a/d data", "create -e /e", "set /a/b/c xyz"),
        "tree -d",
    )
    assert rig.out.lines[3:] == [
        *("/", "├── a", "│   ├── b", "│   │   └── c = xyz", "│   └── d = data"),
        *("└── e ephemeral", "6 znodes"),
    ]


def test_tree_with_a_depth_and_counts(hosts: str) -> None:
    rig = typed(hosts, "create -p /a/b/c/d", "tree -L 1 /a", "tree -c /a", "tree --json -L 0 /a")
    assert rig.out.lines[1:4] == ["/a", "└── b (2 below)", "2 znodes"]
    assert rig.out.lines[4:7] == ["/a (3 below)", "└── b (2 below)", "    └── c (1 below)"]
    assert rig.out.values[-1] == {"path": "/a", "depth": 0, "children": 1, "descendants": 3}
    assert refused(hosts, "tree /none")[0] == 1


def test_a_tree_with_a_znode_that_may_not_be_read(hosts: str) -> None:
    rig = typed(hosts, "create -p /a/b", "create /a/locked x world:anyone:da", "tree /a")
    assert rig.out.lines[2:] == ["/a", "├── b", "└── locked (not readable)", "2 znodes"]


@pytest.mark.parametrize("command", ["get", "ls", "getAcl", "getAllChildrenNumber", "ls -R"])
def test_no_such_znode(hosts: str, command: str) -> None:
    code, text = refused(hosts, f"{command} /none")
    assert code == 1
    assert "/none: The znode does not exist." in text


def test_no_such_path(hosts: str) -> None:
    code, text = refused(hosts, "get nopath")
    assert (code, "path does not start with '/'" in text) == (2, True)
