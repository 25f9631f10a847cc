from __future__ import annotations

import asyncio
import socket
from random import Random

import pytest

from tests.client.live import break_connection, run
from zoo.client.async_client import connect
from zoo.client.dialing import dial, says_it_is_writable
from zoo.client.hosts import Server


def test_a_writable_server_says_so(hosts: str) -> None:
    port = int(hosts.partition("/")[0].rpartition(":")[2])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await says_it_is_writable(loop, Server("127.0.0.1", port), None, Random(1))
        assert not await says_it_is_writable(loop, Server("127.0.0.1", 1), None, Random(1))

    run(main())


def test_dialing_nobody() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="Connect call failed"):
            await dial(loop, asyncio.Protocol, Server("127.0.0.1", 1), None, Random(1))
        with pytest.raises(OSError):
            await dial(loop, asyncio.Protocol, Server("no.such.host.invalid"), None, Random(1))

    run(main())


def test_a_name_is_looked_up_at_each_dial(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, _, chroot = hosts.partition("/")
    port = int(address.rpartition(":")[2])

    async def main() -> None:
        asked = []

        async def look_up(host: str, port: int, **_: object) -> list[object]:
            asked.append(host)
            moved = "127.0.0.1" if len(asked) > 1 else "127.0.0.9"  # where nobody listens
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (moved, port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        async with connect(f"moves.example:{port}/{chroot}") as zk:
            assert asked == ["moves.example"] * 2
            await break_connection(zk)
            assert asked == ["moves.example"] * 3

    run(main())
