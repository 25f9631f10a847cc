"""Clients whose list of servers follows the configuration, while the servers are exchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import zoo
from tests.client.live import poll
from tests.interop.test_reconfig import Growing, change, connected

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]


@pytest.mark.parametrize("kind", ["zoo", "java"])
def test_a_client_outlives_the_server_it_began_with(tmp_path: Path, kind: str) -> None:
    growing = Growing(tmp_path)
    servers = growing.servers

    async def follow() -> None:
        first = servers[1].address
        async with zoo.connect(first, follow_config=True, session_timeout=20) as zk:
            hosts, number = zk._session.hosts, zk.session_id
            await zk.create("/mine", b"1", ephemeral=True)
            await asyncio.to_thread(exchange)
            left = {servers[2].address, servers[3].address}
            await poll(lambda: {str(each) for each in hosts.servers} == left, "the new list", 30)
            stat = await zk.retrying(lambda: zk.set("/mine", b"2"))
            assert (zk.session_id, stat.ephemeral_owner) == (number, number)

    def exchange() -> None:
        for sid in (2, 3):
            growing.add(sid, kind)
            with connected(servers[1]) as admin:
                change(admin, joining=growing.line(sid))
        with connected(servers[2], servers[3]) as admin:
            change(admin, leaving="1")
        servers[1].kill()

    try:
        growing.add(1, kind).wait()
        asyncio.run(asyncio.wait_for(follow(), 120))
    finally:
        for server in servers.values():
            server.kill()
