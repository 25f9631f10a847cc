from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.rig import refused, typed
from zoo.shell import importing
from zoo.shell.importing import batches
from zoo.shell.subtree_file import Record


@pytest.fixture
def file(hosts: str, tmp_path: Path) -> str:
    """Of /a with a, b, an ephemeral, and an ACL."""
    typed(
        hosts,
        *("create -p /a/b/c two", "set /a one", "create -e /a/e mine"),
        *("create /a/r x world:anyone:cdrwa,ip:10.0.0.1:r", f"export /a -o {tmp_path}/x"),
    )
    return f"{tmp_path}/x"


def test_to_the_same_place(hosts: str, file: str) -> None:
    rig = typed(hosts, "deleteall /a", f"import {file}", "ls -R /a", "get /a/b/c", "getAcl /a/r")
    assert rig.out.lines == [
        "/a: 4 created, 1 omitted",
        *("/a", "/a/b", "/a/b/c", "/a/r", "two", "world:anyone:cdrwa", "ip:10.0.0.1:r"),
    ]
    assert rig.out.values[1] == {"path": "/a", "created": 4, "omitted": 1, "dryRun": False}


def test_below_another_path(hosts: str, file: str) -> None:
    rig = typed(hosts, f"import {file} /other/place", "get /other/place/b/c")
    assert rig.out.lines == ["/other/place: 4 created, 1 omitted", "two"]


def test_ephemerals_and_acls_as_one_likes(hosts: str, file: str) -> None:
    rig = typed(
        hosts, f"import --ephemerals --no-acl {file} /copy", "getAcl /copy/r", "stat /copy/e"
    )
    assert rig.out.lines[:2] == ["/copy: 5 created", "world:anyone:cdrwa"]
    assert "ephemeralOwner = 0x0" in rig.out.lines


def test_a_dry_run_writes_nothing(hosts: str, file: str) -> None:
    rig = typed(hosts, f"import --dry-run {file} /copy", "ls /")
    assert rig.out.lines == [
        "/copy: 4 created, 1 omitted (a dry run: nothing was written)",
        "[a]",
    ]


def test_what_is_there_already_and_equal_is_no_conflict(hosts: str, file: str) -> None:
    rig = typed(hosts, f"import {file}", f"import {file}")
    assert rig.out.lines == ["/a: 1 omitted, 4 same"] * 2


def test_conflicts_fail_before_anything_is_written(hosts: str, file: str) -> None:
    lines = ("set /a/b/c other", "delete /a/r", f"import {file}")
    code, text = refused(hosts, *lines)
    assert code == 1
    assert text == ("/a: 1 conflicts; nothing was written (--on-conflict skip or overwrite)")
    rig = typed(hosts, "ls /a", "get /a/b/c")
    assert rig.out.lines == ["[b]", "other"]


@pytest.mark.parametrize(
    ("policy", "kind", "data"), [("skip", "skipped", "other"), ("overwrite", "overwritten", "two")]
)
def test_conflicts_settled(hosts: str, file: str, policy: str, kind: str, data: str) -> None:
    rig = typed(
        hosts,
        *("set /a/b/c other", "delete /a/r", f"import --on-conflict {policy} {file}"),
        "get /a/b/c",
    )
    assert rig.out.lines[1] == data
    told = rig.out.values[2]
    assert (told["created"], told["same"], told[kind]) == (1, 2, 1)


def test_another_acl_is_a_conflict_too(hosts: str, file: str) -> None:
    assert refused(hosts, "setAcl /a/r world:anyone:cdrwa", f"import {file}")[0] == 1
    rig = typed(hosts, f"import --on-conflict overwrite {file}", "getAcl /a/r")
    assert rig.out.lines[-2:] == ["world:anyone:cdrwa", "ip:10.0.0.1:r"]


def test_many_conflicts_are_not_all_listed(hosts: str, tmp_path: Path) -> None:
    typed(hosts, "create /m", *(f"create /m/{n} x" for n in range(15)))
    rig = typed(
        hosts,
        *(f"export /m -o {tmp_path}/m", *(f"set /m/{n} y" for n in range(15))),
        f"import --dry-run --on-conflict skip {tmp_path}/m",
    )
    assert len(rig.out.notes) == 11
    assert rig.out.notes[-1] == "... and 5 more conflicts"


def test_more_than_a_transaction_holds(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH_BYTES", 2_000)
    typed(hosts, "create /m", *(f"create /m/{n} {'x' * 300}" for n in range(20)))
    rig = typed(
        hosts,
        *(f"export /m -o {tmp_path}/m", "deleteall /m", f"import {tmp_path}/m"),
        "getAllChildrenNumber /m",
    )
    assert rig.out.lines[-2:] == ["/m: 21 created", "20"]


def test_batches_are_bounded() -> None:
    records = [Record(f"/{n}", b"x" * 1000, None, False) for n in range(600)]
    sizes = [len(batch) for batch in batches(records)]
    assert sum(sizes) == 600
    assert max(sizes) <= 128
    big = [Record(f"/{n}", b"x" * 200_000, None, False) for n in range(4)]
    assert [len(batch) for batch in batches(big)] == [1, 1, 1, 1]


def test_a_refused_znode_is_named(hosts: str, tmp_path: Path) -> None:
    typed(hosts, "create /m", "create /m/x", f"export /m -o {tmp_path}/m")
    code, text = refused(
        hosts, "create /locked x world:anyone:rd", f"import {tmp_path}/m /locked/m"
    )
    assert (code, "/locked/m" in text) == (1, True)
    assert "does not permit" in text


def test_no_such_file(hosts: str) -> None:
    assert refused(hosts, "import /none/file") == (1, "/none/file: No such file or directory")


def test_what_is_the_roots_own_stays(hosts: str, file: str) -> None:
    address = hosts.partition("/")[0]
    try:
        rig = typed(address, f"import {file} /", "get /b/c")
        assert rig.out.lines == ["/: 3 created, 2 omitted", "two"]
    finally:
        typed(address, "deleteall /b", "deleteall /r")
