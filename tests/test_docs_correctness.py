"""docs/CORRECTNESS.md is true where a test can tell: what it names exists, what it claims runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.sim.test_known_bugs import GATES
from tests.sim.test_known_bugs_elsewhere import GUARDS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "CORRECTNESS.md").read_text("utf-8")


def members() -> set[str]:
    """`Class.name` of every method and attribute, and the bare name of every class and function."""
    found: set[str] = set()
    for path in (ROOT / "src" / "zoo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.add(node.name)
                for inner in ast.walk(node):
                    if isinstance(inner, ast.FunctionDef):
                        found.add(f"{node.name}.{inner.name}")
                    elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                        found.add(f"{node.name}.{inner.attr}")
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
    return found


def test_every_function_it_names_exists() -> None:
    known = members()
    named = set(re.findall(r"`([A-Za-z_]\w*(?:\.[a-z_]\w*)?)`", TEXT))
    named -= {"Liveness", "zoo.tree", "skipACL"}  # a violation, a package, a key of zoo.cfg
    assert len(named) > 50
    assert sorted(named - known) == []


def test_every_file_it_names_exists() -> None:
    for name in set(re.findall(r"`((?:sim|zab|persistence)/\w+\.py)`", TEXT)):
        assert (ROOT / "src" / "zoo" / name).exists(), name
    for name in set(re.findall(r"(tests/[\w/]+(?:\.py|\.txt)?)", TEXT)):
        assert (ROOT / name).exists(), name


def rows() -> list[tuple[str, str]]:
    """(bug, gate) of the table of known bugs."""
    table = TEXT.split("| bug | rule here | gate |")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return [(bug, gate) for bug, _, gate in cells]


@pytest.mark.parametrize(("bug", "gate"), rows())
def test_every_gate_it_claims_is_run(bug: str, gate: str) -> None:
    keys = re.findall(r"\d{4}|hazard \d+|gap|sync", bug)
    assert keys, bug
    if "world" in gate:
        assert any(key in name for name in GATES for key in keys)
    if "part" in gate.replace("partly", ""):
        assert any(key in name for name in GUARDS for key in keys)
