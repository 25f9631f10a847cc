from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.rig import Rig, at, reader, refused, typed
from zoo.shell.lines import run_lines
from zoo.shell.session import Reader


def _reader(*lines: str) -> Reader:
    left = iter(lines)

    async def read(prompt: str) -> str | None:
        assert prompt == "multi> "
        return next(left, None)

    return read


def _multi(hosts: str, *lines: str, interactive: bool = True) -> Rig:
    async def story(rig: Rig) -> None:
        rig.shell.read_line = _reader(*lines)
        assert await rig.type("multi") == 0

    return at(hosts, story, interactive)


def test_typed_line_by_line_and_committed(hosts: str) -> None:
    lines = (
        "create /a x",
        "create -s /a/s- y",
        "set /a z",
        "check -v 1 /a",
        "delete /a/s-0000000000",
    )
    rig = _multi(hosts, *lines, "commit")
    assert rig.out.lines == ["Created /a", "Created /a/s-0000000000", "Set, version 1", "OK", "OK"]
    told = rig.out.values[0]
    assert told[0] == {"created": "/a"}
    assert told[2]["stat"]["version"] == 1
    assert told[3] == {}


@pytest.mark.parametrize("end", [("abort",), ()])
def test_given_up(hosts: str, end: tuple[str, ...]) -> None:
    rig = _multi(hosts, "create /a x", *end)
    assert rig.out.notes[-1] == "nothing was done"
    assert typed(hosts, "ls /").out.lines == ["[]"]


def test_a_slip_of_the_fingers_costs_a_line_only(hosts: str) -> None:
    rig = _multi(hosts, "creat /a", "set /a", "create -p /a/b", "get /a", "create /a", "commit")
    assert rig.out.lines == ["Created /a"]
    assert len(rig.out.errors) == 4
    assert "'creat' is none of create, set, delete, check, commit, abort" in rig.out.errors[0]
    assert "no parents in a transaction" in rig.out.errors[2]


def test_from_a_file(hosts: str, tmp_path: Path) -> None:
    file = tmp_path / "multi"
    file.write_text("# all or none\ncreate /a\n\nset /a x\n")
    assert typed(hosts, f"multi --file {file}").out.lines == ["Created /a", "Set, version 1"]


def test_all_or_none(hosts: str, tmp_path: Path) -> None:
    file = tmp_path / "multi"
    file.write_text("create /a\nset /none x\n")
    code, text = refused(hosts, f"multi --file {file}")
    assert code == 1
    assert "set /none: The znode does not exist. (operation 1 of 2; nothing was applied)" in text
    assert typed(hosts, "ls /").out.lines == ["[]"]


def test_a_wrong_line_of_a_file_is_the_end(hosts: str, tmp_path: Path) -> None:
    file = tmp_path / "multi"
    file.write_text("create /a\nnonsense\n")
    assert refused(hosts, f"multi --file {file}")[0] == 2
    assert typed(hosts, "ls /").out.lines == ["[]"]


@pytest.mark.parametrize("wrong", ["nonsense", "create", "create -h", "set /a", 'create "/x'])
@pytest.mark.parametrize("end", ["commit", "abort", None])
def test_a_wrong_line_of_a_script_spoils_the_whole_transaction(
    hosts: str, wrong: str, end: str | None
) -> None:
    """And no more: what comes after it is run."""
    lines = iter(["multi", "create /a", wrong, "create /b", *([end, "create /c"] if end else [])])

    async def story(rig: Rig) -> None:
        rig.shell.read_line = reader(lines)
        assert await run_lines(rig.shell) == (0 if end else 2)

    rig = at(hosts, story)
    assert rig.out.lines == (["Created /c"] if end else [])
    assert (len(rig.out.errors), rig.out.notes) == (1, ["nothing was done"])


def test_the_lines_of_a_multi_that_cannot_begin_are_not_run(hosts: str) -> None:
    lines = iter(["multi --bogus", "create /a", "create /b", "commit", "create /c"])

    async def story(rig: Rig) -> None:
        rig.shell.read_line = reader(lines)
        assert await run_lines(rig.shell) == 0

    rig = at(hosts, story)
    assert rig.out.lines == ["Created /c"]
    assert rig.out.notes == ["2 lines up to its end were passed over: nothing was done"]
    assert "--bogus" in rig.out.errors[0]


def test_from_a_pipe(hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_text("create /a\ncommit\n")
    with (tmp_path / "in").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert typed(hosts, "multi").out.lines == ["Created /a"]
