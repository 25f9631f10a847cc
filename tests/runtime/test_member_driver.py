"""Members as processes: they elect, serve, survive each other's death, and end as they should."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.runtime.servers import GET_DATA, SET_DATA, Client, get_body, set_body, wait_for
from zoo.tools.local_ensemble import LocalEnsemble, LocalServer


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[LocalEnsemble]:
    with LocalEnsemble(tmp_path, settings={"tickTime": 500}) as made:
        yield made


def serving(ensemble: LocalEnsemble, count: int) -> tuple[LocalServer, list[LocalServer]]:
    """The leader and the other servers, once `count` of them serve."""

    def modes() -> dict[int, str] | None:
        found = {sid: s.mode for sid, s in ensemble.servers.items() if s.is_running}
        roles = [mode for mode in found.values() if mode]
        return found if len(roles) >= count and roles.count("leader") == 1 else None

    found = wait_for(modes, f"{count} servers in step")
    assert found
    leader = next(sid for sid, mode in found.items() if mode == "leader")
    others = [s for sid, s in ensemble.servers.items() if sid != leader]
    return ensemble.servers[leader], others


def client(server: LocalServer) -> Client:
    return Client(server.port)


def has(reader: Client, path: str, data: bytes) -> bool:
    return reader.get(path) == data


def logs(server: LocalServer) -> str:
    return server.log_file.read_text()


def test_what_one_member_is_told_all_know(ensemble: LocalEnsemble) -> None:
    leader, followers = serving(ensemble, 3)
    writer = client(followers[0])
    writer.create("/a", b"one")
    assert writer.call(SET_DATA, set_body("/a", b"two"))[0] == 0
    assert writer.get("/a") == b"two"
    for server in (leader, followers[1]):
        wait_for(partial(has, client(server), "/a", b"two"), "the write is everywhere")


def test_the_death_of_the_leader_is_a_short_outage(ensemble: LocalEnsemble) -> None:
    leader, followers = serving(ensemble, 3)
    client(leader).create("/a", b"acknowledged")
    leader.kill()
    started = time.monotonic()
    new_leader, _ = serving(ensemble, 2)
    assert time.monotonic() - started < 5
    assert new_leader is not leader
    writer = client(new_leader)
    assert writer.get("/a") == b"acknowledged"
    writer.create("/b", b"new epoch")
    leader.launch()
    serving(ensemble, 3)
    again = client(leader)
    assert again.get("/b") == b"new epoch"
    assert "the link to the leader" in logs(followers[0])


def test_without_a_quorum_nobody_serves(ensemble: LocalEnsemble) -> None:
    leader, followers = serving(ensemble, 3)
    client(leader).create("/a", b"kept")
    for server in followers:
        server.kill()
    wait_for(lambda: not leader.mode, "the leader steps down")
    assert "not currently serving requests" in leader.ask("mntr")
    followers[0].launch()
    new_leader, _ = serving(ensemble, 2)
    assert client(new_leader).get("/a") == b"kept"


def test_a_member_leaves_in_good_order(ensemble: LocalEnsemble) -> None:
    leader, _ = serving(ensemble, 3)
    client(leader).create("/a")
    leader.signal(signal.SIGTERM)
    assert leader.wait(20) == 0
    assert "stopped at zxid 0x1" in logs(leader)
    new_leader, _ = serving(ensemble, 2)
    assert client(new_leader).call(GET_DATA, get_body("/a"))[0] == 0


def test_the_log_tells_the_story(ensemble: LocalEnsemble) -> None:
    leader, followers = serving(ensemble, 3)
    text = logs(leader)
    assert re.search(r"serves as server \d of an ensemble at 127\.0\.0\.1:\d+", text)
    assert re.search(r"elected this server after \d+ ms", text)
    assert re.search(r"leading: in step after \d+ ms", text)
    assert re.search(rf"following server {leader.sid}: in step after \d+ ms", logs(followers[0]))


def test_a_port_that_is_taken_ends_the_server(tmp_path: Path) -> None:
    settings = {"electionPortBindRetry": 1}
    ensemble = LocalEnsemble(tmp_path, settings=settings)
    server = ensemble.servers[1]
    with socket.create_server(("127.0.0.1", server.ports.election)):
        server.launch()
        assert server.wait(20) == 14
    assert f"cannot listen on 127.0.0.1 port {server.ports.election}" in logs(server)


BROKEN_PEER = """
from zoo.zab.peer import Peer
def tick(self, now_ms):
    raise RuntimeError("a bug in the peer")
