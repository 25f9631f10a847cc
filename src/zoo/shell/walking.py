"""Whole subtrees, read with many requests under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import NoNodeError
from zoo.client.watches import Event

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 128
SYSTEM = "/zookeeper"


def child(path: str, name: str) -> str:
    return f"/{name}" if path == "/" else f"{path}/{name}"


def below(root: str, relative: str) -> str:
    """The path at `relative` ("/" or "/a/b") below `root`."""
    if relative == "/":
        return root
    return relative if root == "/" else root + relative


def relative(root: str, path: str) -> str:
    """The inverse."""
    return path if root == "/" else path[len(root) :] or "/"


def depth_first(path: str) -> list[str]:
    """As a key it sorts paths as a walk meets them: a parent, then all below its first child."""
    return path.split("/") if path != "/" else [""]


async def together(work: Iterable[Awaitable[R]]) -> list[R]:
    """The results in order. The first failure is raised when all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def walk(
    root: str, look: Callable[[str], Awaitable[tuple[T, list[str]]]]
) -> AsyncIterator[tuple[str, T]]:
    """Every znode from `root` down, parents before children, with what `look` says of it.

    `look(path)` gives anything, and the names of the children; it raises NoNodeError for a znode
    that has gone meanwhile. At most AT_ONCE of them are under way. Memory: the paths that are
    known and not yet looked at.
    """
    stack = [root]
    while stack:
        batch = [stack.pop() for _ in range(min(AT_ONCE, len(stack)))]
        for path, seen in zip(batch, await together(_unless_gone(look, path) for path in batch)):
            if seen is not None:
                stack.extend(child(path, name) for name in reversed(seen[1]))
                yield path, seen[0]


async def _unless_gone(
    look: Callable[[str], Awaitable[tuple[T, list[str]]]], path: str
) -> tuple[T, list[str]] | None:
    try:
        return await look(path)
    except NoNodeError:
        return None


async def subtree(
    zk: AsyncClient[Any], root: str, watch: Callable[[Event], None] | None = None
) -> dict[str, list[str]]:
    """Path -> names of the children, from `root` down, depth first. Raises NoNodeError. `watch`
    hears of the next change of each of these lists.
    """
    await zk.children(root)
    found: dict[str, list[str]] = {}

    async def look(path: str) -> tuple[None, list[str]]:
        names = found[path] = await zk.children(path, watch=watch)
        return None, names

    async for _ in walk(root, look):
        pass
    return {path: found[path] for path in sorted(found, key=depth_first)}
