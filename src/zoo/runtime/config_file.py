"""Configuration files on disk: zoo.cfg, the dynamic file it may name, and myid.

Files are read as UTF-8. Java reads them as Latin-1, so a file that is not UTF-8 is taken for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from zoo.config import Config, build_config, last_value, parse_my_id
from zoo.config_ensemble import file_version
from zoo.config_properties import ConfigError, Origin, Setting, parse_properties

MAX_BYTES = 1 << 20
_NO_FILE = Origin("default of zoo serve")
DEFAULT_SETTINGS = (
    Setting("dataDir", "./zoo-data", _NO_FILE),
    Setting("clientPort", "2181", _NO_FILE),
)


def read_text(path: Path) -> str:
    """Text of a configuration file. Raises ConfigError if it cannot be read."""
    origin = Origin(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(origin, "", None, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(origin, "", None, f"cannot be read: {error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(origin, "", None, f"is larger than {MAX_BYTES} bytes: not a zoo.cfg")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_settings(path: str | Path) -> list[Setting]:
    """All settings of one file, in order. Raises ConfigError."""
    return parse_properties(read_text(Path(path)), str(path))


def load_config(path: str | Path | None = None, overrides: Sequence[Setting] = ()) -> Config:
    """Config of ``path`` (None: data in ./zoo-data, port 2181) and the options that override it.

    Reads dataDir/myid and the file that dynamicConfigFile names as well. Raises ConfigError.
    """
    settings = [*(DEFAULT_SETTINGS if path is None else read_settings(path)), *overrides]
    data_dir = last_value(settings, "dataDir")
    my_id = None
    if data_dir is not None and data_dir.value:
        file = Path(data_dir.value) / "myid"
        if file.is_file():
            my_id = parse_my_id(read_text(file), str(file))
    config = config_of(settings, my_id)
    return replace(config, source=None if path is None else str(path))


def config_of(
    settings: Sequence[Setting],
    my_id: int | None,
    read: Callable[[str], list[Setting]] = read_settings,
) -> Config:
    """Config of these settings and of those in the file that dynamicConfigFile names."""
    dynamic, version = None, 0
    named = last_value(settings, "dynamicConfigFile")
    if named is not None and named.value:
        dynamic = read(named.value)
        version = file_version(named.value)
    return build_config(settings, dynamic=dynamic, dynamic_version=version, my_id=my_id)
