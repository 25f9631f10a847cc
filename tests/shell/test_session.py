from __future__ import annotations

import pytest

from tests.client.live import poll, run
from tests.shell.rig import Recorder, Rig, at
from zoo.client.errors import NoNodeError, OperationTimeoutError
from zoo.jute.records import ACL
from zoo.shell.problems import Problem
from zoo.shell.session import Link, Shell


def test_without_a_connection_commands_say_so() -> None:
    with pytest.raises(Problem, match=r"not connected; `connect host:port` connects"):
        assert Shell(Link(), Recorder()).zk


def test_nobody_there() -> None:
    shell = Shell(Link("127.0.0.1:1", timeout=0.2), Recorder())
    with pytest.raises(OperationTimeoutError, match=r"no server within 0.2 s"):
        run(shell.connect())
    assert shell.client is None


def test_identities_are_proved_on_every_connection(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        shell = rig.shell
        await shell.add_auth("digest", b"late:pw")
        await shell.connect(hosts)
        users = {info.user for info in await shell.zk.who_am_i()}
        assert {"early", "late"} <= users
        await shell.zk.create("/mine", b"x", acl=[ACL(31, "auth", "")])

    rig = Rig(hosts)
    rig.shell = Shell(Link(hosts, auths=("digest:early:pw",)), rig.out)

    async def live() -> None:
        await rig.shell.connect()
        try:
            await story(rig)
            await rig.shell.zk.delete("/mine")
        finally:
            await rig.shell.close()

    run(live())
    assert rig.shell.client is None


def test_one_shot_watches_are_waited_for(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        zk = rig.shell.zk
        await zk.create("/w", b"")
        with rig.shell.watcher(True) as watcher:
            await zk.get("/w", watch=watcher)
        with rig.shell.watcher(False) as watcher:
            assert watcher is None
        with pytest.raises(NoNodeError), rig.shell.watcher(True) as watcher:
            await zk.get("/none", watch=watcher)  # it will tell of nothing
        await zk.set("/w", b"x")
        await rig.shell.wait_for_watches()

    rig = at(hosts, story)
    assert rig.out.lines[0].startswith("WATCHER:: NodeDataChanged /w 0x")
    assert rig.out.values[0]["event"] == "NodeDataChanged"


def test_following_in_the_background_until_the_session_ends(hosts: str) -> None:
    async def story(rig: Rig) -> None:
        zk = rig.shell.zk
        await rig.shell.follow_in_background("/f", recursive=True)
        await zk.create("/f", b"")
        await zk.create("/f/g", b"")
        await poll(lambda: len(rig.out.values) == 2, "two events")
        rig.shell.print_watches = False
        await zk.delete("/f/g")
        await zk.sync("/")

    rig = at(hosts, story)
    assert [(v["event"], v["path"]) for v in rig.out.values] == [
        ("NodeCreated", "/f"),
        ("NodeCreated", "/f/g"),
    ]
