from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from tests.interop.harness import free_port
from zoo.config_doc import markdown, plain
from zoo.tools.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_check_prints_the_effective_configuration(tmp_path: Path) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_text("dataDir=/d\nclientPort=1\nsuperdigest=x\nsecureClientPort=2\n")
    secret = "DigestAuthenticationProvider.superDigest=super:abc"
    result = run("config", "check", str(file), "--set", secret)
    lines = {tuple(line.split()) for line in result.stdout.splitlines()}
    assert result.exit_code == 0
    assert ("dataDir=/d", "#", f"{file}:1") in lines
    assert ("tickTime=3000", "#", "built-in", "default") in lines
    assert ("DigestAuthenticationProvider.superDigest=****", "#", "--set") in lines
    assert "super:abc" not in result.output
    assert result.stderr.splitlines() == [
        f"warning: {file}:3: superdigest: unknown key, ignored; "
        "did you mean DigestAuthenticationProvider.superDigest?",
        f"warning: {file}:4: secureClientPort=2: not supported yet, ignored",
    ]


def test_check_fails_like_serve(tmp_path: Path) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_text("dataDir=/d\nforceSync=no\n")
    result = run("config", "check", str(file))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"zoo: {file}:2: forceSync=no: writes would be acknowledged")


def test_lists_the_keys() -> None:
    assert run("config", "keys").stdout == plain()
    assert run("config", "keys", "--markdown").stdout == markdown()


def test_a_file_is_looked_at_without_a_server(tmp_path: Path) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_text("dataDir=/d\nclientPort=1\n")
    assert run("config", "--server", "nowhere", "check", str(file)).exit_code == 0


def test_no_server_is_exit_code_1() -> None:
    result = run("config", "--server", f"127.0.0.1:{free_port()}", "--timeout", "0.1")
    assert result.exit_code == 1
    assert "connection refused" in result.stderr
