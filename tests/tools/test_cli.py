from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from zoo.config import Config
from zoo.tools.cli import main


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Give the root logger back to pytest after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations that ``zoo serve`` started a server with; the server exits with 7."""
    configs: list[Config] = []

    def serve(config: Config) -> int:
        configs.append(config)
        return 7

    module = ModuleType("zoo.runtime.main")
    vars(module)["serve"] = serve
    monkeypatch.setitem(sys.modules, "zoo.runtime.main", module)
    return configs


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_serves_without_a_file(served: list[Config]) -> None:
    result = run("serve")
    assert result.exit_code == 7
    assert (served[0].client_port, served[0].data_dir) == (2181, "./zoo-data")
    assert served[0].client_port_address == "127.0.0.1"


def test_options_win_over_the_file_and_set_wins_over_options(
    served: list[Config], tmp_path: Path
) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_text("dataDir=/d\nclientPort=1\ntickTime=5\n")
    options = ["--data-dir", "/e", "--data-log-dir", "/l", "--client-port", "0"]
    run("serve", str(file), *options, "--client-address", "::1", "--set", "zookeeper.snapCount = 9")
    config = served[0]
    assert (config.data_dir, config.data_log_dir, config.client_port) == ("/e", "/l", 0)
    assert (config.client_port_address, config.tick_time_ms, config.snap_count) == ("::1", 5, 9)
    assert config.settings["clientPort"].origin.source == "--client-port"
    run("serve", "--client-port", "1", "--set", "clientPort=2")
    assert served[1].client_port == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/none/zoo.cfg"], "zoo: /none/zoo.cfg: cannot be read: No such file or directory\n"),
        (
            ["--client-port", "x"],
            "zoo: --client-port: clientPort=x: "
            "must be an integer from 0 to 65535 (0: any free port)\n",
        ),
        (["--set", "tickTime"], "zoo: --set: 'tickTime' must be KEY=VALUE\n"),
        (
            ["--set", "digest.enabled=1"],
            "zoo: --set: digest.enabled=1: must be true or false\n",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(
    served: list[Config], arguments: list[str], message: str
) -> None:
    result = run("serve", *arguments)
    assert (result.exit_code, result.stderr, result.stdout) == (2, message, "")
    assert served == []


def test_warnings_are_logged_in_the_chosen_format(served: list[Config]) -> None:
    result = run("serve", "--set", "tickTme=1", "--log-format", "json")
    assert (
        '"message": "--set: tickTme: unknown key, ignored; did you mean tickTime?"' in result.stderr
    )
    assert run("serve", "--set", "tickTme=1", "--log-level", "error").stderr == ""
    assert len(served) == 2


def test_prints_the_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("zoo 0.")


def test_help_loads_neither_the_server_nor_asyncio() -> None:
    script = (
        "import sys\nfrom zoo.tools.cli import main\n"
        "try:\n    main(['--help'])\nfinally:\n"
        "    print([m for m in ('asyncio', 'zoo.config', 'zoo.runtime') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage:")
    assert done.stdout.endswith("[]\n")
