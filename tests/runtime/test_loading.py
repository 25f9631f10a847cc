from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.runtime.servers import CLOSE, CREATE, Client, InThread, create_body, settings
from zoo.persistence.recovery import NoUsableSnapshot
from zoo.persistence.txn_log import CorruptLog
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.loading import Loaded, load, write_snapshot


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
