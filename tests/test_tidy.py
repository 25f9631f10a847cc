"""The style of the house as a test; the rules are in tests/tidy_rules.py.

The first half applies them to the repository, the second shows each rule a snippet that breaks it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tidy_rules as rules
from zoo.tools.cli import LAZY

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_API = [  # what `import zoo` offers; a change here is a change for users
    *(
        "ACL",
        "AsyncClient",
        "BYTES",
        "Client",
        "Code",
        "Converter",
        "Event",
        "EventType",
        "Get",
        "JSON",
    ),
    *("KeeperError", "ListChildren", "Node", "RetryPolicy", "Stat", "State", "TEXT", "ZooKeeper"),
    *("__version__", "connect"),
]
# Modules written ahead of their user, with the reason. An entry that is used again must go.
AWAITED = {
    "zoo.sim.script": "stories of the protocol as text: tests/sim/scripts are played by it",
    "zoo.auth.sasl": "the interface that a SASL mechanism will implement",
}


def read(*patterns: str) -> dict[str, str]:
    """Repository path -> text of every file that matches."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
        if path.is_file() and "egg-info" not in str(path) and "__pycache__" not in str(path)
    }


def dotted(path: str) -> str:
    """src/zoo/tree/quota.py -> zoo.tree.quota"""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


SRC = read("src/zoo/**/*.py")
TESTS = read("tests/**/*.py")
CODE = SRC | TESTS | read("examples/*.py")
TEXT = CODE | read(
    "tests/**/*.txt", "docs/**/*", "*.md", "*.toml", "Makefile", ".ci/*", ".gitignore", "src/**/*.c"
)
DOCUMENTS = read("README.md", "docs/*.md", "CHANGELOG.md")


def check_all(rule: Callable[[str, str], rules.Complaints], files: dict[str, str]) -> None:
    complaints = [line for path, source in files.items() for line in rule(path, source)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_there_is_something_to_check() -> None:
    assert "src/zoo/__init__.py" in SRC
    assert "tests/test_tidy.py" in TESTS
    assert {"Makefile", "pyproject.toml", ".ci/run", "docs/HACKING.md"} <= TEXT.keys()


@pytest.mark.parametrize("rule", [rules.size, rules.function_length, rules.swallowed_errors])
def test_code(rule: Callable[[str, str], rules.Complaints]) -> None:
    check_all(rule, CODE)


def test_layering() -> None:
    check_all(lambda path, source: rules.layering(path, source, dotted(path)), SRC)


def test_the_core_does_no_io() -> None:
    check_all(lambda path, source: rules.sans_io(path, source, dotted(path)), SRC)


def test_modules_say_what_they_are_for() -> None:
    check_all(rules.preamble, SRC)


def test_words() -> None:
    check_all(rules.words, TEXT)


def test_tests_do_not_sleep_and_hope() -> None:
    check_all(rules.sleeps, TESTS)


def test_tests_assert() -> None:
    check_all(rules.assertions, TESTS)


def test_each_module_has_its_test() -> None:
    complaints = list(rules.untested(SRC, TESTS))
    assert not complaints, "\n" + "\n".join(complaints)


def entry_points() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project.get("scripts", {}), *project.get("entry-points", {}).values(), LAZY]
    return [target.split(":")[0] for group in groups for target in group.values()]


def test_no_dead_modules() -> None:
    sources = {dotted(path): source for path, source in SRC.items()}
    dead = {line.split(":")[0] for line in rules.unused(sources, entry_points())}
    unexpected = sorted(dead - AWAITED.keys())
    assert not unexpected, "nothing in src imports:\n" + "\n".join(unexpected)
    assert sorted(AWAITED.keys() - dead) == [], "no longer awaited: take it out of AWAITED"


def test_public_api() -> None:
    assert rules.public_names(SRC["src/zoo/__init__.py"]) == PUBLIC_API


