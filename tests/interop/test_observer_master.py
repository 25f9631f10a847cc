"""Observers that are fed by followers (observerMasterPort), Zoo's and Apache ZooKeeper's, mixed."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

import zoo
from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import free_port, wait_until
from tests.interop.rider import synced
from tests.interop.session import Session, dump

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]

# Two voters: one leads (the second, by its number), the other feeds the observer.
MIXES = (
    ("zoo", "zoo", "zoo"),
    ("zoo", "java", "java"),  # a Java observer at a Zoo follower of a Java leader
    ("zoo", "zoo", "java"),
    ("java", "zoo", "zoo"),  # a Zoo observer at a Java follower of a Zoo leader
    ("java", "java", "zoo"),
)


def observer_master_of(ensemble: Ensemble, observer: int = 3) -> str:
    """The server that feeds the observer, as that says it; "" while nobody does."""
    with contextlib.suppress(OSError):
        return ensemble[observer].mntr().get("zk_observer_master_id", "")
    return ""


def write(port: int, root: bytes, count: int) -> Session:
    session = Session(port)
    session.create(root)
    for number in range(count):
        session.create(root + b"/n-%d" % number, b"x" * 50)
    return session


def equal_trees(ensemble: Ensemble) -> None:
    trees = []
    for server in ensemble.members.values():
        session = synced(server.port)
        tree = dump(session)
        tree.pop(b"/zookeeper/config", None)
        trees.append(tree)
        session.close()
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("kinds", MIXES, ids="-".join)
def test_an_observer_is_fed_by_a_follower(kinds: Sequence[str], tmp_path: Path) -> None:
    ensemble = Ensemble(
        tmp_path, kinds, observers=1, own_addresses=True, observerMasterPort=free_port()
    )
    try:
        ensemble.start(1, 2)
        assert ensemble.settled() == {1: "follower", 2: "leader", 3: ""}
        write(ensemble[2].port, b"/before", 50).close()
        ensemble.start(3)
        assert ensemble.settled()[3] == "observer"
        assert observer_master_of(ensemble) == "1"
        # Writes, syncs and ephemerals through the observer go over the follower to the leader.
        session = write(ensemble[3].port, b"/through", 50)
        session.create(b"/ephemeral", b"", s.EPHEMERAL)
        write(ensemble[1].port, b"/beside", 20).close()
        equal_trees(ensemble)
        # A session moves from the observer to the follower and back.
        session.drop()
        moved = Session(ensemble[1].port, session_id=session.id, password=session.password)
        assert moved.get(b"/ephemeral")[0] == b""
        moved.drop()
        back = Session(ensemble[3].port, session_id=session.id, password=session.password)
        back.set(b"/ephemeral", b"back")
        back.close()
        wait_until(lambda: gone(ensemble, b"/ephemeral"), 10, "the ephemeral goes with its session")
        # With nothing left it gets all of it, and after a while away what it missed.
        ensemble[3].kill()
        write(ensemble[2].port, b"/meanwhile", 50).close()
        ensemble.start(3)
        equal_trees(ensemble)
        ensemble[3].kill()
        shutil.rmtree(ensemble[3].data / "version-2")
        ensemble.start(3)
        equal_trees(ensemble)
        assert observer_master_of(ensemble) == "1"
    finally:
        ensemble.kill()


def gone(ensemble: Ensemble, path: bytes) -> bool:
    session = synced(ensemble[3].port)
    found = path in dump(session)
    session.close()
    return not found


@pytest.mark.slow
def test_a_follower_that_stops_voting_feeds_no_more(tmp_path: Path) -> None:
    port, more = free_port(), {"reconfigEnabled": "true", "skipACL": "yes"}
    with Ensemble.running(
        tmp_path, ["zoo"] * 4, observers=1, own_addresses=True, observerMasterPort=port, **more
    ) as ensemble:
        leader = ensemble.leader()
        followers = [sid for sid in (1, 2, 3) if sid != leader]
        fed_by = int(wait_until(lambda: observer_master_of(ensemble, 4), 30, "it is fed"))
        assert fed_by in followers
        assert listens(fed_by, port)
        (other,) = (sid for sid in followers if sid != fed_by)
        line = f"{ensemble[fed_by].settings[f'server.{fed_by}']};{ensemble[fed_by].address}"
        with zoo.Client(ensemble[leader].address) as client:
            client.create("/a", b"1")
            client.reconfig(joining=f"server.{fed_by}={line}".replace("participant", "observer"))
            wait_until(lambda: not listens(fed_by, port), 30, "its port is closed")
            wait_until(lambda: observer_master_of(ensemble, 4) == str(other), 30, "the other feeds")
            client.set("/a", b"2")
            assert read_at(ensemble, 4) == b"2"
            wait_until(lambda: ensemble.mode(fed_by) == "observer", 30, "it observes")
            client.reconfig(joining=f"server.{fed_by}={line}")
            wait_until(lambda: listens(fed_by, port), 30, "its port is open again")
            ensemble[other].kill()
            wait_until(lambda: observer_master_of(ensemble, 4) == str(fed_by), 30, "it feeds again")
            client.set("/a", b"3")
            assert read_at(ensemble, 4) == b"3"


def listens(sid: int, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((f"127.0.0.{sid}", port), 1):
        return True
    return False


def read_at(ensemble: Ensemble, sid: int) -> bytes | None:
    with zoo.Client(ensemble[sid].address) as client:
        client.sync("/a")
        return client.get("/a").data
