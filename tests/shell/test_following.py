from __future__ import annotations

import asyncio
import re

import pytest

from tests.client.live import break_connection, poll, poll_until
from tests.shell.rig import Rig, at, refused
from zoo.client.async_client import connect
from zoo.client.streams import WatchStream
from zoo.shell import following
from zoo.testing import expire_session


async def _watching(rig: Rig, line: str) -> asyncio.Task[int]:
    task = asyncio.get_running_loop().create_task(rig.type(line))
    await poll(lambda: bool(rig.out.notes), "the watch is set")
    return task


def test_follows_with_data_and_time(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        task = await _watching(rig, "watch -n 4 /w")
        zk = rig.shell.zk
        await zk.create("/w", b"one")
        await poll(lambda: len(rig.out.lines) == 1, "an event")
        await zk.create("/w/x", b"\x00")
        await poll(lambda: len(rig.out.lines) == 2, "another")
        await zk.set("/w", b"two")
        await poll(lambda: len(rig.out.lines) == 3, "and one more")
        await zk.delete("/w/x")
        assert await task == 0

    out = at(hosts, story).out
    assert out.notes == ["watching /w and all below it; Ctrl-C ends"]
    assert [re.sub(r"^[\d:.]{12} ", "", line) for line in out.lines] == [
        "NodeCreated         /w = one",
        "NodeCreated         /w/x = 1 bytes 00",
        "NodeDataChanged     /w = two",
        "NodeDeleted         /w/x",
    ]
    first = out.values[0]
    assert (first["event"], first["path"], first["data"]) == ("NodeCreated", "/w", "one")
    assert first["version"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}\+00:00", first["time"])


def test_a_single_znode_without_data(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        await rig.shell.zk.create("/w", b"")
        task = await _watching(rig, "watch -n 2 --single --no-data /w")
        await rig.shell.zk.create("/w/x", b"")
        await rig.shell.zk.set("/w", b"two")
        assert await task == 0

    out = at(hosts, story).out
    assert out.notes == ["watching /w; Ctrl-C ends"]
    assert [value["event"] for value in out.values] == ["NodeChildrenChanged", "NodeDataChanged"]
    assert "data" not in out.values[1]


def test_says_so_when_events_were_lost(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event is being told while more come than the buffer holds."""
    started, go_on = asyncio.Event(), asyncio.Event()
    tell = following._tell

    async def tell_slowly(*arguments: object, **named: object) -> None:
        started.set()
        await go_on.wait()
        await tell(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "_tell", tell_slowly)

    async def story(rig: Rig) -> None:
        zk = rig.shell.zk
        task = await _watching(rig, "watch -n 2 --buffer 3 /w")
        await zk.create("/w", b"")
        await started.wait()
        for _ in range(8):
            await zk.set("/w", b"x")
        go_on.set()
        assert await task == 0

    out = at(hosts, story).out
    gaps = [value for value in out.values if value["event"] == "Gap"]
    assert gaps[0]["reason"] == "the buffer of 3 events overflowed"
    assert "the buffer of 3 events overflowed: events are missing, read again" in out.lines[1]


def test_says_so_after_a_broken_connection(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        task = await _watching(rig, "watch -n 1 /w")
        await break_connection(rig.shell.zk)
        await poll(lambda: bool(rig.out.lines), "a gap")
        await rig.shell.zk.create("/w", b"")
        assert await task == 0

    out = at(hosts, story).out
    assert [value["event"] for value in out.values] == ["Gap", "NodeCreated"]


def test_goes_on_after_the_session_has_expired(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        task = await _watching(rig, "watch -n 1 /w")
        await expire_session(rig.shell.zk)
        await poll(lambda: len(rig.out.notes) == 2, "the watch is set anew")
        await rig.shell.zk.create("/w", b"")
        assert await task == 0

    out = at(hosts, story).out
    assert [value["event"] for value in out.values] == ["Ended", "NodeCreated"]
    assert "events are missing, read again" in out.lines[0]


def test_data_that_changed_again(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        zk = rig.shell.zk
        read = following._read

        async def late(shell: object, path: str) -> object:
            await zk.set("/w", b"later")
            return await read(rig.shell, path)

        monkeypatch.setattr(following, "_read", late)
        task = await _watching(rig, "watch -n 1 /w")
        await zk.create("/w", b"first")
        assert await task == 0

    out = at(hosts, story).out
    assert out.lines[0].endswith("/w = later (changed again since)")
    assert out.values[0]["dataZxid"] > out.values[0]["zxid"]


def test_the_end_of_the_watch(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        task = await _watching(rig, "watch /w")
        await rig.shell.zk.remove_watches("/w")
        assert await task == 1
        assert rig.out.errors == ["the watch on /w has ended"]

    at(hosts, story)


def test_add_and_remove_watches(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        assert await rig.type("create /w", "addWatch -m persistent /w", "get -w /w") == 0
        async with connect(hosts) as other:
            await other.set("/w", b"x")
        await poll(lambda: len(rig.out.values) == 4, "both watches told")
        assert await rig.type("removewatches /w -p") == 0
        await poll_until(_no_streams(rig), "the stream has ended")
        assert await rig.type("removewatches /w") == 1

    out = at(hosts, story).out
    assert out.errors == ["remove_watches /w: The session has no such watch on this path."]


def _no_streams(rig: Rig) -> object:
    async def check() -> bool:
        streams: list[WatchStream] = [stream for stream, _ in rig.shell._streams]
        return all(stream.is_ended for stream in streams)

    return check


def test_wrong_modes(hosts: str) -> None:
    code, text = refused(hosts, "addWatch -m SOMETIMES /w")
    assert (code, "PERSISTENT_RECURSIVE" in text.upper()) == (2, True)