def test_documents_name_commands_that_exist() -> None:
    targets = rules.make_targets((ROOT / "Makefile").read_text())
    wanted = {command for text in DOCUMENTS.values() for command in rules.make_commands(text)}
    assert wanted, "no document shows a make command"
    assert sorted(wanted - targets) == []


# --- the rules themselves: each finds what it is for, and leaves good code alone


def found(complaints: rules.Complaints) -> list[str]:
    return [line.split(": ", 1)[1] for line in complaints]


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (rules.size, "x = 1\n" * 500, "x = 1\n" * 499),
        (rules.size, "#" * 101, "#" * 100),
        (
            rules.function_length,
            "def f():\n" + " x = 1\n" * 70,
            "async def f():\n" + " x = 1\n" * 69,
        ),
        (rules.function_length, "class C:\n def f():\n" + "  x = 1\n" * 70, "x = 1\n" * 99),
        (rules.preamble, "x = 1", '"""Doc."""\nfrom __future__ import annotations\nx = 1'),
        (rules.preamble, '"""Doc."""\nx = 1', '"""Only a docstring."""'),
        (rules.swallowed_errors, "try: f()\nexcept: raise", "try: f()\nexcept OSError: pass"),
        (
            rules.swallowed_errors,
            "try: f()\nexcept Exception: pass",
            "try: f()\nexcept Exception: g()",
        ),
        (rules.swallowed_errors, "try: f()\nexcept (OSError, BaseException) as e:\n ...", "f()"),
        (rules.swallowed_errors, "with contextlib.suppress(Exception): f()", "suppress(OSError)"),
        (rules.sleeps, "import time\ntime.sleep(1)", "def wait_for(): time.sleep(1)"),
        (
            rules.sleeps,
            "from time import sleep\nasync def test_x(): sleep(1)",
            "from time import sleep\ndef _poll(): sleep(1)",
        ),
        (rules.sleeps, "async def f(): await asyncio.sleep(0.1)", "asyncio.sleep(0)"),
        (rules.assertions, "def test_x(): f()", "def test_x(): assert f()"),
        (rules.assertions, "async def test_x(): assert True", "def helper(): f()"),
        (
            rules.assertions,
            "class TestX:\n def test_x(self): recheck()",
            "class TestX:\n def test_x(self): self._check_that(1)",
        ),
        (rules.assertions, "def test_x(): f()", "def test_x():\n with pytest.raises(E): f()"),
        (rules.words, "# TO" + "DO later", "# to do"),
        (rules.words, "FIX" + "ME", "prefix"),
        (rules.words, "see /wor" + "k/main", "net/wor" + "k/main and https://a.b/wor" + "k/"),
        (rules.words, "a sub" + "agent did it", "an agent"),
        (rules.words, "from py" + "pi.org", "from PyPI"),
    ],
)
def test_a_rule_finds_the_bad_and_passes_the_good(
    rule: Callable[[str, str], rules.Complaints], bad: str, good: str
) -> None:
    assert list(rule("bad.py", bad))
    assert list(rule("good.py", good)) == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("zoo.tree.x", "from zoo.server import core", "tree may not see server"),
        ("zoo.tree.x", "import zoo.session.ids", "tree may not see session"),
        ("zoo.tree.x", "from zoo import auth", "tree may not see auth"),
        ("zoo.tree.x", "def f():\n    from zoo.auth.ip import g", "tree may not see auth"),
        ("zoo.errors", "import zoo.config_keys", "errors may not see config"),
        ("zoo.client.x", "import zoo.tree", "client may not see tree"),
        ("zoo.recipes.x", "import zoo.runtime.main", "recipes may not see runtime"),
        ("zoo.server.x", "from zoo import something", "server may not see something"),
        ("zoo.server.x", "import zoo", "server may not see the root package"),
        ("zoo.server.x", "from . import core", "relative import"),
        ("zoo.gadgets.x", "", "gadgets has no place in LAYERS"),
        ("zoo.auth.x", "from zoo.tree.acl import y\nfrom zoo.auth.ip import z", None),
        ("zoo.auth.x", "from zoo import errors, jute", None),
        ("zoo.server.x", "from zoo import __version__", None),
        ("zoo.config", "from zoo.config_keys import KEYS\nimport zoo.errors", None),
        ("zoo.recipes.x", "from zoo.client.core import y", None),
        ("zoo", "from zoo.client import Client", None),
    ],
)
def test_layering_rule(module: str, source: str, complaint: str | None) -> None:
    assert found(rules.layering("x.py", source, module)) == ([complaint] if complaint else [])


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("zoo.server.core", "import asyncio", "the core may not import asyncio"),
        ("zoo.server.core", "import os.path", "the core may not import os"),
        ("zoo.paths", "from time import monotonic", "the core may not import time"),
        ("zoo.zab.x", "def f():\n import random", "the core may not import random"),
        ("zoo.zab.x", "if TYPE_CHECKING:\n import time", "the core may not import time"),
        ("zoo.tree.x", "import numpy", "the core is stdlib only, numpy is not"),
        ("zoo.tree.x", "import cramjam", "the core is stdlib only, cramjam is not"),
        ("zoo.tree.x", "open('x')", "the core may not call open"),
        ("zoo.zab.x", "if TYPE_CHECKING:\n from random import Random", None),
        ("zoo.persistence.x", "import cramjam, struct, zlib", None),
        ("zoo.tree.x", "from zoo.jute import codec\nself.open(1)", None),
        ("zoo.runtime.x", "import asyncio, os\nopen('x')", None),
    ],
)
def test_sans_io_rule(module: str, source: str, complaint: str | None) -> None:
    assert found(rules.sans_io("x.py", source, module)) == ([complaint] if complaint else [])


