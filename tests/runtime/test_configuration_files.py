from __future__ import annotations

from pathlib import Path

import pytest

from tests.zab.configured import listing
from zoo.config_ensemble import parse_ensemble_text
from zoo.config_properties import ConfigError
from zoo.persistence.storage import StorageFailed
from zoo.runtime.config_file import load_config
from zoo.runtime.configuration_files import Directory, FileConfigurations
from zoo.zab.configurations import Configuration, Configurations, configuration_of
from zoo.zab.ready import Configured

STATIC = """# by hand
dataDir={data}
clientPort=2181
server.1=host1:2888:3888;2181
peerType=participant
initLimit=5
syncLimit=5
server.2=host2:2888\\
  :3888
"""
OLD = listing(1, 2)
NEW = configuration_of(
    parse_ensemble_text(
        "server.1=host1:2888:3888:participant;0.0.0.0:2181\n"
        "server.3=host3:2888:3888:participant\nversion=100000007"
    )
)
NEXT = listing(1, 3, 4, version=0x200000001)


def make(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "myid").write_text("1")
    file = tmp_path / "zoo.cfg"
    file.write_text(STATIC.format(data=data))
    return file


def files_of(file: Path, version: int = 0) -> FileConfigurations:
    return FileConfigurations(Directory(file.parent), file.name, 1, version)


def states(committed: Configuration, seen: Configuration | None) -> Configured:
    return Configured(committed.text, committed.version, None if seen is None else seen.text)


def test_files_are_named_and_written_as_zookeepers(tmp_path: Path) -> None:
    file = make(tmp_path)
    before = file.read_text()
    files = files_of(file)
    assert files.seen() is None
    assert list(files.steps(states(OLD, NEW))) == ["zoo.cfg.dynamic.next"]
    assert (tmp_path / "zoo.cfg.dynamic.next").read_text() == NEW.text.decode()
    assert file.read_text() == before
    assert len(list(files.steps(states(NEW, None)))) == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "data",
        "zoo.cfg",
        "zoo.cfg.bak",
        "zoo.cfg.dynamic.100000007",
    ]
    assert (tmp_path / "zoo.cfg.bak").read_text() == before
    dynamic = tmp_path / "zoo.cfg.dynamic.100000007"
    assert dynamic.read_text() == NEW.text.decode().rpartition("\n")[0]
    assert file.read_text().split("\n") == [
        "# by hand",
        f"dataDir={tmp_path / 'data'}",
        "initLimit=5",
        "syncLimit=5",
        f"dynamicConfigFile={dynamic}",
        "",
    ]


@pytest.mark.parametrize("steps", range(5))
def test_a_crash_leaves_the_old_with_the_change_known_or_the_new(
    tmp_path: Path, steps: int
) -> None:
    file = make(tmp_path)
    files = files_of(file)
    todo = [*map(files.steps, (states(OLD, NEW), states(NEW, None)))]
    taken = 0
    for each in todo:
        for _ in each:
            taken += 1
            if taken >= steps:
                break
        if taken >= steps:
            break
    config = load_config(file)
    version = config.ensemble.version
    committed = configuration_of(config.ensemble)
    known = Configurations(committed, files_of(file, version).seen(), True)
    assert version in (0, NEW.version)
    assert known.seen.version == NEW.version


def test_the_next_change_leaves_the_first_backup_alone(tmp_path: Path) -> None:
    file = make(tmp_path)
    before = file.read_text()
    files = files_of(file)
    for state in (states(NEW, None), states(NEXT, None), states(NEXT, None)):
        assert len(list(files.steps(state))) < 4
    assert (tmp_path / "zoo.cfg.bak").read_text() == before
    assert load_config(file).ensemble.version == NEXT.version
    assert file.read_text().count("dynamicConfigFile") == 1


def test_a_server_that_was_removed_says_so_at_its_next_start(tmp_path: Path) -> None:
    file = make(tmp_path)
    list(files_of(file).steps(states(listing(2, 3, version=9), None)))
    with pytest.raises(ConfigError, match="must be a listed server: 2, 3"):
        load_config(file)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    file = make(tmp_path)
    files = files_of(file)
    (tmp_path / "zoo.cfg.dynamic.next").write_text("tickTime=5")
    with pytest.raises(ConfigError, match=r"dynamic\.next"):
        files.seen()
    gone = files_of(tmp_path / "nowhere" / "zoo.cfg")
    with pytest.raises(StorageFailed, match="nowhere"):
        list(gone.steps(states(OLD, NEW)))
