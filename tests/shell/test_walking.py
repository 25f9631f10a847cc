from __future__ import annotations

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import NoAuthError, NoNodeError
from zoo.shell.walking import AT_ONCE, below, child, depth_first, relative, subtree, walk


def test_paths() -> None:
    assert (child("/", "a"), child("/a", "b")) == ("/a", "/a/b")
    for root, path, rest in (
        ("/", "/", "/"),
        ("/", "/a", "/a"),
        ("/r", "/r", "/"),
        ("/r", "/r/a/b", "/a/b"),
    ):
        assert relative(root, path) == rest
        assert below(root, rest) == path


def test_order() -> None:
    paths = ["/", "/a", "/a/b", "/a/b/c", "/a/c", "/a-b", "/b"]
    assert sorted(set(paths), key=depth_first) == paths


TREE = {
    "/": ["a", "b"],
    "/a": [str(n) for n in range(2 * AT_ONCE)],
    "/b": ["gone"],
    **{f"/a/{n}": [] for n in range(2 * AT_ONCE)},
}


def test_a_walk_meets_parents_first_and_passes_over_what_has_gone() -> None:
    async def look(path: str) -> tuple[str, list[str]]:
        if path not in TREE:
            raise NoNodeError
        return path, TREE[path]

    async def walked() -> list[str]:
        return [path async for path, _ in walk("/", look)]

    met = run(walked())
    assert sorted(met) == sorted(TREE)
    assert all(met.index(path.rpartition("/")[0] or "/") <= n for n, path in enumerate(met))


def test_a_failure_ends_the_walk() -> None:
    async def look(path: str) -> tuple[None, list[str]]:
        if path != "/":
            raise NoAuthError(path=path)
        return None, ["a", "b"]

    async def walked() -> list[str]:
        return [path async for path, _ in walk("/", look)]

    with pytest.raises(NoAuthError):
        run(walked())


def test_a_subtree_of_a_server(hosts: str) -> None:
    async def read() -> dict[str, list[str]]:
        async with connect(hosts) as zk:
            for path in ("/r/b", "/r/a/x"):
                await zk.create(path, make_parents=True)
            with pytest.raises(NoNodeError):
                await subtree(zk, "/none")
            return await subtree(zk, "/r")

    found = run(read())
    assert list(found.items()) == [
        ("/r", ["a", "b"]),
        ("/r/a", ["x"]),
        ("/r/a/x", []),
        ("/r/b", []),
    ]
