"""A thousand wait for one lock, and each release wakes one of them: what the server sends tells."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.interop.harness import Server, four_letter, running
from zoo.client.async_client import AsyncClient, connect
from zoo.recipes.lock import Lock

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_zoo")]

WAITERS, SESSIONS, RELEASES = 1000, 10, 30
PER_RELEASE = 3  # the answer to the delete, one event, and the list for the one it woke
DEADLINE = 120.0


def packets_sent(server: Server) -> int:
    found = re.search(r"^Sent: (\d+)", four_letter(server.port, "srvr"), re.MULTILINE)
    assert found is not None
    return int(found[1])


async def poll_line(zk: AsyncClient[bytes], length: int) -> None:
    while (stat := await zk.exists("/l")) is None or stat.num_children < length:
        await asyncio.sleep(0.05)


async def release_one_by_one(server: Server, clients: list[AsyncClient[bytes]]) -> list[int]:
    """The order in which they got it; asserts that nobody else was told."""
    first = Lock(clients[0], "/l")
    await first.acquire()
    holders: asyncio.Queue[int] = asyncio.Queue()
    locks = [Lock(clients[n % SESSIONS], "/l") for n in range(WAITERS)]

    async def stand_in_line(number: int) -> None:
        await locks[number].acquire()
        holders.put_nowait(number)

    waiting = [asyncio.ensure_future(stand_in_line(number)) for number in range(WAITERS)]
    await poll_line(clients[0], WAITERS + 1)
    await asyncio.gather(*(zk.sync() for zk in clients))  # behind each reading of the line
    await asyncio.gather(*(zk.sync() for zk in clients))  # and behind each watch
    before = packets_sent(server)
    await first.release()
    order = []
    for _ in range(RELEASES):
        order.append(await holders.get())
        assert holders.empty()
        await locks[order[-1]].release()
    pings_and_no_herd = 5 * RELEASES
    assert packets_sent(server) - before < PER_RELEASE * RELEASES + pings_and_no_herd
    for task in waiting:
        task.cancel()
    return order


def test_each_release_wakes_one(tmp_path: Path) -> None:
    async def main(server: Server) -> list[int]:
        clients = [connect(server.address, session_timeout=40) for _ in range(SESSIONS)]
        for zk in clients:
            await zk.start()
        try:
            async with asyncio.timeout(DEADLINE):
                return await release_one_by_one(server, clients)
        finally:
            for zk in clients:
                await zk.close()

    with running("zoo", tmp_path) as server:
        assert len(set(asyncio.run(main(server)))) == RELEASES
