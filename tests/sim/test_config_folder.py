"""A simulated member's configuration files: production's code on a disk that loses and fails."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from zoo.config_properties import ConfigError
from zoo.persistence.storage import StorageFailed
from zoo.sim.config_folder import ConfigFolder, configuration_files, prepare, read_config
from zoo.sim.disk import Disk, Interrupted, MemoryStorage
from zoo.sim.operator import initial
from zoo.zab.configurations import Configuration, Configurations, configuration_of
from zoo.zab.ready import Configured

SETTINGS: dict[str, object] = {
    "dataDir": "/simulated",
    "clientPort": 2181,
    "initLimit": 5,
    "syncLimit": 2,
    "reconfigEnabled": "true",
}
OLD, NEW = initial([1, 2], []), initial([1, 2, 3], []).with_version(1 << 32 | 7)


def prepared(configuration: Configuration = OLD) -> Disk:
    disk = Disk()
    storage = MemoryStorage(disk)
    prepare(storage, SETTINGS, configuration, 1)
    storage.close()
    return disk


def known(disk: Disk) -> Configurations:
    """What a server begins with."""
    storage = MemoryStorage(disk)
    config = read_config(storage, 1)
    assert config is not None
    files = configuration_files(storage, config)
    assert files is not None
    disk.kill()
    committed = initial([1], [])._replace(
        ensemble=config.ensemble, text=config.ensemble.text().encode()
    )
    return Configurations(committed.with_version(config.ensemble.version), files.seen(), True)


def change(disk: Disk) -> None:
    """A change is seen, then it holds. Raises Interrupted, StorageFailed."""
    storage = MemoryStorage(disk)
    config = read_config(storage, 1)
    assert config is not None
    files = configuration_files(storage, config)
    assert files is not None
    for state in (Configured(OLD.text, 0, NEW.text), Configured(NEW.text, NEW.version, None)):
        for _ in files.steps(state):
            pass


def test_files_are_read_as_they_were_written() -> None:
    assert known(prepared()).committed.text == OLD.text
    later = known(prepared(NEW))
    assert later.committed.text == NEW.text
    assert not later.is_changing


def test_who_is_not_listed_is_told_nothing() -> None:
    storage = MemoryStorage(Disk())
    assert read_config(storage, 1) is None
    prepare(storage, SETTINGS, OLD, 1)
    assert read_config(storage, 3) is None
    prepare(storage, {**SETTINGS, "initLimit": "none"}, OLD, 1)
    with pytest.raises(ConfigError):
        read_config(storage, 1)


def test_a_port_that_has_moved_is_not_named_twice() -> None:
    moved = replace(NEW.ensemble.servers[1], client=("0.0.0.0", 2182))
    members = replace(NEW.ensemble, servers={**NEW.ensemble.servers, 1: moved})
    assert known(prepared(configuration_of(members))).committed.ensemble.servers[1] == moved


def test_a_fixed_configuration_has_no_files() -> None:
    storage = MemoryStorage(Disk())
    prepare(storage, {**SETTINGS, "reconfigEnabled": "false"}, OLD, 1)
    config = read_config(storage, 1)
    assert config is not None
    assert configuration_files(storage, config) is None


def test_an_operator_ends_a_change_that_was_under_way() -> None:
    disk = prepared()
    storage = MemoryStorage(disk)
    ConfigFolder(storage).replace("zoo.cfg.dynamic.next", NEW.text.decode())
    prepare(storage, SETTINGS, OLD, 1)
    storage.close()
    assert not known(disk).is_changing


def test_a_crash_at_any_point_leaves_the_old_the_change_or_the_new() -> None:
    found = set()
    for count in range(1, 40):
        disk = prepared()
        disk.faults.operations_until_interruption = count
        try:
            change(disk)
        except Interrupted:
            disk.power_failure(Random(count))
        disk.faults.operations_until_interruption = None
        disk.kill()
        left = known(disk)
        found.add((left.committed.version, left.seen.version))
    assert found == {(0, 0), (0, NEW.version), (NEW.version, NEW.version)}


def test_a_disk_that_fails_ends_the_change() -> None:
    disk = prepared()
    disk.faults.syncs_until_failure = 1
    with pytest.raises(StorageFailed):
        change(disk)
