"""SRV names in lists of hosts: `_zookeeper._tcp.example.com` stands for the servers that DNS names.

The standard library has no resolver for them: they need dnspython (`pip install 'zoo[srv]'`).
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from random import Random
from typing import Any

from zoo.client.hosts import Server


def is_srv_name(host: str) -> bool:
    """No host's name begins with an underscore, every service's does."""
    return host.startswith("_")


def check_resolver(servers: tuple[Server, ...]) -> None:
    """Raises ValueError where there are SRV names and nothing that resolves them."""
    named = [server.host for server in servers if is_srv_name(server.host)]
    if named and importlib.util.find_spec("dns") is None:
        raise ValueError(f"{named[0]} is an SRV name: it needs dnspython, pip install 'zoo[srv]'")


async def targets(loop: asyncio.AbstractEventLoop, name: str, rng: Random) -> list[Server]:
    """The servers in the order in which to try them. Raises OSError."""
    answer = await loop.run_in_executor(None, _ask, name)
    # Of one priority at random, the heavier the sooner (RFC 2782).
    keyed = [(each.priority, rng.random() ** (1 / (each.weight + 0.01)), each) for each in answer]
    keyed.sort(key=lambda each: (each[0], -each[1]))
    return [Server(str(each.target).rstrip("."), each.port) for _, _, each in keyed]


def _ask(name: str) -> list[Any]:
    resolver = importlib.import_module("dns.resolver")
    failures = importlib.import_module("dns.exception")
    try:
        return list(resolver.resolve(name, "SRV"))
    except failures.DNSException as error:
        raise OSError(f"{name}: {error}") from error