Peer.tick = tick
"""
BROKEN_LINK = """
from zoo.zab.learner_handler import LearnerHandler
from zoo.zab.learner import Learner
def link_received(self, data):
    raise RuntimeError("a bug behind a link")
LearnerHandler.link_received = Learner.link_received = link_received
"""
BROKEN_TIMER = """
from zoo.runtime.dial import Dial
def _begin(self):
    raise RuntimeError("a bug in a timer")
Dial._begin = _begin
"""
BROKEN_LOOKUP = """
from zoo.runtime import hub
real = hub._look_up
def look_up(host, port, flags):
    if not flags:
        raise RuntimeError("a bug in a thread")
    return real(host, port, flags)
hub._look_up = look_up
"""
BROKEN_DISK = """
from zoo.persistence.storage import StorageFailed
from zoo.zab import carry_out
def write(storage, epoch):
    raise StorageFailed("write to", "acceptedEpoch", "Input/output error (EIO)", "")
carry_out.write_accepted_epoch = write
"""

BROKEN_CUT = """
from zoo.persistence.truncation import CannotTruncate
from zoo.zab import carry_out
def write(storage, epoch):
    raise CannotTruncate("a log has gone since this was asked")
carry_out.write_accepted_epoch = write
"""


@pytest.mark.parametrize(
    ("breaking", "code", "says"),
    [
        (BROKEN_PEER, 1, "a bug in the peer"),
        (BROKEN_LINK, 1, "a bug behind a link"),
        (BROKEN_TIMER, 1, "a bug in a timer"),
        (BROKEN_LOOKUP, 1, "a bug in a thread"),
        (BROKEN_DISK, 1, "nothing unlogged was acknowledged"),
        (BROKEN_CUT, 3, "stopping: a log has gone since this was asked"),
    ],
)
def test_nothing_dies_quietly(tmp_path: Path, breaking: str, code: int, says: str) -> None:
    """Whatever fails takes the server down with a reason; the others go on."""
    ensemble = LocalEnsemble(tmp_path, settings={"tickTime": 500})
    broken = ensemble.servers[3]
    if breaking is BROKEN_LOOKUP:
        text = broken.config.read_text().replace("server.1=127.0.0.1", "server.1=localhost")
        broken.config.write_text(text)
    broken.program = ["-c", f"{breaking}\nfrom zoo.tools.cli import main\nmain()"]
    with ensemble:
        assert broken.wait(20) == code
        assert says in logs(broken)
        serving(ensemble, 2)


def test_a_stopped_leader_is_replaced_and_follows_when_it_comes_back(
    ensemble: LocalEnsemble,
) -> None:
    leader, followers = serving(ensemble, 3)
    client(leader).create("/a")
    leader.signal(signal.SIGSTOP)
    wait_for(lambda: any(s.mode == "leader" for s in followers), "the others elect")
    client(next(s for s in followers if s.mode == "leader")).create("/b")
    leader.signal(signal.SIGCONT)
    wait_for(lambda: leader.mode == "follower", "it follows")
    assert client(leader).get("/b") == b""


def test_a_member_without_its_data_does_not_vote_until_it_has_it_back(tmp_path: Path) -> None:
    settings = {"tickTime": 500, "zookeeper.db.autocreate": "false"}
    ensemble = LocalEnsemble(tmp_path, settings=settings)
    markers = [server.config.parent / "data" / "initialize" for server in ensemble.servers.values()]
    for marker in markers:
        marker.touch()
    with ensemble:
        _, followers = serving(ensemble, 3)
        assert not any(marker.exists() for marker in markers), "they are for one start"
        client(followers[0]).create("/a", b"kept")
        lost = followers[1]
        lost.kill()
        shutil.rmtree(lost.config.parent / "data" / "version-2")
        ensemble.servers[followers[0].sid].kill()
        wait_for(lambda: not ensemble.leader(), "nobody leads alone")
        lost.launch()
        wait_for(lambda: "takes no part in elections" in logs(lost), "it says why it waits")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert not ensemble.leader(), "who lost everything has voted"
        followers[0].launch()
        serving(ensemble, 3)
        assert client(lost).get("/a") == b"kept"
