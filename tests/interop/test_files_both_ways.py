"""One data directory, two servers in turn: Apache ZooKeeper's files read by Zoo and Zoo's by it.

    python -m tests.interop.test_files_both_ways [ROUNDS]     hand the files over again and again

Each side fills the tree with every kind of transaction, is stopped or killed, and the other side
must show the same tree, Stats, ACLs and sessions, and agree with every digest in the log.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import filler
from tests.interop.harness import Server, wait_until
from tests.interop.session import Session
from zoo.persistence.txn_log import FILE_HEADER, RECORD_HEAD

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]

OTHER = {"java": "zoo", "zoo": "java"}
SMALL_FILES = {"snapCount": 20, "preAllocSize": 64}  # rolls and snapshots after every few writes
COMPRESSION = {
    "plain": (),
    "gz": ("-Dzookeeper.snapshot.compression.method=gz",),
    "snappy": ("-Dzookeeper.snapshot.compression.method=snappy",),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server("java", tmp_path, dict(filler.SUPER_SETTING))
    yield server
    server.kill()


def leave(server: Server, how: str) -> None:
    """Stop as `how` says: "clean" (SIGTERM) or "kill" (kill -9)."""
    if how == "kill":
        server.kill()
    else:
        server.stop()


def hand_over(server: Server, how: str) -> None:
    """The files go to the other server, which must show the same."""
    at_digest_point = filler.write_to_digest_point(server)
    before, digests = filler.picture(server), filler.digest_log(server)
    assert f"{at_digest_point:x}" in {zxid.removeprefix("0x") for zxid in digests}, digests
    leave(server, how)
    server.become(OTHER[server.kind]).start()
    after = filler.picture(server)
    assert filler.differences(before, after) == []
    assert server.mntr()["zk_digest_mismatches_count"] == "0"
    again = filler.digest_log(server)
    common = digests.keys() & again.keys()
    assert {zxid: digests[zxid] for zxid in common} == {zxid: again[zxid] for zxid in common}


def round_trip(server: Server, how: str, root: bytes) -> None:
    """Fill on the server as it is, hand over, add more there, and hand back."""
    left = filler.fill(server, root)
    hand_over(server, how)
    for session in left:
        filler.reattach(server, session).drop()
        filler.assert_password_guards(server, session)
    filler.more(server, root)
    more_left = filler.fill(server, root + b"2")
    hand_over(server, how)
    for session in left + more_left:
        filler.reattach(server, session).drop()
    filler.more(server, root)
    filler.more(server, root + b"2")


@pytest.mark.parametrize("how", ["clean", "kill"])
@pytest.mark.parametrize("first", ["java", "zoo"])
def test_same_state_from_the_log(server: Server, first: str, how: str) -> None:
    server.become(first).start()
    round_trip(server, how, b"/r")
    assert server.kind == first  # there and back


@pytest.mark.parametrize("compression", COMPRESSION)
@pytest.mark.parametrize("first", ["java", "zoo"])
def test_same_state_from_snapshots(server: Server, first: str, compression: str) -> None:
    server.settings.update(SMALL_FILES)
    if compression != "plain":
        server.settings["snapshot.compression.method"] = compression
    server.properties = COMPRESSION[compression]
    server.become(first).start()
    round_trip(server, "kill", b"/r")
    assert snapshot_suffixes(server) == {"" if compression == "plain" else f".{compression}"}


def snapshot_suffixes(server: Server) -> set[str]:
    """What follows the zxid in the names of the snapshots there; "" for a plain one."""
    wait_until(lambda: list(server.data.glob("version-2/snapshot.*")), 10, "a snapshot")
    names = (path.name for path in server.data.glob("version-2/snapshot.*"))
    return {"".join(f".{part}" for part in name.split(".")[2:]) for name in names}


@pytest.mark.parametrize("first", ["java", "zoo"])
def test_a_session_left_behind_expires_on_the_other_server(server: Server, first: str) -> None:
    server.become(first).start()
    client = Session(server.port, timeout_ms=2000)
    path, _ = client.create(b"/mine", b"", filler.s.EPHEMERAL)
    left = filler.OpenSession(client.id, client.password, client.timeout_ms, (path,))
    server.kill()
    client.drop()
    server.become(OTHER[first]).start()
    filler.assert_expires(server, left)


@pytest.mark.parametrize("kind", ["java", "zoo"])
def test_a_digest_that_differs_is_counted_and_told(server: Server, kind: str) -> None:
    server.become(kind).start()
    client = Session(server.port)
    client.create(b"/a")
    for version in range(5):
        client.set(b"/a", b"%d" % version)
    server.kill()
    client.drop()
    (log,) = server.data.glob("version-2/log.*")
    log.write_bytes(with_another_digest(log.read_bytes(), record=3))
    server.start()
    assert server.mntr()["zk_digest_mismatches_count"] == "1"
    assert [line for line in server.log().splitlines() if "igest" in line]


def with_another_digest(log: bytes, record: int) -> bytes:
    """The transaction log with one bit changed in what a record (from 0) says the tree's digest
    is; its checksum is right.
    """
    changed, at = bytearray(log), len(FILE_HEADER)
    for _ in range(record):
        at += RECORD_HEAD.size + RECORD_HEAD.unpack_from(log, at)[1] + 1
    begin = at + RECORD_HEAD.size
    end = begin + RECORD_HEAD.unpack_from(log, at)[1]
    changed[end - 1] ^= 1  # the digest ends the record
    RECORD_HEAD.pack_into(changed, at, zlib.adler32(changed[begin:end]), end - begin)
    return bytes(changed)


def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="zoo-files-") as tmp:
        server = Server("java", Path(tmp), dict(filler.SUPER_SETTING) | SMALL_FILES)
        try:
            server.start()
            for number in range(rounds):
                round_trip(server, ("kill", "clean")[number % 2], b"/r%d" % number)
                print(f"round {number}: {len(filler.picture(server))} znodes, same on both")
                if number % 2:
                    server.stop()
                    server.become(OTHER[server.kind]).start()
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
