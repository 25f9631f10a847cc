from __future__ import annotations

from pathlib import Path

import pytest

from zoo.config import ConfigError, Origin, Setting
from zoo.runtime.config_file import MAX_BYTES, load_config, read_text


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_a_file_there_is_a_port_and_a_directory() -> None:
    config = load_config()
    assert (config.data_dir, config.client_port) == ("./zoo-data", 2181)
    assert str(config.settings["dataDir"].origin) == "default of zoo serve"


def test_reads_a_file_and_options_on_top(tmp_path: Path) -> None:
    file = write(tmp_path / "zoo.cfg", f"dataDir={tmp_path}\nclientPort=2181\ntickTime=2000\n")
    config = load_config(file, [Setting("clientPort", "0", Origin("--client-port"))])
    assert (config.tick_time_ms, config.client_port) == (2000, 0)
    assert str(config.settings["tickTime"].origin) == f"{file}:3"


def test_reads_myid_and_the_dynamic_file(tmp_path: Path) -> None:
    members = write(tmp_path / "zoo.cfg.dynamic.1f", "server.1=a:1:2;2181\nserver.2=b:1:2;2181\n")
    write(tmp_path / "myid", "2\n")
    file = write(
        tmp_path / "zoo.cfg",
        f"dataDir={tmp_path}\ninitLimit=10\nsyncLimit=5\ndynamicConfigFile={members}\n",
    )
    config = load_config(file)
    assert (config.my_id, config.ensemble.version) == (2, 0x1F)
    assert (config.client_port_address, config.client_port) == ("0.0.0.0", 2181)


def test_an_option_may_name_the_directory_that_holds_myid(tmp_path: Path) -> None:
    write(tmp_path / "myid", "5")
    file = write(tmp_path / "zoo.cfg", "dataDir=/nowhere\nclientPort=1\n")
    config = load_config(file, [Setting("dataDir", str(tmp_path), Origin("--data-dir"))])
    assert config.my_id == 5


def test_a_wrong_myid_names_its_file(tmp_path: Path) -> None:
    write(tmp_path / "myid", "one")
    file = write(tmp_path / "zoo.cfg", f"dataDir={tmp_path}\nclientPort=1\n")
    with pytest.raises(ConfigError, match=r"/myid:1: myid=one: must be an integer"):
        load_config(file)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/none: cannot be read: No such file or directory$"):
        load_config(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be read: embedded null byte$"):
        load_config("zoo\0cfg")


def test_a_missing_dynamic_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "zoo.cfg", f"dataDir=/d\ndynamicConfigFile={tmp_path}/gone\n")
    with pytest.raises(ConfigError, match=r"/gone: cannot be read"):
        load_config(file)


def test_a_huge_file_is_not_a_zoo_cfg(tmp_path: Path) -> None:
    file = write(tmp_path / "log", "#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=r"not a zoo\.cfg"):
        load_config(file)


@pytest.mark.parametrize("data", ["dataDir=/é".encode(), "dataDir=/é".encode("latin-1")])
def test_reads_utf8_and_otherwise_latin1(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_bytes(data)
    assert read_text(file) == "dataDir=/é"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_bytes("\ufeffdataDir=/d\nclientPort=1".encode())
    assert load_config(file).warnings == ()
