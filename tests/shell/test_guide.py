"""What the user guide shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop  # of itself, with many processes
GUIDE = Path(__file__).resolve().parents[2] / "docs/USER_GUIDE.md"


def steps() -> list[tuple[str, str]]:
    """Command and output of each prompt in the section on the command line."""
    section = GUIDE.read_text("utf-8").partition("\n## The command line\n")[2]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block is not None
    parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def test_the_tour_of_the_command_line(hosts: str, tmp_path: Path) -> None:
    zoo = tmp_path / "bin/zoo"
    zoo.parent.mkdir()
    zoo.write_text(f'#!/bin/sh\nexec {sys.executable} -m zoo "$@"\n')
    zoo.chmod(0o755)
    env = {**os.environ, "ZOO_SERVER": hosts, "PATH": f"{zoo.parent}:{os.environ['PATH']}"}
    told = steps()
    assert len(told) > 10
    for command, output in told:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
        )
        shown, wanted = (_without_zxids(text) for text in (done.stdout + done.stderr, output))
        assert shown == wanted, command


def _without_zxids(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x...", text)
