"""Helpers of tests that talk to a live server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import NoAuthError
from zoo.client.states import State

T = TypeVar("T")
DEADLINE = 20.0


def run(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run with a deadline, so that no test hangs."""

    async def bounded() -> T:
        async with asyncio.timeout(DEADLINE):
            return await main

    return asyncio.run(bounded())


async def poll(condition: Callable[[], bool], what: str, deadline: float = 10.0) -> None:
    end = asyncio.get_running_loop().time() + deadline
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {deadline} s: {what}"
        await asyncio.sleep(0.005)


async def poll_until(
    condition: Callable[[], Awaitable[bool]], what: str, deadline: float = 10.0
) -> None:
    end = asyncio.get_running_loop().time() + deadline
    while not await condition():
        assert asyncio.get_running_loop().time() < end, f"not within {deadline} s: {what}"
        await asyncio.sleep(0.01)


def make_chroot(address: str, chroot: str) -> None:
    async def make() -> None:
        async with connect(address) as zk:
            await zk.ensure_path(chroot)

    run(make())


def forget_chroot(address: str, chroot: str) -> None:
    async def forget() -> None:
        async with connect(address) as zk:
            with contextlib.suppress(NoAuthError):  # some keep what others may not see
                await zk.delete_all(chroot)

    run(forget())


async def break_connection(zk: AsyncClient[Any]) -> None:
    """Cut it, and wait until the session is served again."""
    states: list[State] = []
    zk.add_listener(states.append)
    zk._session.drop_connection("cut by the test")
    await poll(lambda: State.CONNECTED in states, "connected again")
    zk.remove_listener(states.append)
