from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.runtime.servers import CLOSE, CREATE, Client, InThread, create_body, settings
from zoo.jute.operations import Op
from zoo.jute.txn_records import CreateSessionTxn, TxnHeader
from zoo.jute.txns import encode_txn
from zoo.persistence.epochs import EpochsUnusable
from zoo.persistence.recovery import NoUsableSnapshot
from zoo.persistence.snapshot import SnapshotEncoder
from zoo.persistence.truncation import truncate_to
from zoo.persistence.txn_log import CorruptLog, encode_entry
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.loading import Loaded, load, load_epochs, reload, write_snapshot
from zoo.zab.context import Epochs
from zoo.zab.history import History


def loaded(data: Path, **values: object) -> Loaded:
    directory = data / "version-2"
    directory.mkdir(parents=True, exist_ok=True)
    storage = FileStorage(directory, directory, preallocation=0)
    try:
        return load(settings(data, **values), storage)
    finally:
        storage.close()


def fill(data: Path, count: int, **values: object) -> None:
    with InThread(data, None, **values) as server:
        client = Client(server.port)
        for i in range(count):
            client.create(f"/{i}", b"%d" % i)
        client.close()


def test_nothing_there(tmp_path: Path) -> None:
    empty = loaded(tmp_path)
    assert empty.fresh
    assert empty.snapshot is None
    assert (empty.replayed, empty.core.tree.last_zxid, len(empty.core.sessions)) == (0, 0, 0)


def test_an_empty_tree_gets_a_snapshot_and_is_still_fresh(tmp_path: Path) -> None:
    empty = loaded(tmp_path)
    directory = tmp_path / "version-2"
    storage = FileStorage(directory, directory)
    assert write_snapshot(empty.core, storage) == "snapshot.0"
    storage.close()
    again = loaded(tmp_path)
    assert again.fresh
    assert again.snapshot is not None
    assert again.core.tree.nodes == empty.core.tree.nodes


