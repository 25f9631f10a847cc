from __future__ import annotations

import array
import asyncio
import fcntl
import os
import signal
import subprocess
import termios
import threading
from pathlib import Path
from typing import IO, Any

import pytest

from tests.client.live import poll, run
from tests.interop.harness import wait_until
from tests.shell.rig import Rig, at
from tests.shell.test_oneshot import ZOO, zoo
from zoo.shell.blocking import aside, read_stdin


def test_what_comes_of_it() -> None:
    async def story() -> None:
        assert await aside(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await aside(lambda: 1 // 0)

    run(story())


def test_nobody_waits_for_what_was_given_up() -> None:
    """The loop ends while the thread is blocked; it finds nobody then."""
    blocks, blocked = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        blocked.set()
        blocks.wait()

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(aside(work))
        await poll(blocked.is_set, "it blocks")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story())
    assert threads[0].is_alive()
    blocks.set()
    threads[0].join(30)
    assert not threads[0].is_alive()


def test_lines_of_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    with open(f"{tmp_path}/in", "w+") as stdin:
        stdin.write("ls /\nget /a")
        stdin.seek(0)
        monkeypatch.setattr("sys.stdin", stdin)

        async def read() -> list[str | None]:
            return [await read_stdin("> ") for _ in range(3)]

        assert run(read()) == ["ls /", "get /a", None]


def test_the_session_is_kept_alive_while_data_come(hosts: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def story(rig: Rig) -> None:
        task = asyncio.get_running_loop().create_task(rig.type(f"create /a --file {pipe}"))
        assert await rig.shell.zk.children("/") == []
        assert not task.done()
        await asyncio.to_thread(pipe.write_bytes, b"late")
        assert await task == 0

    at(hosts, story)
    assert zoo(hosts, "get", "/a").stdout == b"late\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["multi"],
        ["import", "-"],
        ["set", "--file", "-", "/a"],
        ["shell"],
        ["create", "/b", "--file", "-"],
    ],
)
def test_ctrl_c_while_a_pipe_is_open(hosts: str, arguments: list[str], tmp_path: Path) -> None:
    """The pipe stays open: nothing but the signal can end it."""
    zoo(hosts, "create", "/a")
    env = {**os.environ, "ZOO_SERVER": hosts}
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    with subprocess.Popen([*ZOO, *arguments], env=env, **pipes) as waiting:
        assert waiting.stdin is not None
        assert waiting.stderr is not None
        waiting.stdin.write(b"# a comment\n")
        waiting.stdin.flush()
        wait_until(lambda: _unread(waiting.stdin) == 0, 30, "it reads")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
        assert waiting.stderr.read() == b""


def _unread(pipe: IO[bytes] | None) -> int:
    """Bytes in it."""
    assert pipe is not None
    found = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, found)
    return found[0]
