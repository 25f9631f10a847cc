from __future__ import annotations

import pytest

from tests.client.live import poll_until, run
from zoo.client.async_client import connect
from zoo.client.converters import TEXT
from zoo.client.errors import NodeExistsError
from zoo.recipes.group import Group
from zoo.testing import expire_session


def test_members_come_and_go(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts, data=TEXT) as zk, connect(hosts, data=TEXT) as other:
            watcher = Group(zk, "/g")
            assert await watcher.members() == {}
            changes = watcher.changes()
            assert await anext(changes) == {}
            async with Group(other, "/g", "b", "two") as group:
                assert await anext(changes) == {"b": "two"}
                with pytest.raises(NodeExistsError):
                    await Group(zk, "/g", "b").join()
                await group.set_data("new")
                await zk.sync()
                assert await watcher.members() == {"b": "new"}
                assert await anext(changes) == {"b": "new"}
            assert await anext(changes) == {}
            with pytest.raises(ValueError, match="needs a name"):
                await watcher.join()

    run(main())


def test_a_member_enters_anew_after_its_session_was_lost(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts, data=TEXT) as zk, connect(hosts, data=TEXT) as other:
            group = Group(zk, "/g", "a", "x")
            await group.join()
            old = zk.session_id
            await expire_session(zk)

            async def is_back() -> bool:
                stat = await other.exists("/g/a")
                return stat is not None and stat.ephemeral_owner not in (0, old)

            await poll_until(is_back, "entered anew")
            assert await Group(other, "/g").members() == {"a": "x"}
            await group.leave()

    run(main())


def test_a_member_whose_data_do_not_decode_hides_nobody(hosts: str) -> None:
    async def main() -> None:
        async with (
            connect(hosts, data=TEXT) as zk,
            connect(hosts) as other,
            Group(zk, "/g", "b", "x") as group,
        ):
            await other.create("/g/a", b"\xff", ephemeral=True)
            assert await group.members() == {"b": "x"}
            changes = group.changes()
            assert await anext(changes) == {"b": "x"}
            await other.create("/g/c", b"y", ephemeral=True)
            assert await anext(changes) == {"b": "x", "c": "y"}

    run(main())
