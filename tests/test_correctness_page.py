"""docs/CORRECTNESS.md names what is there: functions, checkers, and a gate for each known bug."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.sim.test_known_bugs import GATES
from tests.sim.test_known_bugs_elsewhere import GUARDS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/CORRECTNESS.md").read_text()
METHODS = dict.fromkeys(re.findall(r"`([A-Z]\w+\.\w+)`", PAGE))
CLASSES_NAMED = dict.fromkeys(re.findall(r"`([A-Z]\w+)`", PAGE))


def classes() -> dict[str, list[ast.ClassDef]]:
    """Of the whole package, by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for file in sorted((ROOT / "src/zoo").rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


CLASSES = classes()


def members(name: str) -> set[str]:
    """The methods and attributes of the classes of this name, and what these inherit."""
    found = set()
    for made in CLASSES.get(name, ()):
        for node in ast.walk(made):
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
        found.update(*(members(base.id) for base in made.bases if isinstance(base, ast.Name)))
    return found


def test_the_methods_that_the_page_names_exist() -> None:
    assert len(METHODS) > 30
    assert [name for name in METHODS if name.split(".")[1] not in members(name.split(".")[0])] == []


def test_the_classes_that_the_page_names_exist() -> None:
    """Or, of checkers that are none, what they complain as."""
    sources = "".join(path.read_text() for path in (ROOT / "src/zoo/sim").glob("*.py"))
    assert len(CLASSES_NAMED) > 20
    assert [
        name for name in CLASSES_NAMED if name not in CLASSES and f'"{name}: ' not in sources
    ] == []


def gates_of(kind: str) -> list[str]:
    """The bugs of the page's table that have such a gate."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    return [bug for bug, gate in rows if re.search(rf"\b{kind}\b", gate)]


@pytest.mark.parametrize(("kind", "gates"), [("world", GATES), ("part", GUARDS)])
def test_each_bug_has_the_gate_that_the_table_tells(kind: str, gates: dict[str, object]) -> None:
    bugs = gates_of(kind)
    assert len(bugs) > 8
    for bug in bugs:
        for number in re.findall(r"\d+", bug) or ["gap"]:
            word = f"hazard {number}" if bug.startswith("hazard") else number
            assert any(re.search(rf"\b{word}\b", name) for name in gates), (bug, list(gates))
