from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.live import break_connection
from tests.shell.rig import Rig, at, refused, typed
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import UnimplementedError
from zoo.shell import exporting
from zoo.shell.subtree_file import SubtreeFile
from zoo.testing import EmbeddedServer


def exported(path: Path) -> dict[str, bytes]:
    with SubtreeFile(str(path)) as file:
        return {record.path: record.data for record in file}


def test_a_quiet_subtree(hosts: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    rig = typed(
        hosts,
        *("create -p /a/b/c two", "set /a one", "create -e /a/e mine", "create /ab other"),
        f"export /a -o {file}",
    )
    assert exported(file) == {"/": b"one", "/b": b"", "/b/c": b"two", "/e": b"mine"}
    told = rig.out.values[-1]
    assert (told["znodes"], told["exact"]) == (4, True)
    assert rig.out.lines[-1] == f"4 znodes of /a, exactly as of zxid {told['zxid']}"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[1]["acl"] == ["world:anyone:cdrwa"]
    assert [line.get("kind") for line in lines if line.get("path") == "/e"] == ["ephemeral"]
    assert lines[-1]["zxid"] == told["zxid"]


def test_without_acls(hosts: str, tmp_path: Path) -> None:
    typed(hosts, "create /a", f"export --no-acl /a -o {tmp_path}/x")
    with SubtreeFile(f"{tmp_path}/x") as file:
        assert [record.acl for record in file] == [None]


def test_no_such_subtree_leaves_no_file(hosts: str, tmp_path: Path) -> None:
    code, text = refused(hosts, f"export /none -o {tmp_path}/x")
    assert (code, "/none: The znode does not exist." in text) == (1, True)
    assert list(tmp_path.iterdir()) == []
    assert refused(hosts, "create /a", "export /a -o /none/x")[0] == 1


def test_what_changes_meanwhile_is_read_again(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others change znodes after they were read; the file is right as of its end."""
    walk = exporting._Export._walk

    async def walk_and_change(self: Any, *arguments: Any) -> None:
        await walk(self, *arguments)
        async with connect(hosts) as other:
            await other.set("/a/b", b"new")
            await other.delete("/a/gone")
            await other.create("/a/more/and/more", b"x", make_parents=True)
            await other.delete("/a/again")
            await other.create("/a/again", b"second")

    monkeypatch.setattr(exporting._Export, "_walk", walk_and_change)
    rig = typed(
        hosts,
        *("create -p /a/b old", "create -p /a/gone", "create /a/again first"),
        f"export /a -o {tmp_path}/x",
    )
    assert exported(tmp_path / "x") == {
        "/": b"",
        "/b": b"new",
        "/again": b"second",
        "/more": b"",
        "/more/and": b"",
        "/more/and/more": b"x",
    }
    assert rig.out.values[-1]["znodes"] == 6
    assert rig.out.values[-1]["exact"]


def test_one_moment_under_load(hosts: str, tmp_path: Path) -> None:
    """Two znodes are always set together: in an exact export they are equal."""

    async def story(rig: Rig) -> None:
        zk = rig.shell.zk
        for path in ("/a", "/a/1", *(f"/a/1/{n}" for n in range(300)), "/a/2"):
            await zk.create(path, b"0")
        async with connect(hosts) as other:
            stop = asyncio.Event()

            async def write() -> int:
                number = 0
                while not stop.is_set():
                    number += 1
                    async with other.transaction() as both:
                        both.set("/a/1", b"%d" % number)
                        both.set("/a/2", b"%d" % number)
                return number

            writer = asyncio.get_running_loop().create_task(write())
            code = await rig.type(f"export /a -o {tmp_path}/x")
            stop.set()
            assert await writer > 0
            assert code == 0

    rig = at(hosts, story)
    found = exported(tmp_path / "x")
    assert len(found) == 303
    assert found["/1"] == found["/2"] or not rig.out.values[-1]["exact"]


def test_a_subtree_that_never_rests(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = exporting._Export._read_again
    monkeypatch.setattr(exporting, "ROUNDS", 3)

    async def read_and_change(self: Any, *arguments: Any) -> None:
        await read(self, *arguments)
        async with connect(hosts) as other:
            await other.set("/a", b"x")

    async def sync_and_change(self: AsyncClient[bytes], path: str) -> None:
        await self.set("/a", b"y")

    monkeypatch.setattr(exporting._Export, "_read_again", read_and_change)
    monkeypatch.setattr(AsyncClient, "sync", sync_and_change)
    rig = typed(hosts, "create /a", f"export /a -o {tmp_path}/x")
    assert "NOT of one moment: it was changing still after 3 rounds" in rig.out.lines[-1]
    with SubtreeFile(f"{tmp_path}/x") as file:
        assert not file.is_exact


def test_a_broken_connection_is_admitted(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = exporting._Export._walk

    async def walk_and_break(self: Any, *arguments: Any) -> None:
        await walk(self, *arguments)
        await break_connection(self._zk)

    monkeypatch.setattr(exporting._Export, "_walk", walk_and_break)
    rig = typed(hosts, "create /a", f"export /a -o {tmp_path}/x")
    assert "NOT of one moment: " in rig.out.lines[-1]
    assert not rig.out.values[-1]["exact"]


def test_servers_without_recursive_watches(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise UnimplementedError

    monkeypatch.setattr(AsyncClient, "watch", refuse)
    monkeypatch.setattr(AsyncClient, "count_descendants", refuse)
    rig = typed(hosts, "create /a", f"export /a -o {tmp_path}/x")
    assert "the server knows no recursive watches" in rig.out.lines[-1]
    assert exported(tmp_path / "x") == {"/": b""}


def test_the_root_without_what_is_the_servers_own(hosts: str, tmp_path: Path) -> None:
    with EmbeddedServer() as server:
        typed(server.hosts, "create /rooted x", f"export / -o {tmp_path}/x")
    assert exported(tmp_path / "x") == {"/": b"", "/rooted": b"x"}
    typed(hosts, "create -p /zookeeper/mine", f"export / -o {tmp_path}/y")
    assert exported(tmp_path / "y") == {"/": b"", "/zookeeper": b"", "/zookeeper/mine": b""}
