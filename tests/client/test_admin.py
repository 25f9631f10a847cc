from __future__ import annotations

import pytest

from tests.client.live import break_connection, run
from zoo.client.async_client import connect
from zoo.client.errors import AuthFailedError, NoAuthError, OperationTimeoutError
from zoo.client.states import State
from zoo.jute.constants import CREATOR_ALL_ACL
from zoo.jute.records import ClientInfo
from zoo.testing import ThreadServer


def test_digest_credentials_outlive_the_connection(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as stranger:
            await zk.add_auth("digest", "kim:secret")
            assert ClientInfo("digest", "kim") in await zk.who_am_i()
            await zk.create("/mine", b"x", acl=CREATOR_ALL_ACL)
            with pytest.raises(NoAuthError):
                await stranger.get("/mine")
            await break_connection(zk)
            assert (await zk.get("/mine")).data == b"x"

    run(main())


def test_refused_credentials_are_the_end(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            with pytest.raises(AuthFailedError):
                await zk.add_auth("nonsense", b"x")
            assert zk.state is State.AUTH_FAILED
            with pytest.raises(AuthFailedError):
                await zk.get("/")

    run(main())


def test_credentials_have_a_deadline() -> None:
    async def main() -> None:
        with ThreadServer() as server:
            async with connect(server.hosts) as zk:
                server.pause()
                with pytest.raises(OperationTimeoutError, match=r"auth: .*\(after 0.05 s\)"):
                    await zk.add_auth("digest", "kim:secret", timeout=0.05)
                server.resume()
                assert ClientInfo("digest", "kim") in await zk.who_am_i()

    run(main())


def test_the_configuration(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            node = await zk.get_config()
            assert node.path == "/zookeeper/config"
            with pytest.raises(ValueError, match="either all members"):
                await zk.reconfig(members="server.1=a:1:2", leaving="2")

    run(main())
