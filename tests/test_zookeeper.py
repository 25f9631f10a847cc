from __future__ import annotations

import subprocess
import sys

import pytest

import zookeeper
from zoo.client.errors import BadVersionError, NoNodeError
from zoo.zookeeper import ZooKeeper

TUTORIAL = """
from zookeeper import ZooKeeper
zk = ZooKeeper({hosts!r})
zk.create('/greeting', 'hello')
got = zk.get('/greeting', watch=True)
zk.set('/greeting', 'hi', version=got[0])
print(next(zk.events()).type.name, zk.get('/greeting').data.decode(), zk.children('/'))
zk.stop()
"""


def test_the_tutorial_runs_as_written(hosts: str) -> None:
    program = TUTORIAL.format(hosts=hosts)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert ended.stderr == ""
    assert ended.stdout == "NODE_DATA_CHANGED hi ['greeting']\n"


def test_the_contract(hosts: str) -> None:
    zk = ZooKeeper(hosts)
    assert "not connected" in repr(zk)
    assert zk.create("/a", "text") == "/a"
    assert zk.create("/a/s-", b"bytes", ZooKeeper.PERSISTENT_SEQUENTIAL) == "/a/s-0000000000"
    assert zk.create("/a/e-", "", ZooKeeper.EPHEMERAL_SEQUENTIAL) == "/a/e-0000000001"
    assert zk.create("/e", "", ZooKeeper.EPHEMERAL) == "/e"
    assert zk.create("/c", flags=ZooKeeper.CONTAINER) == "/c"
    version, data, stat = zk.get("/a")
    assert (version, data, stat.version) == (0, b"text", 0)
    assert zk.set("/a", "other", version=version).version == 1
    with pytest.raises(BadVersionError, match="set /a"):
        zk.set("/a", "third", version=version)
    assert zk.get("/a").data == b"other"
    assert zk.exists("/none") is None
    with pytest.raises(NoNodeError):
        zk.delete("/none")
    zk.delete("/c", version=0)
    with pytest.raises(TypeError, match=r"^/a: data must be str or bytes, not int"):
        zk.set("/a", 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^/s: .*surrogates not allowed"):
        zk.create("/s", "\ud800")
    with pytest.raises(ValueError, match=r"^/t: flags 5 need a ttl"):
        zk.create("/t", "", 5)
    with pytest.raises(ValueError, match=r"^/t: flags must be one of 0 PERSISTENT, .*; not 9"):
        zk.create("/t", "", 9)
    zk.stop()
    with zk:
        assert zk.children() == ["a"], "ephemerals went with the first session"
    assert zk.start().exists("/a") is not None
    zk.stop()


def test_events(hosts: str) -> None:
    with ZooKeeper(hosts) as zk:
        assert zk.exists("/a", watch=True) is None
        zk.children("/", watch=True)
        zk.create("/a", "x")
        events = zk.events(timeout=5)
        assert [f"{event.type} {event.path}" for event in (next(events), next(events))] == [
            "NODE_CREATED /a",
            "NODE_CHILDREN_CHANGED /",
        ]
        assert list(zk.events(timeout=0.01)) == []
    assert list(zk.events()) == []


def test_hosts_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="not a port"):
        ZooKeeper("localhost:x")
    assert zookeeper.ZooKeeper is ZooKeeper
