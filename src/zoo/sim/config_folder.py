"""A simulated member's configuration files: on its disk, read and written by production's code.

Theory of operation. zoo.cfg, the dynamic file that it names and `.next` lie beside the snapshots,
as notes. `ConfigFolder` is where `FileConfigurations` writes; `read_config` is what a server does
when it starts; `prepare` is what an operator does before.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.config import Config
from zoo.config_properties import ConfigError, Setting, parse_properties
from zoo.runtime.config_file import config_of
from zoo.runtime.configuration_files import FileConfigurations
from zoo.sim.disk import MemoryStorage
from zoo.zab.configurations import Configuration

_PLACE = "/simulated/"
_FILE = "zoo.cfg"


class ConfigFolder:
    """A zoo.runtime.configuration_files.Folder."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def path(self, name: str) -> str:
        return _PLACE + name

    def read(self, name: str) -> str | None:
        content = self._storage.read_note(name)
        return None if content is None else content.decode()

    def replace(self, name: str, text: str) -> None:
        self._storage.write_note(name, text.encode())

    def remove(self, name: str) -> None:
        self._storage.remove(name)
        self._storage.sync_names()


def prepare(
    storage: MemoryStorage, settings: Mapping[str, object], configuration: Configuration, sid: int
) -> None:
    """Write server `sid`'s zoo.cfg with these settings and members; those of a later version in a
    file beside. A port for clients that the members' lines move is not named twice.
    """
    folder = ConfigFolder(storage)
    own = configuration.ensemble.servers.get(sid)
    moved = own is not None and own.client and own.client[1] != settings["clientPort"]
    lines = [f"{k}={v}\n" for k, v in settings.items() if not (moved and k == "clientPort")]
    members = configuration.text.decode().rpartition("version=")[0]
    if configuration.version:
        name = f"{_FILE}.dynamic.{configuration.version:x}"
        folder.replace(name, members)
        members = f"dynamicConfigFile={folder.path(name)}\n"
    folder.replace(_FILE, "".join(lines) + members)
    if folder.read(f"{_FILE}.dynamic.next") is not None:
        folder.remove(f"{_FILE}.dynamic.next")


def read_config(storage: MemoryStorage, sid: int) -> Config | None:
    """What server `sid` is started with; None if it is told nothing, or not listed."""
    folder = ConfigFolder(storage)

    def read(path: str) -> list[Setting]:
        return parse_properties(folder.read(path.removeprefix(_PLACE)) or "", path)

    if folder.read(_FILE) is None:
        return None
    try:
        return config_of(read(_PLACE + _FILE), sid, read)
    except ConfigError as error:
        if "must be a listed server" in str(error):
            return None
        raise


def configuration_files(storage: MemoryStorage, config: Config) -> FileConfigurations | None:
    """None where the configuration cannot change."""
    if not config.reconfig_enabled or config.my_id is None:
        return None
    version = config.ensemble.version
    return FileConfigurations(ConfigFolder(storage), _FILE, config.my_id, version)
