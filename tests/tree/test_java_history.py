"""Logs and snapshots of a Java server under load: every digest in them is met by our replay.

Its snapshots are taken while it serves, so most hold nodes that are newer than they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.interop import filler, harness
from tests.interop import session as s
from tests.interop.harness import Server
from tests.interop.raw_client import INT, buffer
from tests.interop.session import Session
from tests.tree.model import assert_consistent, new_tree, state
from zoo.persistence.snapshot import SnapshotDecoder, ZxidDigest
from zoo.persistence.txn_log import LogScanner
from zoo.runtime.file_storage import FileStorage
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.replay import replay

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(harness.missing("java") is not None, reason=str(harness.missing("java"))),
]

SETTINGS = {"snapCount": 1500, "preAllocSize": 64, **filler.SUPER_SETTING}
NODES, BURSTS, BURST = 5000, 60, 200
Entries = list[tuple[int, bytes]]


@pytest.fixture
def java(tmp_path: Path) -> Iterator[Server]:
    server = Server("java", tmp_path, dict(SETTINGS))
    yield server.start()
    server.kill()


def churn(server: Server, rng: Random) -> None:
    """Many requests in flight over many nodes: what is created, deleted and created again is
    caught by snapshots in all its states."""
    client = Session(server.port)
    client.create(b"/n")
    client.send_all([(s.CREATE, s.create_body(b"/n/%d" % i, b"d" * 50)) for i in range(NODES)])
    for _ in range(NODES):
        assert client.receive().error == 0
    for burst in range(BURSTS):
        other = Session(server.port)
        client.send_all([request(rng, burst) for _ in range(BURST)])
        path = b"/n/e%d" % rng.randrange(20)
        other.send_all([(s.CREATE2, s.create_body(path, b"", s.EPHEMERAL))] * 2)
        for _ in range(BURST):
            client.receive()
        assert {other.receive().error for _ in range(2)} <= {0, filler.NODE_EXISTS}
        other.close()
    client.close()


def request(rng: Random, burst: int) -> tuple[int, bytes]:
    """A write, at random, that may well be refused; ACLs that come up only now and then."""
    path = b"/n/%d" % rng.randrange(NODES)
    if rng.random() < 0.4:
        path += b"/%d" % rng.randrange(3)
    acl = s.OPEN if rng.random() < 0.5 else (*s.OPEN, (1, b"digest", b"u%d:hash" % burst))
    kind = rng.randrange(6)
    if kind == 0:
        return s.SET_DATA, s.set_body(path, b"x" * rng.randrange(80))
    if kind == 1:
        return s.DELETE, s.delete_body(path)
    if kind == 2:
        return s.SET_ACL, buffer(path) + s.acl_bytes(acl) + INT.pack(-1)
    if kind == 3:
        again = s.create_body(path, b"again", acl=acl)
        return s.MULTI, s.multi_body([(s.DELETE, s.delete_body(path)), (s.CREATE2, again)])
    op = rng.choice((s.CREATE, s.CREATE2, s.CREATE_CONTAINER))
    return op, s.create_body(path, b"new", s.CONTAINER if op == s.CREATE_CONTAINER else 0, acl)


def entries_of(storage: FileStorage) -> Entries:
    found: Entries = []
    for log in storage.logs():
        reader = storage.read_log(log.name)
        for zxid, _, entry in LogScanner(reader.read, log.name):
            if not found or zxid > found[-1][0]:  # Java repeats a zxid for what it cannot decode
                found.append((zxid, entry))
        reader.close()
    assert [zxid for zxid, _ in found] == list(range(1, len(found) + 1))
    return found


def load(storage: FileStorage, name: str) -> tuple[DataTree, ZxidDigest | None]:
    reader = storage.read_snapshot(name)
    decoder = SnapshotDecoder(reader.read)
    tree = new_tree()
    zxid = next(file.zxid for file in storage.snapshots() if file.name == name)
    tree.restore(decoder.acls.items(), decoder.nodes(), zxid)
    reader.close()
    return tree, decoder.digest


def roll_on(tree: DataTree, entries: Entries, calm: int) -> int:
    """Replay the rest; no digest behind `calm` may differ. How many were compared."""
    view = Outstanding(tree)
    compared = 0
    for zxid, entry in entries[tree.last_zxid :]:
        done = replay(view, entry)
        # A transaction's changes show before its digest is noted: a snapshot may be one ahead.
        if zxid > calm:
            assert done.digest_ok is not False, f"zxid {zxid:#x}"
            compared += done.digest_ok is not None
    tree.acl_table.require_defined()
    assert_consistent(tree)
    return compared


def test_every_digest_is_met_from_every_snapshot(java: Server) -> None:
    filler.fill(java, b"/filled")
    churn(java, Random(7))
    java.kill()
    directory = java.data / "version-2"
    storage = FileStorage(directory, directory)
    entries = entries_of(storage)
    assert len(entries) > NODES + BURSTS * BURST
    truth = new_tree()
    assert roll_on(truth, entries, 0) > NODES
    fuzzy = 0
    snapshots = [file for file in storage.snapshots() if file.zxid]
    assert len(snapshots) > 3
    for file in snapshots:
        tree, digest = load(storage, file.name)
        assert digest is not None
        fuzzy += digest.zxid > file.zxid
        roll_on(tree, entries, digest.zxid)
        assert without_statistics(tree) == without_statistics(truth), file.name
    assert fuzzy, "no snapshot was caught in motion"
    storage.close()


def without_statistics(tree: DataTree) -> dict[str, object]:
    """What a restart keeps: quota statistics are counted anew then, here as in Java."""
    held = state(tree)
    below = b"/zookeeper/quota/"
    nodes = {path: record for path, record in tree.nodes.items() if not path.startswith(below)}
    return held | {"nodes": nodes, "data_size": None}
