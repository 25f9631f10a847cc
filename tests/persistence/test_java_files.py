"""Files both ways with Apache ZooKeeper 3.9.5: its files read by us, our files started by it."""

from __future__ import annotations

import contextlib
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import make_acl, make_digest_acl

from tests.interop import harness, raw_client
from tests.interop.harness import Server
from tests.persistence.history import HEADER, entry, record
from tests.persistence.test_snapshot_stream import GOLDEN, GOLDEN_ZXID
from zoo.jute.records import ACL
from zoo.persistence.installing import Installation
from zoo.persistence.recovery import Recovery
from zoo.persistence.snapshot import SnapshotEncoder
from zoo.persistence.snapshot_stream import StreamDecoder
from zoo.persistence.storage import COMPRESSIONS
from zoo.persistence.truncation import truncate_to
from zoo.persistence.txn_log import LogScanner, encode_entry
from zoo.runtime.file_storage import FileStorage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(harness.missing("java") is not None, reason=str(harness.missing("java"))),
]

STAT = Struct(">qqqqiiiqiiq")
CREATE, ERROR = 1, -1
SUPER = ("digest", "super:secret")
Row = tuple[bytes, list[ACL], tuple[int, ...]]


def superuser() -> str:
    """Who may read every ACL unmasked."""
    digest = b64encode(sha1(SUPER[1].encode()).digest()).decode()
    return f"-Dzookeeper.DigestAuthenticationProvider.superDigest=super:{digest}"


@pytest.fixture
def java(tmp_path: Path) -> Iterator[Server]:
    server = Server("java", tmp_path, properties=(superuser(),))
    yield server
    server.kill()


@contextlib.contextmanager
def client(server: Server) -> Iterator[KazooClient]:
    """A session that does not outlive the block on our side."""
    kazoo = KazooClient(server.address, timeout=20)
    kazoo.start(timeout=30)
    try:
        yield kazoo
    finally:
        kazoo.stop()
        kazoo.close()


def open_data(server: Server, **options: Any) -> FileStorage:
    directory = server.data / "version-2"
    directory.mkdir(parents=True, exist_ok=True)
    return FileStorage(directory, directory, **options)


def fill(kazoo: KazooClient) -> None:
    """Every kind of record: failing requests too, since Java logs them."""
    kazoo.create("/a", b"first")
    kazoo.create("/a/empty", b"")
    kazoo.create("/a/ä€", b"\x00\xff" * 100)
    kazoo.create("/big", b"b" * 500_000)
    kazoo.create("/private", b"s", acl=[make_digest_acl("u", "p", all=True)])
    kazoo.create("/mixed", b"m", acl=[make_acl("world", "anyone", read=True, admin=True)])
    kazoo.create("/e", b"", ephemeral=True)
    for _ in range(25):
        kazoo.create("/a/s-", b"x", sequence=True)
    for child in sorted(kazoo.get_children("/a"))[:5]:
        kazoo.delete(f"/a/{child}")
    for version in range(3):
        kazoo.set("/a", b"v%d" % version)
    refused = (
        lambda: kazoo.create("/a"),
        lambda: kazoo.delete("/a"),
        lambda: kazoo.set("/none", b""),
        lambda: kazoo.set("/a", b"", version=99),
        lambda: kazoo.set("/private", b""),
    )
    for request in refused:
        with pytest.raises(KazooException):
            request()
    for doomed in (False, True):
        transaction = kazoo.transaction()
        transaction.create("/t" if doomed else "/u", b"1")
        transaction.check("/a", 99 if doomed else 3)
        transaction.commit()


def malformed_create(server: Server) -> None:
    """A create whose body ends early: Java logs an error txn that repeats the last zxid."""
    link = raw_client.Link(("127.0.0.1", server.port))
    link.send(raw_client.framed(raw_client.connect_request()))
    link.receive()
    for _ in range(2):
        link.send(raw_client.framed(raw_client.header(1, CREATE) + raw_client.INT.pack(99)))
        link.receive()
    link.close()


def walk(kazoo: KazooClient, path: str = "/") -> dict[bytes, Row]:
    """All that the server shows of its tree."""
    data, stat = kazoo.get(path)
    acls = [ACL(a.perms, a.id.scheme, a.id.id) for a in kazoo.get_acls(path)[0]]
    found = {path.encode(): (data, acls, tuple(stat))}
    for child in kazoo.get_children(path):
        found |= walk(kazoo, f"{path.rstrip('/')}/{child}")
    return found