def test_untested_rule() -> None:
    modules = ["src/zoo/errors.py", "src/zoo/tree/acl.py", "src/zoo/tree/__init__.py"]
    tests = ["tests/test_errors.py", "tests/tree/test_acl.py"]
    assert list(rules.untested(modules, tests)) == []
    assert found(rules.untested(modules, tests[:1])) == ["has no tests/tree/test_acl.py"]
    assert found(rules.untested(modules, tests[1:])) == ["has no tests/test_errors.py"]


def test_unused_rule() -> None:
    sources = {
        "zoo": "",
        "zoo.tree": "",
        "zoo.sim": "'A package yet to be filled.'",
        "zoo.tree.acl": "import zoo.tree.acl\nx = 1",  # itself does not count
        "zoo.tree.quota": "from zoo.errors import KeeperError\nfrom zoo.tree import watches",
        "zoo.tree.watches": "x = 1\ny = 2",
        "zoo.errors": "x = 1\ny = 2",
        "zoo.tools.cli": "from zoo.tree.quota import check\ncheck()",
        "zoo.__main__": "import zoo.tools.cli",
    }
    assert list(rules.unused(sources, [])) == ["zoo.tree.acl: no module imports it"]
    del sources["zoo.__main__"]
    assert len(list(rules.unused(sources, []))) == 2
    assert len(list(rules.unused(sources, ["zoo.tools.cli"]))) == 1


def test_public_names() -> None:
    source = (
        "from __future__ import annotations\nimport a.b as c\nfrom d import e, _f\n"
        "__all__ = ['g']\nh: int = 1\n_i = 2\n__version__ = '1'\ndef j(): k = 1\nclass L: pass\n"
    )
    assert rules.public_names(source) == ["L", "__version__", "c", "e", "g", "h", "j"]


def test_make_commands_and_targets() -> None:
    text = (
        "Run `make test` and make sure.\n```sh\n$ make serve DATA=x\nmake lint\nso make it\n```\n"
        "make this\n"
    )
    assert rules.make_commands(text) == ["test", "serve", "lint"]
    makefile = "BIN := x\nlint: setup\n\tmake nothing: here\n$(X)/y: z\nserve:\n.PHONY: serve\n"
    assert rules.make_targets(makefile) == {"lint", "serve"}
