"""A short slice of every measurement: the programs behind the README's figures run and count."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.interop,
    pytest.mark.usefixtures("needs_java"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler builds the load"),
]
ROOT = Path(__file__).resolve().parents[2]
OURS = f"{sys.executable} -m zoo serve {{config}}"


def measured(tmp_path: Path, module: str, *options: str) -> Any:
    """What a measurement writes with --json; it exits with 0."""
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", module, "--ours", OURS, "--json", str(file), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


@pytest.mark.parametrize(("mode", "cells"), [("standalone", "get16,set16"), ("ensemble", "set16")])
def test_throughput(tmp_path: Path, mode: str, cells: str) -> None:
    load = ("--mode", mode, "--cells", cells, "--rounds", "1", "--seconds", "0.3")
    figures = measured(tmp_path, "bench.compare", *load)
    assert list(figures) == cells.split(",")
    for cell in figures.values():
        assert cell["ours"] > 0
        assert cell["zookeeper"] > 0
        assert cell["errors"] == cell["failed"] == 0


def test_failover(tmp_path: Path) -> None:
    figures = measured(tmp_path, "bench.failover", "--kinds", "ours", "--kills", "1")
    assert 0 < figures["ours"][0] < 5000


@pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2's ss counts the bytes")
def test_costs(tmp_path: Path) -> None:
    figures = measured(tmp_path, "bench.costs", "--kinds", "ours", "--seconds", "0.5")
    leader, follower, many = (cell["ours"] for cell in figures.values())
    # Two proposals of some 190 bytes with two ACKs and two COMMITs of 24, and one of 100 at least.
    assert 300 < leader["bytes"] < follower["bytes"] < 1500
    assert 1 < leader["fsyncs"] <= 3.5
    assert many["fsyncs"] < leader["fsyncs"]


def test_planned(tmp_path: Path) -> None:
    figures = measured(tmp_path, "bench.planned", "--rounds", "1")
    assert list(figures) == ["nothing", "transfer", "leave", "join"]
    for (pause,) in figures.values():
        assert 0 < pause < 5000


def test_scale(tmp_path: Path) -> None:
    figures = measured(tmp_path, "bench.scale", "--znodes", "3000", "--rounds", "1")
    for kind in ("ours", "zookeeper"):
        assert figures[kind]["creates_s"] > 0
        assert figures[kind]["restart_s"] > 0


@pytest.mark.slow
def test_snap(tmp_path: Path) -> None:
    # Small, but for the data: what a follower has missed is sent anew when it was 32 MiB.
    figures = measured(tmp_path, "bench.snap", "--znodes", "3500", "--bytes", "10000")
    assert [row["what"] for row in figures] == ["nothing", "a busy process", "SNAP"]
    for row in figures:
        assert row["reads"] > 0
        assert 0 < row["write_ms"] < 10_000


def test_clients(tmp_path: Path) -> None:
    figures = measured(tmp_path, "bench.clients", "--rounds", "1", "--seconds", "0.1")
    assert list(figures) == ["get", "set", "gets", "sets", "lock"]
    for cell in figures.values():
        assert cell["zoo"] > 0
        assert cell["kazoo"] > 0