def tree_of(recovery: Recovery) -> dict[bytes, Row]:
    """The snapshot's nodes as a server would show them."""
    nodes = {path: (raw, acl) for path, raw, acl in recovery.nodes()}
    counts: dict[bytes, int] = dict.fromkeys(nodes, 0)
    for path in nodes:
        if path != b"/":
            counts[path.rpartition(b"/")[0] or b"/"] += 1
    tree: dict[bytes, Row] = {}
    for path, (raw, acl) in nodes.items():
        stat = list(STAT.unpack(raw[-68:]))
        stat[5] -= counts[path]
        stat[9] += counts[path]
        acls = [ACL(31, "world", "anyone")] if acl == -1 else list(recovery.acls[acl])
        tree[path] = (raw[4:-68], acls, tuple(stat))
    return tree


def assert_same_tree(found: dict[bytes, Row], shown: dict[bytes, Row]) -> None:
    assert found.keys() == shown.keys()
    for path, (data, acls, stat) in shown.items():
        assert found[path] == (data, acls, stat), path


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_we_read_what_java_wrote(java: Server, compression: str) -> None:
    java.properties += (f"-Dzookeeper.snapshot.compression.method={compression}",)
    java.start()
    with client(java) as kazoo:
        fill(kazoo)
    java.stop()
    java.start()  # Java takes a snapshot when it starts
    with client(java) as kazoo:
        session = kazoo.client_id[0]
        kazoo.create("/later")
        kazoo.add_auth(*SUPER)
        shown = walk(kazoo)
        last = shown[b"/later"][2][0]
        java.kill()
    storage = open_data(java)
    warnings: list[str] = []
    recovery = Recovery(storage, warnings.append)
    assert recovery.snapshot is not None
    assert recovery.snapshot.compression == compression
    assert recovery.snapshot.zxid > 40
    tree = tree_of(recovery)
    del shown[b"/later"]
    stat = list(shown[b"/"][2])  # as it was before /later
    shown[b"/"] = (*shown[b"/"][:2], (*stat[:5], stat[5] - 1, *stat[6:9], stat[9] - 1, stat[10]))
    tree[b"/"] = (*tree[b"/"][:2], (*tree[b"/"][2][:10], stat[10]))
    assert_same_tree(tree, shown)
    assert recovery.digest is not None
    entries = list(recovery.entries())
    assert [zxid for zxid, _ in entries] == [last - 1, last]
    assert HEADER.unpack_from(entries[0][1])[0] == session  # createSession
    assert warnings == []
    storage.close()


def test_java_logs_have_no_gap_but_repeat_zxids_for_undecodable_requests(java: Server) -> None:
    java.start()
    malformed_create(java)
    with client(java) as kazoo:
        fill(kazoo)
        malformed_create(java)
        kazoo.create("/z")
        java.kill()
    java.start()
    malformed_create(java)
    java.kill()
    storage = open_data(java)
    records = []
    for log in storage.logs():
        reader = storage.read_log(log.name)
        records += [(z, HEADER.unpack_from(e)[4]) for z, _, e in LogScanner(reader.read, log.name)]
        reader.close()
    repeats = [now[1] for before, now in pairwise(records) if now[0] == before[0]]
    zxids = sorted({zxid for zxid, _ in records})
    assert len(repeats) >= 4
    assert set(repeats) == {ERROR}
    assert zxids == list(range(zxids[0], zxids[-1] + 1))
    for snapshot in storage.snapshots()[1:]:
        storage.remove(snapshot.name)  # replay everything from the beginning
    warnings: list[str] = []
    replayed = [zxid for zxid, _ in Recovery(storage, warnings.append).entries()]
    assert replayed == list(range(1, zxids[-1] + 1))
    assert warnings == []
    storage.close()


def test_java_goes_on_behind_a_torn_log_and_we_accept_that(java: Server) -> None:
    java.start()
    with client(java) as kazoo:
        kazoo.create("/one")
        java.kill()
    storage = open_data(java)
    (log,) = storage.logs()
    path = java.data / "version-2" / log.name
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[:-10] + bytes(3000))
    storage.close()
    java.start()
    with client(java) as kazoo:
        assert kazoo.exists("/one") is None
        kazoo.create("/two")
        java.kill()
    storage = open_data(java)
    for snapshot in storage.snapshots()[1:]:
        storage.remove(snapshot.name)
    warnings: list[str] = []
    recovery = Recovery(storage, warnings.append)
    zxids = [zxid for zxid, _ in recovery.entries()]
    assert zxids == list(range(1, zxids[-1] + 1))
    assert len(warnings) == 1
    assert f"{log.name}: ignoring" in warnings[0]
    storage.close()


OUR_ACLS = {
    1: (ACL(31, "digest", "u:x9Lc+8VeNJ4jRbtSVUHmzTTzqCE="), ACL(1, "world", "anyone")),
    2: (ACL(17, "world", "anyone"),),
}


