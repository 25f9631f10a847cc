"""Connections to a server by its name, which is resolved anew each time."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from zoo.client.hosts import Server
from zoo.client.srv import is_srv_name, targets

_PROBE_SECONDS = 2.0
Connect = Callable[
    [asyncio.AbstractEventLoop, Any, socket.AddressFamily, tuple[str, int]], Awaitable[None]
]
"""Another way than the loop's own to make a connection for a protocol."""


async def dial(
    loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], asyncio.Protocol],
    server: Server,
    ssl: ssl_module.SSLContext | None,
    rng: Random,
    connect: Connect | None = None,
) -> None:
    """Connect to one of the server's addresses, in a random order. Raises OSError of the last."""
    if not is_srv_name(server.host):
        await _dial_host(loop, protocol, server, ssl, rng, connect)
        return
    failure = OSError(f"{server.host} names no server")
    for target in await targets(loop, server.host, rng):
        try:
            await _dial_host(loop, protocol, target, ssl, rng, connect)
            return
        except OSError as error:
            failure = error
    raise failure


async def _dial_host(
    loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], asyncio.Protocol],
    server: Server,
    ssl: ssl_module.SSLContext | None,
    rng: Random,
    connect: Connect | None,
) -> None:
    found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    addresses = [(family, str(to[0]), int(to[1])) for family, _, _, _, to in found]
    rng.shuffle(addresses)
    name = server.host if ssl is not None else None
    failure = OSError(f"{server.host} has no address")
    for family, host, port in addresses:
        try:
            if connect is not None:
                await connect(loop, protocol(), family, (host, port))
            else:
                await loop.create_connection(
                    protocol, host, port, family=family, ssl=ssl, server_hostname=name
                )
            return
        except OSError as error:
            failure = error
    raise failure


class _Answer(asyncio.Protocol):
    def __init__(self, question: bytes, answer: asyncio.Future[bytes]) -> None:
        self._question = question
        self._answer = answer
        self._got = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        self._got += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_result(self._got)


async def says_it_is_writable(
    loop: asyncio.AbstractEventLoop,
    server: Server,
    ssl: ssl_module.SSLContext | None,
    rng: Random,
) -> bool:
    """Ask `isro`: does this server take writes?"""
    answer: asyncio.Future[bytes] = loop.create_future()
    probe = _Answer(b"isro", answer)
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await dial(loop, lambda: probe, server, ssl, rng)
            return await answer == b"rw"
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if probe.transport is not None:
            probe.transport.abort()
