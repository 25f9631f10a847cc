from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from zoo.client.errors import NoNodeError
from zoo.shell.completion import Listing, candidates

TREE = {"/": ["app", "apple", "zookeeper"], "/app": ["a b", "config"]}


async def children(path: str) -> list[str]:
    if path not in TREE:
        raise NoNodeError(path=path)
    return TREE[path]


def offered(line: str, commands: tuple[str, ...] | None = None) -> list[str]:
    return [found.text for found in run(candidates(line, Listing(children), commands))]


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("getA", ["getAcl", "getAllChildrenNumber"]),
        ("xyz", []),
        ("get ", ["/"]),
        ("get /", ["/app", "/apple", "/zookeeper"]),
        ("get -s /app", ["/app", "/apple"]),
        ("get /app/", ['"/app/a b"', "/app/config"]),
        ('get "/app/a', ['"/app/a b"']),
        ("get /none/x", []),
        ("get app", []),
        ("get /app /", []),
        ("set /app /", []),
        ("delete -v 3 /app/c", ["/app/config"]),
        ("delete -v ", []),
        ("nonsense /a", []),
        ("addWatch -m ", ["PERSISTENT", "PERSISTENT_RECURSIVE"]),
        ("printwatches o", ["on", "off"]),
        ("help tre", ["tree"]),
        ("import file /a", []),
    ],
)
def test_words(line: str, texts: list[str]) -> None:
    assert offered(line) == texts


def test_options_not_yet_given() -> None:
    assert offered("ls -") == ["-s", "-w", "-R", "--json"]
    assert offered("ls -s -") == ["-w", "-R", "--json"]
    assert offered("ls --") == ["--json"]


def test_the_lines_of_a_multi() -> None:
    commands = ("create", "set", "delete", "check", "commit", "abort")
    assert offered("c", commands) == ["create", "check", "commit"]
    assert offered("set /apple", commands) == ["/apple"]


def test_what_is_known_of_each() -> None:
    (found,) = run(candidates("tre", children))
    assert (found.about, found.length) == ("Draw a subtree.", 3)


def test_answers_are_kept_for_a_while() -> None:
    asked: list[str] = []

    async def ask(path: str) -> list[str]:
        asked.append(path)
        return ["a"]

    async def story() -> None:
        listing = Listing(ask, lifetime=60.0)
        assert await listing("/") == await listing("/") == ["a"]
        forgetful = Listing(ask, lifetime=0.0)
        assert await forgetful("/x") == await forgetful("/x") == ["a"]

    run(story())
    assert asked == ["/", "/x", "/x"]


def test_a_slow_server_is_not_waited_for() -> None:
    async def ask(path: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert run(Listing(ask, deadline=0.01)("/")) == []
