from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.runtime.data_dir import DataDirError, DataDirs, may_start_empty, prepare


def test_missing_directories_are_made(tmp_path: Path) -> None:
    dirs = prepare(tmp_path / "a" / "data")
    assert dirs == (tmp_path / "a/data/version-2", tmp_path / "a/data/version-2")
    assert dirs.logs.is_dir()
    assert prepare(tmp_path / "a" / "data") == dirs


def test_logs_apart_from_snapshots(tmp_path: Path) -> None:
    dirs = prepare(tmp_path / "data", tmp_path / "logs")
    assert dirs == DataDirs(tmp_path / "data/version-2", tmp_path / "logs/version-2")
    (dirs.logs / "log.1").touch()
    (dirs.snapshots / "snapshot.0").touch()
    assert prepare(tmp_path / "data", tmp_path / "logs") == dirs


def test_without_autocreate_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match=r"version-2 does not exist.*autocreate"):
        prepare(tmp_path, autocreate=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "version-2").mkdir()
    prepare(tmp_path, autocreate=False)


@pytest.mark.parametrize("name", ["snapshot.0", "log.1", "snapshot.a.gz"])
def test_another_layout_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataDirError, match=rf"holds {name}.*version-2"):
        prepare(tmp_path)


def test_a_data_dir_that_names_the_version_directory(tmp_path: Path) -> None:
    inner = prepare(tmp_path).snapshots
    (inner / "snapshot.0").touch()
    with pytest.raises(DataDirError, match=f"should probably be {tmp_path}"):
        prepare(inner)


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version-3").mkdir()
    with pytest.raises(DataDirError, match=r"version-3.*knows only version-2"):
        prepare(tmp_path)


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataDirError, match="not a directory"):
        prepare(tmp_path / "data")
    with pytest.raises(DataDirError, match="cannot create"):
        prepare(tmp_path / "data" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "version-2").mkdir(mode=0o500)
    with pytest.raises(DataDirError, match="not writable"):
        prepare(tmp_path)


@pytest.mark.parametrize(
    ("directory", "name", "message"),
    [("logs", "snapshot.0", "look swapped"), ("data", "log.1", "newly set")],
)
def test_files_of_the_wrong_kind(tmp_path: Path, directory: str, name: str, message: str) -> None:
    prepare(tmp_path / "data", tmp_path / "logs")
    (tmp_path / directory / "version-2" / name).touch()
    with pytest.raises(DataDirError, match=rf"{name}: .*{message}"):
        prepare(tmp_path / "data", tmp_path / "logs")


def test_the_initialize_marker_allows_an_empty_start_once(tmp_path: Path) -> None:
    dirs = prepare(tmp_path)
    assert may_start_empty(dirs)
    assert not may_start_empty(dirs, db_autocreate=False)
    (tmp_path / "initialize").touch()
    assert may_start_empty(dirs, db_autocreate=False)
    assert not may_start_empty(dirs, db_autocreate=False)
