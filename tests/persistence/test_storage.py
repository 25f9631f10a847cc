from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.persistence.storage import (
    COMPRESSIONS,
    StorageFailed,
    log_name,
    parse_log_name,
    parse_snapshot_name,
    snapshot_name,
)


@given(st.integers(0, (1 << 63) - 1), st.sampled_from(COMPRESSIONS))
def test_names_and_zxids(zxid: int, compression: str) -> None:
    assert parse_log_name(log_name(zxid)) == zxid
    assert parse_snapshot_name(snapshot_name(zxid, compression)) == (zxid, compression)


def test_names_as_java_writes_them() -> None:
    assert log_name(0x10_0000_002A) == "log.100000002a"
    assert snapshot_name(0) == "snapshot.0"
    assert snapshot_name(255, "gz") == "snapshot.ff.gz"


@pytest.mark.parametrize(
    "name",
    ["log", "log.", "log.x", "log.0A", "log.01", "log.1.bak", "log.-1", "log.+1", "log. 1",
     "log.8000000000000000", "xlog.1", "snapshot.1"],
)  # fmt: skip
def test_other_files_are_not_logs(name: str) -> None:
    assert parse_log_name(name) is None


@pytest.mark.parametrize("name", ["snapshot", "snapshot.", "snapshot.1.tmp", "snapshot.1.gz.gz"])
def test_other_files_are_not_snapshots(name: str) -> None:
    assert parse_snapshot_name(name) is None


def test_a_failure_says_what_where_why_and_what_to_do() -> None:
    failure = StorageFailed("write to", "/data/log.1", "No space left (ENOSPC)", "Free space")
    assert str(failure) == "cannot write to /data/log.1: No space left (ENOSPC). Free space"