def test_transactions_are_replayed_and_count_towards_the_next_snapshot(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    again = loaded(tmp_path, snapCount=8)
    assert (again.replayed, again.core.tree.last_zxid, again.fresh) == (21, 21, False)
    assert again.core.snapshot_due()
    assert not loaded(tmp_path).core.snapshot_due()
    metrics = again.core.stats.metrics
    assert metrics.digest_mismatches_count.value == 0


def test_sessions_that_were_open_are_open(tmp_path: Path) -> None:
    with InThread(tmp_path) as server:
        stays, goes = Client(server.port, timeout_ms=7000), Client(server.port)
        stays.call(CREATE, create_body("/e", b"", 1))
        goes.call(CREATE, create_body("/f", b"", 1))
        goes.call(CLOSE)
        stays.close()
        goes.close()
    again = loaded(tmp_path)
    assert dict(again.core.sessions.items()) == {stays.handshake.session_id: 7000}
    assert b"/e" in again.core.tree.nodes
    assert b"/f" not in again.core.tree.nodes
    with InThread(tmp_path) as server:
        back = Client(server.port, again=stays.handshake)
        assert back.handshake.session_id == stays.handshake.session_id
        assert back.get("/e") == b""
        back.call(CLOSE)
        assert b"/e" not in server.core.tree.nodes
        back.close()


def test_time_and_chance_can_be_given(tmp_path: Path) -> None:
    directory = tmp_path / "version-2"
    directory.mkdir()
    storage = FileStorage(directory, directory)
    rng = Random(5)
    core = load(settings(tmp_path), storage, moment=(1000, 2000), rng=rng).core
    storage.close()
    assert (core.now_ms, core.wall_ms, core.rng) == (1000, 2000, rng)


def test_a_flipped_bit_in_the_middle_is_refused_with_file_and_offset(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    log = tmp_path / "version-2" / "log.1"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    with pytest.raises(CorruptLog, match=r"log\.1.*\d+"):
        loaded(tmp_path)
    assert log.read_bytes() == data  # untouched


def test_a_torn_tail_is_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, 20)
    log = tmp_path / "version-2" / "log.1"
    log.write_bytes(log.read_bytes()[:-5])
    assert loaded(tmp_path).core.tree.last_zxid == 20
    assert "log.1: cut at byte" in caplog.text


def test_without_its_snapshot_a_later_log_is_not_enough(tmp_path: Path) -> None:
    fill(tmp_path, 200, snapCount=20)
    directory = tmp_path / "version-2"
    (directory / "log.1").unlink()
    for snapshot in directory.glob("snapshot.*"):
        snapshot.unlink()
    with pytest.raises(NoUsableSnapshot, match="the logs begin only at"):
        loaded(tmp_path)


# --- a member of an ensemble


def open_storage(data: Path) -> FileStorage:
    directory = data / "version-2"
    return FileStorage(directory, directory, preallocation=0)


def test_a_members_history_ends_with_its_log(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    storage = open_storage(tmp_path)
    history = History()
    core = load(settings(tmp_path), storage, history=history).core
    storage.close()
    assert (history.floor, history.committed, history.last_zxid) == (0, 21, 21)
    assert core.tree.last_zxid == 21
    assert [zxid for zxid, _ in history.after(0)] == list(range(1, 22))


def test_a_members_history_begins_at_its_snapshot(tmp_path: Path) -> None:
    fill(tmp_path, 200, snapCount=20)
    storage = open_storage(tmp_path)
    newest = storage.snapshots()[-1].zxid
    history = History()
    load(settings(tmp_path), storage, history=history)
    storage.close()
    assert newest > 0
    assert (history.floor, history.last_zxid) == (newest, 201)


def test_after_its_log_was_cut_the_state_is_the_earlier_one(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    storage = open_storage(tmp_path)
    core = load(settings(tmp_path), storage).core
    assert b"/19" in core.tree.nodes
    truncate_to(storage, 12, lambda line: None)
    tree, sessions = reload(settings(tmp_path), storage, core)
    storage.close()
    assert tree.last_zxid == 12
    assert len(sessions) == 1
    assert b"/10" in tree.nodes
    assert b"/11" not in tree.nodes
    assert tree.digest == loaded(tmp_path).core.tree.digest != core.tree.digest


def test_a_snapshot_at_the_beginning_of_an_epoch(tmp_path: Path) -> None:
    """A new Java leader's state is said to be that of <epoch>00000000, where no transaction is."""
    fill(tmp_path, 5)
    directory = tmp_path / "version-2"
    content = (directory / "snapshot.0").read_bytes()
    (directory / "snapshot.300000000").write_bytes(content)
    assert loaded(tmp_path).core.tree.last_zxid == 3 << 32  # log.1 lies before it
    first = (3 << 32) + 1
    (directory / "snapshot.300000000").rename(directory / "snapshot.100000000")
    storage = open_storage(tmp_path)
    body = encode_txn(TxnHeader(1, 1, first, 5, Op.createSession), CreateSessionTxn(4000))
    storage.append(encode_entry(body), first)
    storage.close()
    again = loaded(tmp_path)
    assert (again.core.tree.last_zxid, again.replayed) == (first, 1)


def test_the_epochs_of_a_server_that_was_alone_so_far(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    directory = tmp_path / "version-2"
    storage = open_storage(tmp_path)
    assert load_epochs(storage, (2 << 32) + 5) == Epochs(2, 2)
    assert (directory / "acceptedEpoch").read_text() == "2"
    assert (directory / "currentEpoch").read_text() == "2"
    with pytest.raises(EpochsUnusable, match="acceptedEpoch is 2"):
        load_epochs(storage, (3 << 32) + 1)
    storage.close()


def test_a_member_that_lost_all_but_its_epochs_does_not_start(tmp_path: Path) -> None:
    """ZOOKEEPER-2325"""
    directory = tmp_path / "version-2"
    directory.mkdir()
    (directory / "currentEpoch").write_text("4")
    storage = open_storage(tmp_path)
    with pytest.raises(EpochsUnusable, match="currentEpoch is 4, yet there is neither"):
        load(settings(tmp_path), storage, history=History())
    assert load(settings(tmp_path), storage).fresh  # a server that is alone outvotes nobody
    storage.close()


def test_a_leaders_snapshot_may_show_more_than_its_zxid(tmp_path: Path) -> None:
    """A Java leader goes on applying while it sends; replay mends that, and digests say when."""
    fill(tmp_path, 8)
    directory = tmp_path / "version-2"
    whole = loaded(tmp_path).core.tree.digest
    log = (directory / "log.1").read_bytes()
    storage = open_storage(tmp_path)
    core = load(settings(tmp_path), storage).core
    truncate_to(storage, 6, lambda line: None)
    tree, sessions = reload(settings(tmp_path), storage, core)
    acls = dict(tree.acl_table.items())
    encoder = SnapshotEncoder(sessions, acls, tree.begin_snapshot(), 3)
    content = b"".join(encoder.chunks())
    storage.close()
    (directory / "snapshot.0").unlink()
    (directory / "snapshot.3").write_bytes(content)
    (directory / "log.1").write_bytes(log)
    again = loaded(tmp_path)
    assert (again.replayed, again.core.tree.digest) == (6, whole)
    assert again.core.stats.metrics.digest_mismatches_count.value == 0
