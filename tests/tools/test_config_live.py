from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.live import poll, run
from tests.interop.ensemble import lone_member
from tests.interop.harness import Server, free_port
from zoo.client.async_client import connect
from zoo.shell.access import Access
from zoo.tools import config_live
from zoo.tools.config_live import NoEnsemble, Wish, connected, parsed, read, show


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory: Path = tmp_path_factory.mktemp("member")
    server = lone_member(directory, skipACL="yes")
    try:
        yield server.start()
    finally:
        server.kill()


def test_read_and_shown(member: Server) -> None:
    async def main() -> list[str]:
        async with connected(Access(f"{member.address}/a/chroot", ("digest:kim:x",)), 5) as client:
            assert (await read(client)).servers.keys() == {1}
        lines: list[str] = []
        for wish in (Wish(clients=True), Wish(json=True), Wish()):
            await show(Access(member.address), 5, wish, lines.append)
        return lines

    lines = run(main())
    assert lines[0] == member.address
    assert lines[1].startswith('{"version"')
    assert lines[-1].startswith("1       participant")


def test_every_change_is_shown(member: Server) -> None:
    async def main() -> None:
        lines: list[str] = []
        watching = asyncio.create_task(
            show(Access(member.address), 5, Wish(watch=True, clients=True), lines.append)
        )
        await poll(lambda: len(lines) == 1, "the configuration")
        async with connect(member.address) as zk:
            await zk.reconfig(joining="server.7=127.0.0.1:1:2:observer;127.0.0.1:9")
            await poll(lambda: len(lines) == 3, "the change")
            await zk.reconfig(leaving="7")
            await poll(lambda: len(lines) == 5, "the change back")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert lines == [member.address, "", f"{member.address},127.0.0.1:9", "", member.address]

    run(main())


def test_what_is_no_configuration() -> None:
    with pytest.raises(NoEnsemble, match="stands alone"):
        parsed("")
    with pytest.raises(NoEnsemble, match="cannot be read"):
        parsed("server.x=1")


def test_why_nobody_serves(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with pytest.raises(NoEnsemble, match=f"127.0.0.1:{port}: no answer: connection refused"):
        run(show(Access(f"127.0.0.1:{port}"), 0.2, Wish(), print))
    with pytest.raises(config_live.click.UsageError, match="has no host"):
        config_live.run(show(Access(":1"), 0.2, Wish(), print))
    with pytest.raises(SystemExit, match="1"):
        config_live.run(show(Access(f"127.0.0.1:{port}"), 0.2, Wish(), print))
    assert capsys.readouterr().err.startswith("zoo: no server took a session within 0.2 s: 127.0")
