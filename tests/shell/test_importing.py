from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shell.rig import Rig, at, refused, typed
from zoo.client.errors import ConnectionLossError
from zoo.client.results import Node
from zoo.jute.records import Stat
from zoo.shell import importing, values, walking
from zoo.shell.importing import batches
from zoo.shell.subtree_file import Record, Writer


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


LOCKED = "world:anyone:r"
MINE = "digest:joe:eOMDf9PzNkPJ3qQlrULMG1S+JBM=:cdrwa"


@pytest.fixture
def locked(tmp_path: Path) -> str:
    """A file of /l, which lets nobody create below it, and of what is below it."""
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.begin("/l", 1, 0)
    acls = {"/": LOCKED, "/a": f"{LOCKED},{MINE}", "/a/b": LOCKED, "/a/b/c": LOCKED}
    for path, acl in acls.items():
        stat = Stat(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1)
        writer.node(path, Node(path, b"x", stat), values.parse_acl(acl))
    writer.end(1, exact=True)
    (tmp_path / "locked").write_bytes(stream.getvalue())
    return f"{tmp_path}/locked"


SHOWN = [LOCKED, LOCKED, "digest:joe:x:cdrwa", LOCKED]


@pytest.mark.parametrize("auth", ["", "addauth digest ann:pw"])
def test_below_an_acl_that_lets_nobody_create(hosts: str, locked: str, auth: str) -> None:
    lines = [auth] if auth else []
    rig = typed(hosts, *lines, f"import {locked}", f"import {locked}")
    assert rig.out.lines == ["/l: 4 created", "/l: 4 same"]
    rig = typed(hosts, "getAcl /l", "getAcl /l/a", "getAcl /l/a/b")
    assert rig.out.lines == SHOWN


def _interrupted_after(calls: int) -> Callable[..., Awaitable[list[Any]]]:
    left = iter(range(calls))

    async def together(work: Any) -> list[Any]:
        if next(left, None) is None:
            raise ConnectionLossError
        return await walking.together(work)

    return together


@pytest.mark.parametrize("auth", ["", "addauth digest ann:pw"])
@pytest.mark.parametrize(
    ("calls", "completed"), [(5, 1), (6, 2), (7, 3), (8, 3), (9, 2), (10, 1), (11, 0)]
)
def test_an_interrupted_import_goes_on(
    hosts: str, locked: str, monkeypatch: pytest.MonkeyPatch, calls: int, completed: int, auth: str
) -> None:
    """After 4 looks to plan it, so many of 4 znodes, or so many of 3 ACLs when all are there."""
    first = [auth] if auth else []

    async def story(rig: Rig) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(importing, "_BATCH_BYTES", 1)
            patched.setattr(importing, "AT_ONCE", 1)
            patched.setattr(importing, "together", _interrupted_after(calls))
            assert await rig.type(*first, f"import {locked}") == (3 if calls < 11 else 0)
        rig.out.lines.clear()
        rig.out.values.clear()
        assert await rig.type(f"import {locked}") == 0

    rig = at(hosts, story)
    assert rig.out.values[0].get("completed", 0) == completed
    assert typed(hosts, "getAcl /l", "getAcl /l/a", "getAcl /l/a/b").out.lines == SHOWN


def test_what_is_overwritten_is_opened_first_too(hosts: str, locked: str) -> None:
    rig = typed(hosts, "create -p /l/a y", f"import --on-conflict overwrite {locked}")
    assert rig.out.lines[1:] == ["/l: 2 created, 2 overwritten"]
    assert typed(hosts, "getAcl /l", "getAcl /l/a", "getAcl /l/a/b").out.lines == SHOWN


def test_an_acl_that_somebody_has_opened_is_a_conflict(hosts: str, locked: str) -> None:
    copy = "create -p /m/a x"
    opened = f"setAcl /m {LOCKED},world:anyone:cdrwa"
    assert refused(hosts, copy, "set /m x", opened, f"import {locked} /m")[0] == 1


def test_what_may_not_be_read_stays_and_is_named(hosts: str, locked: str) -> None:
    async def story(rig: Rig) -> None:
        assert await rig.type("create /l x world:anyone:ca", f"import {locked}") == 1
        assert rig.out.errors == ["/l: 1 znodes exist and may not be read, see --auth"]
        assert rig.out.notes[-1] == "unreadable znode: /l exists and is left as it is"
        assert rig.out.lines[-1] == "/l: 3 created, 1 unreadable"
        assert await rig.type("setAcl /l world:anyone:cdrwa", "getAcl /l/a/b") == 0

    assert at(hosts, story).out.lines[-1] == LOCKED


def test_what_may_not_be_done_comes_with_the_ways_out(hosts: str, locked: str) -> None:
    code, text = refused(hosts, f"create /locked x {LOCKED}", f"import {locked} /locked/m")
    assert code == 1
    ways = "; give --auth of an identity that may or of the superuser, or --no-acl"
    assert text.endswith(ways), text


def test_no_such_file(hosts: str) -> None:
    assert refused(hosts, "import /none/file") == (1, "/none/file: No such file or directory")


def test_what_is_the_roots_own_stays(hosts: str, file: str) -> None:
    address = hosts.partition("/")[0]
    try:
        rig = typed(address, f"import {file} /", "get /b/c")
        assert rig.out.lines == ["/: 3 created, 2 omitted", "two"]
    finally:
        typed(address, "deleteall /b", "deleteall /r")