def our_nodes() -> list[tuple[bytes, bytes, int]]:
    system = [b"/zookeeper", b"/zookeeper/config", b"/zookeeper/quota"]
    return [
        (b"/", record(b"", cversion=2 * 4 - 3, children=3, zxid=0), -1),
        (system[0], record(b"", cversion=0, children=2, zxid=0), -1),
        (system[1], record(b"", zxid=0), -1),
        (system[2], record(b"", zxid=0), -1),
        (b"/a", record(b"data", cversion=2 * 9 - 2, children=2, zxid=3), 2),
        (b"/a/\xc3\xa4", record(bytes(range(256)), zxid=4), 1),
        (b"/a/big", record(b"b" * 300_000, zxid=5), -1),
        (b"/c", record(b"", owner=-(1 << 63), zxid=6), -1),
    ]


def create_txn(zxid: int, path: bytes, data: bytes, cversion: int) -> bytes:
    text = raw_client.buffer
    acl = raw_client.INT.pack(1) + raw_client.INT.pack(31) + text(b"world") + text(b"anyone")
    body = text(path) + text(data) + acl + b"\0" + raw_client.INT.pack(cversion)
    return entry(zxid, body, CREATE)


def write_ours(server: Server, compression: str) -> None:
    storage = open_data(server, compression=compression)
    writer = storage.begin_snapshot(20)
    for chunk in SnapshotEncoder({0x1234: 60_000}, OUR_ACLS, our_nodes(), 20).chunks():
        writer.write(chunk)
    writer.commit()
    storage.append(encode_entry(create_txn(21, b"/logged", b"one", 5)), 21)
    storage.sync()
    storage.roll()
    storage.append(encode_entry(create_txn(22, b"/logged/too", b"two", 1)), 22)
    storage.sync()
    storage._log = None  # as after kill -9: the padding stays
    storage.close()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_java_starts_on_what_we_wrote(java: Server, compression: str) -> None:
    write_ours(java, compression)
    java.start()
    with client(java) as kazoo:
        kazoo.add_auth(*SUPER)
        shown = walk(kazoo)
        kazoo.create("/next")
        assert kazoo.exists("/next").czxid == 24  # behind our 22 and the session
    for path, raw, acl in our_nodes():
        data, acls, stat = shown[path]
        expected = list(STAT.unpack(raw[-68:]))
        expected[7] = 0  # clients are not shown that a node is a container
        if path == b"/":  # /logged was created by the log
            expected[5] += 1
            expected[9] += 1
            expected[10] = 21
        assert (data, stat) == (raw[4:-68], tuple(expected)), path
        assert acls == list(OUR_ACLS.get(acl, (ACL(31, "world", "anyone"),))), path
    assert shown[b"/logged"][0] == b"one"
    assert shown[b"/logged/too"][0] == b"two"
    assert shown.keys() == {path for path, _, _ in our_nodes()} | {b"/logged", b"/logged/too"}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_javas_tools_read_what_we_wrote(java: Server, compression: str) -> None:
    write_ours(java, compression)
    directory = java.data / "version-2"

    def run(main: str, *arguments: str) -> str:
        command = harness.java_command(f"org.apache.zookeeper.server.{main}", *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    suffix = f".{compression}" if compression else ""
    listing = run("SnapshotFormatter", str(directory / f"snapshot.14{suffix}"))
    assert "/a/big" in listing
    assert "0x00000000001234, 60000, 0" in listing
    assert f"(count={len(our_nodes()) + 1})" in listing  # Java counts the root twice
    for name, path in (("log.15", "/logged"), ("log.16", "/logged/too")):
        dump = run("persistence.TxnLogToolkit", "-d", str(directory / name))
        assert path in dump
        assert "CRC" not in dump


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_java_starts_on_a_snapshot_that_we_took_from_a_leader(
    java: Server, compression: str
) -> None:
    """And on the log that follows, whose end was cut off."""
    decoder = StreamDecoder(GOLDEN_ZXID)
    content, rest = decoder.feed(GOLDEN.read_bytes())
    assert rest is not None
    storage = open_data(java, compression=compression)
    storage.append(encode_entry(create_txn(1, b"/old", b"", 1)), 1)
    installation = Installation(storage, GOLDEN_ZXID)
    installation.write(content)
    installation.commit()
    for zxid in range(GOLDEN_ZXID + 1, GOLDEN_ZXID + 5):
        body = create_txn(zxid, b"/behind-%x" % (zxid & 0xFF), b"", zxid & 0xFF)
        storage.append(encode_entry(body), zxid)
    truncate_to(storage, GOLDEN_ZXID + 2, print)
    storage.close()
    java.start()
    with client(java) as kazoo:
        kazoo.add_auth(*SUPER)
        shown = walk(kazoo)
    behind = {b"/behind-12", b"/behind-13"}
    assert shown.keys() == {path for path, _, _ in decoder.nodes} | behind
    for path, raw, acl in decoder.nodes:
        assert shown[path][0] == raw[4:-68], path
        assert shown[path][2][:5] == STAT.unpack(raw[-68:])[:5], path
        assert shown[path][1] == list(decoder.acls.get(acl, (ACL(31, "world", "anyone"),))), path
