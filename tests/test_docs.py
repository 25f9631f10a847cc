"""The documents hold what they promise: links lead somewhere, what they tell to run exists.

That the make targets exist is in test_tidy.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from zoo.tools.cli import main as zoo

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")))
}
# What a README or guide may run that is not ours.
FOREIGN = {"make", "pip", "python", "echo", "kill", "zkCli.sh"}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (zoo .*)$", re.MULTILINE)
_SPAN = re.compile(r"`(zoo [^`]+)`")
_MODULE = re.compile(r"python -m ((?:bench|tests)[\w.]*)")
_TEST_PATH = re.compile(r"(?<![\w/])((?:tests|bench)/[\w/.-]*\w)")


def links(text: str) -> list[str]:
    return _LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(document: str, text: str) -> Iterator[str]:
    for link in links(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        if not target.exists():
            yield f"{document}: {link}"
        elif anchor and anchor not in anchors(target.read_text("utf-8")):
            yield f"{document}: {link}: no such heading"


def commands(text: str) -> list[str]:
    """Command lines of the shell blocks: all of `sh`, what follows a prompt in `console`."""
    found = []
    for language, block in _BLOCK.findall(text):
        lines = block.splitlines()
        if language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        if language in ("sh", "console"):
            found += [line for line in lines if line.strip()]
    return found


def zoo_commands(text: str) -> list[str]:
    """Every `zoo ...` a document shows, wherever it stands."""
    ours = [line for line in commands(text) if line.startswith("zoo ")]
    return ours + _INDENTED.findall(text) + _SPAN.findall(text)


def parse(arguments: list[str]) -> click.Command:
    """Let click parse a zoo command line without running it. Raises click.UsageError."""
    command: click.Command = zoo
    context = click.Context(zoo, info_name="zoo")
    while isinstance(command, click.Group):
        _, arguments, _ = command.make_parser(context).parse_args(args=list(arguments))
        if not arguments and command.invoke_without_command:
            return command
        assert arguments, "a group of commands, and no command"
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_parser(context).parse_args(args=list(arguments))
    return command


def arguments_of(line: str) -> list[str]:
    return [word for word in shlex.split(line, comments=True)[1:] if word != "&"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    assert list(broken(document, DOCUMENTS[document])) == []


def test_a_broken_link_is_found() -> None:
    text = "[w](NOWHERE.md) [x](../README.md) [y](http://a) [z](HACKING.md#set-up) [](#none)"
    assert list(broken("docs/HACKING.md", text)) == [
        "docs/HACKING.md: NOWHERE.md",
        "docs/HACKING.md: #none: no such heading",
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_zoo_commands_parse(document: str) -> None:
    for line in zoo_commands(DOCUMENTS[document]):
        if "KEY=VALUE" not in line and "FILE" not in line:
            assert parse(arguments_of(line)).name, line


def test_the_tour_runs_what_exists() -> None:
    lines = commands(DOCUMENTS["README.md"])
    names = {shlex.split(line, comments=True)[0].rsplit("/", 1)[-1] for line in lines}
    assert "zoo" in names
    assert names <= FOREIGN | {"zoo"}


def test_an_unknown_command_does_not_parse() -> None:
    with pytest.raises(click.UsageError):
        parse(["swim"])
    with pytest.raises(click.UsageError):
        parse(["serve", "--swimming"])
    assert parse(["serve", "zoo.cfg", "--client-port", "0"]).name == "serve"


def test_the_tour_is_python() -> None:
    blocks = [block for language, block in _BLOCK.findall(DOCUMENTS["README.md"]) if block]
    tours = [block for block in blocks if block.startswith("from kazoo")]
    assert len(tours) == 1
    assert compile(tours[0], "tour.py", "exec")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_modules_and_tests_that_are_named_exist(document: str) -> None:
    text = DOCUMENTS[document]
    wanted = {name.replace(".", "/") for name in _MODULE.findall(text)}
    wanted |= {path.split("::")[0] for path in _TEST_PATH.findall(text)}
    missing = [
        path
        for path in sorted(wanted)
        if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()
    ]
    assert missing == []


def test_the_figures_have_their_section() -> None:
    _, _, rest = DOCUMENTS["README.md"].partition("\n## Measured\n")
    section = rest.partition("\n## ")[0]
    assert "make bench" in section
    assert "| cell | Zoo ops/s | ZooKeeper ops/s | ratio |" in section


def test_hacking_fits_on_a_page() -> None:
    assert len(DOCUMENTS["docs/HACKING.md"].splitlines()) <= 90
