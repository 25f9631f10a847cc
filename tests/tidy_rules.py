"""The rules of the house, as functions from source text to a list of complaints.

tests/test_tidy.py applies them to this repository, and also to snippets that break them: a rule
that cannot fail is no rule. A complaint reads ``path:line: what is wrong``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
MAX_LINE_LENGTH = 100

# A package imports only what stands before it.
LAYERS = (
    *("errors", "paths", "zxid", "config"),
    *("jute", "tree", "session", "auth", "persistence", "zab", "pipeline", "server"),
    *("runtime", "client", "recipes", "zookeeper", "sim", "testing"),
    *("shell", "tools", "__main__"),
)
CORE = LAYERS[: LAYERS.index("runtime")]
# What users' processes load knows nothing of the server.
ONLY_SEES = {
    "client": ("errors", "paths", "jute"),
    "recipes": ("errors", "paths", "jute", "client"),
    "zookeeper": ("errors", "paths", "jute", "client", "recipes"),
}
# Sockets, files, clocks, threads, chance: `runtime` has them, the core is told.
BANNED_IN_CORE = {
    *("asyncio", "socket", "socketserver", "ssl", "select", "selectors", "http", "urllib"),
    *("threading", "_thread", "queue", "concurrent", "multiprocessing", "subprocess", "signal"),
    *("time", "random", "secrets", "uuid"),
    *("os", "pathlib", "shutil", "tempfile", "glob", "fcntl", "mmap"),
}
BANNED_CALLS_IN_CORE = {"open", "print", "input", "breakpoint"}
# Extras that a core module may load when they are installed.
EXTRAS = {"persistence": ("cramjam",)}

Complaints = Iterator[str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def layer(module: str) -> str:
    """The layer of a dotted module below zoo: its package, or the name of a top-level module.

    A top-level module that outgrew one file keeps its name as the prefix: config_keys is config.
    """
    top = module.split(".")[1] if "." in module else ""
    return "config" if top.startswith("config_") else top


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, module and imported name ("" for a plain import) of each absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level, ""


def size(path: str, source: str) -> Complaints:
    lines = source.splitlines()
    if len(lines) >= MAX_FILE_LINES:
        yield f"{path}:1: {len(lines)} lines, {MAX_FILE_LINES - 1} are allowed"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_LENGTH:
            yield f"{path}:{number}: {len(line)} columns, {MAX_LINE_LENGTH} are allowed"


def function_length(path: str, source: str) -> Complaints:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {length} lines, "
                    f"{MAX_FUNCTION_LINES} are allowed"
                )


def layering(path: str, source: str, module: str) -> Complaints:
    """Only upwards in LAYERS; within a layer all may see each other."""
    mine = layer(module)
    if module == "zoo":
        return
    if mine not in LAYERS:
        yield f"{path}:1: {mine} has no place in LAYERS"
        return
    above = ONLY_SEES.get(mine, LAYERS[: LAYERS.index(mine)])
    for line, imported, name in imports(ast.parse(source)):
        if imported.startswith("."):
            yield f"{path}:{line}: relative import"
            continue
        if imported.split(".")[0] != "zoo":
            continue
        if imported == "zoo" and name == "__version__":
            continue
        theirs = layer(f"zoo.{name}" if imported == "zoo" else imported)
        if theirs != mine and theirs not in above:
            yield f"{path}:{line}: {mine} may not see {theirs or 'the root package'}"


def typing_only(tree: ast.AST) -> set[int]:
    """Lines below ``if TYPE_CHECKING:``: names for annotations, nothing that runs."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }


def sans_io(path: str, source: str, module: str) -> Complaints:
    """The core neither imports nor calls what does IO, and needs nothing but the stdlib."""
    mine = layer(module)
    if mine not in CORE:
        return
    tree = ast.parse(source)
    unreal = typing_only(tree)
    for line, imported, name in imports(tree):
        top = imported.split(".")[0]
        if (top, name) == ("random", "Random") and line in unreal:
            continue  # the type of an injected source of chance
        if top in BANNED_IN_CORE:
            yield f"{path}:{line}: the core may not import {top}"
        elif top and top != "zoo" and top not in sys.stdlib_module_names | {*EXTRAS.get(mine, ())}:
            yield f"{path}:{line}: the core is stdlib only, {top} is not"
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in BANNED_CALLS_IN_CORE
        ):
            yield f"{path}:{node.lineno}: the core may not call {node.func.id}"


def preamble(path: str, source: str) -> Complaints:
    """Every module says what it is for, and keeps annotations unevaluated."""
    tree = ast.parse(source)
    if not ast.get_docstring(tree):
        yield f"{path}:1: no module docstring"
    if len(tree.body) > 1 and not any(
        (module, name) == ("__future__", "annotations") for _, module, name in imports(tree)
    ):
        yield f"{path}:1: no `from __future__ import annotations`"


