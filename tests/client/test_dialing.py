from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.client.live import run
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
