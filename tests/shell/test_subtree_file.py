from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import pytest

from zoo.client.results import Node
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.records import ACL, Stat
from zoo.shell.problems import Problem
from zoo.shell.subtree_file import SubtreeFile, Writer, created
from zoo.shell.values import NULL

STAT = Stat(1, 2, 0, 0, 3, 0, 0, 0, 0, 0, 9)
ACLS = [*OPEN_ACL_UNSAFE, ACL(1, "x509", "CN=a,O=b:c")]


def node(path: str, data: bytes = b"", owner: int = 0) -> Node[bytes]:
    return Node(path, data, STAT._replace(ephemeral_owner=owner))


def exported() -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.begin("/app", 0x1F, 0)
    writer.node("/", node("/app", b"text"), list(ACLS))
    writer.node("/a", node("/app/a", b"\x00\x01"), None)
    writer.node("/b", node("/app/b", NULL), None)
    writer.node("/b/c", node("/app/b/c", b"", owner=5), None)
    writer.end(0x20, exact=True)
    return stream.getvalue()


def read(path: Path) -> SubtreeFile:
    return SubtreeFile(str(path))


@pytest.mark.parametrize("packed", [False, True])
def test_there_and_back(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(exported()) if packed else exported())
    with read(path) as file:
        assert (file.root, file.count, file.is_exact) == ("/app", 4, True)
        records = list(file)
        assert list(file) == records  # as often as one likes
    assert [record.path for record in records] == ["/", "/a", "/b", "/b/c"]
    assert records[0].acl == ACLS
    assert (records[0].data, records[1].data, records[1].acl) == (b"text", b"\x00\x01", None)
    assert records[2].data is NULL
    assert [record.is_ephemeral for record in records] == [False, False, False, True]


def test_later_lines_replace_earlier_ones_and_parents_stay_first(tmp_path: Path) -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.begin("/", 1, 0)
    for path in ("/", "/a", "/a/b", "/c", "/c/d", "/e"):
        writer.node(path, node(path, b"old"), None)
    writer.node("/a", node("/a", b"new"), None)
    writer.gone("/c")
    writer.node("/c", node("/c", b"again"), None)
    writer.gone("/e")
    writer.gone("/never/was")
    writer.end(2, exact=False)
    path = tmp_path / "file"
    path.write_bytes(stream.getvalue())
    with read(path) as file:
        found = [(record.path, record.data) for record in file]
        assert (file.count, file.is_exact) == (len(found), False)
    assert found == [("/", b"old"), ("/a", b"new"), ("/a/b", b"old"), ("/c", b"again")]


def test_damage_is_found(tmp_path: Path) -> None:
    whole = exported()
    path = tmp_path / "file"
    path.write_bytes(whole)
    with read(path) as file:
        assert file.count == 4
    lines = whole.splitlines(keepends=True)
    for bad, why in (
        (b"", "no end"),
        (b"".join(lines[:-1]), "it has no end; was it cut off?"),
        (whole[:-30], "not a whole file"),
        (whole.replace(b"text", b"tent"), "its checksum is wrong"),
        (b"".join([lines[0], *lines[2:]]), "its checksum is wrong"),
        (whole + lines[1], "there is more after its end"),
        (b"[]\n", "not a whole file"),
        (b"hello\n", "not a whole file"),
        (whole.replace(b'"zoo-export": 1', b'"zoo-export": 9'), "not of zoo-export 1"),
        (gzip.compress(whole)[:-20], "not a whole file"),
    ):
        path.write_bytes(bad)
        with pytest.raises(Problem, match=why):
            read(path)


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    whole = exported()
    path = tmp_path / "file"
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if place < whole.rindex(b'{"end"'):  # what stands in the last line is of no znode
            with pytest.raises(Problem, match="not a whole file"):
                read(path)


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    with pytest.raises(TypeError), created(str(path)) as stream:
        stream.write("half")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    with created(str(path)) as stream:
        stream.write(b"whole")
    assert gzip.decompress(path.read_bytes()) == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_so_does_the_mode_of_what_it_leads_to(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to("file")
    bystander = tmp_path / "file.part"
    bystander.write_bytes(b"mine")
    with created(str(link)) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    assert bystander.read_bytes() == b"mine"
    assert sorted(tmp_path.iterdir()) == [path, bystander, link]


def test_a_new_file_is_for_nobody_elses_eyes(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("new")
    with created(str(link)) as stream:
        stream.write(b"data")
    assert (link.is_symlink(), (tmp_path / "new").stat().st_mode & 0o777) == (True, 0o600)


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with created(str(path)) as stream:
            stream.write(b"data")
        assert os.read(reader, 100) == b"data"
        assert path.is_fifo()
    finally:
        os.close(reader)


def test_a_place_that_cannot_be_written_is_named_as_it_was_typed(tmp_path: Path) -> None:
    target = str(tmp_path / "none" / "file")
    with pytest.raises(FileNotFoundError) as refused, created(target):
        raise AssertionError("there is no such folder")
    assert refused.value.filename == target


def test_the_lines_are_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with created("-") as stream:
        stream.write(exported())
    head, first, *_, last = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert head == {
        "zoo-export": 1,
        "root": "/app",
        "zxid": "0x1f",
        "time": "1970-01-01T00:00:00.000+00:00",
    }
    assert first["acl"] == ["world:anyone:cdrwa", "x509:CN=a,O=b:c:r"]
    assert (last["end"], last["zxid"], last["exact"]) == (4, "0x20", True)