def swallowed_errors(path: str, source: str) -> Complaints:
    """No bare except, and no catch of everything that then does nothing."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{path}:{node.lineno}: bare except"
            elif names_everything(node.type) and all(map(is_nothing, node.body)):
                yield f"{path}:{node.lineno}: catches everything and says nothing"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
            yield from (
                f"{path}:{node.lineno}: suppresses everything"
                for argument in node.args
                if names_everything(argument)
            )


def names_everything(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(ast.unparse(part) in ("Exception", "BaseException") for part in parts)


def is_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass | ast.Continue)


def sleeps(path: str, source: str) -> Complaints:
    """A test waits for a condition in a helper named poll* or wait*, never for a while."""
    tree = ast.parse(source)
    allowed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.name.lstrip("_").startswith(("poll", "wait"))
        for inner in ast.walk(node)
    }
    bare = any(
        module in ("time", "asyncio") and name == "sleep" for _, module, name in imports(tree)
    )
    names = ("time.sleep", "asyncio.sleep", *(["sleep"] if bare else []))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yields = ast.unparse(node) == "asyncio.sleep(0)"  # lets others run, waits for nothing
            if id(node) not in allowed and not yields:
                yield f"{path}:{node.lineno}: sleeps outside a poll* or wait* helper"


def asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    own = name.rsplit(".", 1)[-1].lstrip("_")
    return own.startswith(("check_", "assert")) or name in (
        *("pytest.raises", "pytest.warns", "pytest.fail", "raises"),
    )


def assertions(path: str, source: str) -> Complaints:
    nodes = list(ast.walk(ast.parse(source)))
    for test in (node for node in nodes if isinstance(node, Function)):
        if test.name.startswith("test_") and not any(map(asserts, ast.walk(test))):
            yield f"{path}:{test.lineno}: {test.name} asserts nothing"


# Written so that this file does not hold the words itself.
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b")
WORKPLACE = re.compile(
    r"(?<![\w.])/wor[k]/|/tmp/zks[r]c|/home/[a-z]|sub-?agen[t]|anthropi[c]|claud[e]"
    r"|pypi\.or[g]|pythonhoste[d]|artifactor[y]|extra-inde[x]|index-ur[l]",
    re.IGNORECASE,
)


def words(path: str, source: str) -> Complaints:
    for number, line in enumerate(source.splitlines(), 1):
        for rule, why in ((UNFINISHED, "unfinished"), (WORKPLACE, "not of this project")):
            if found := rule.search(line):
                yield f"{path}:{number}: {why}: {found.group()}"


def untested(modules: Iterable[str], tests: Iterable[str]) -> Complaints:
    """src/zoo/tree/quota.py has tests/tree/test_quota.py; packages themselves are exempt."""
    known = set(tests)
    for path in modules:
        folder, _, name = path.removeprefix("src/zoo/").rpartition("/")
        wanted = "/".join(filter(None, ("tests", folder, f"test_{name}")))
        if not name.startswith("__") and wanted not in known:
            yield f"{path}:1: has no {wanted}"


def unused(sources: dict[str, str], entry_points: Iterable[str]) -> Complaints:
    """Modules (dotted name -> source) that no other module imports; bare packages may wait."""
    used = set(entry_points)
    for module, source in sources.items():
        for _, imported, name in imports(ast.parse(source)):
            used |= {imported, f"{imported}.{name}"} - {module}
    packages = {module.rpartition(".")[0] for module in sources} | {"zoo"}
    packages |= {module for module, source in sources.items() if len(ast.parse(source).body) < 2}
    for module in sources:
        if module not in used and module not in packages and not module.endswith(".__main__"):
            yield f"{module}: no module imports it"


def public_names(source: str) -> list[str]:
    """What a module offers: __all__, and any public name it binds besides, sorted."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
                names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(ast.unparse(target) for target in targets)
            if node.value is not None and "__all__" in map(ast.unparse, targets):
                names.update(ast.literal_eval(node.value))
    return sorted(name for name in names if not name.startswith("_") or name == "__version__")


def make_commands(markdown: str) -> list[str]:
    """The targets of the `make` commands in a document: code spans and lines of code blocks."""
    fenced = "\n".join(re.findall(r"^```.*?\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL))
    spans = re.findall(r"`make ([a-z][\w-]*)", markdown)
    return spans + re.findall(r"^\s*(?:\$ )?make ([a-z][\w-]*)", fenced, re.MULTILINE)


def make_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))
