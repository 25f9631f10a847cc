"""Connect strings, and the order in which servers are tried.

`host1:2181,host2,[::1]:2183/app`: servers with an optional port (2181), then an optional chroot.
Names are resolved at each dial, never here.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from zoo import paths

DEFAULT_PORT = 2181


class Server(NamedTuple):
    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConnectString(NamedTuple):
    servers: tuple[Server, ...]
    chroot: str
    """"" for none, else a path such as "/app"."""


def parse(text: str) -> ConnectString:
    """Raises ValueError that names the part at fault."""
    names, slash, rest = text.partition("/")
    chroot = (slash + rest).rstrip("/")
    if chroot and (reason := paths.invalid_reason(chroot.encode())):
        raise ValueError(f"connect string {text!r}: chroot {chroot!r}: {reason}")
    servers = tuple(_server(name.strip(), text) for name in names.split(",") if name.strip())
    if not servers:
        raise ValueError(f"connect string {text!r} names no server")
    return ConnectString(servers, chroot)


def _server(name: str, text: str) -> Server:
    if name.startswith("["):
        host, bracket, rest = name[1:].partition("]")
        port = rest.removeprefix(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"connect string {text!r}: {name!r} is not [address]:port")
    elif name.count(":") > 1:
        raise ValueError(f"connect string {text!r}: write the address in {name!r} as [address]")
    else:
        host, _, port = name.partition(":")
    if not host:
        raise ValueError(f"connect string {text!r}: {name!r} has no host")
    if not port:
        return Server(host)
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"connect string {text!r}: {port!r} in {name!r} is not a port")
    return Server(host, int(port))


class HostList:
    """Whom to dial next: all in a random order, over and over."""

    def __init__(self, servers: Iterable[Server], rng: Random) -> None:
        self._rng = rng
        self._queue: list[Server] = []
        self.servers: tuple[Server, ...] = ()
        self.update(servers)

    def __len__(self) -> int:
        return len(self.servers)

    def next(self) -> tuple[Server, bool]:
        """A server, and whether it is the first of a new round (all others were tried)."""
        first = not self._queue
        if first:
            self._refill()
        return self._queue.pop(), first

    def _refill(self) -> None:
        self._queue = list(self.servers)
        self._rng.shuffle(self._queue)

    def update(self, servers: Iterable[Server], current: Server | None = None) -> bool:
        """A new list. True when the connection to `current` should be given up for a new one.

        When the list has grown just so many clients move that the load evens out; when `current`
        is gone from it they all do.
        """
        new = tuple(dict.fromkeys(servers))
        if not new:
            raise ValueError("a client needs at least one server")
        old, self.servers = self.servers, new
        self._refill()
        if current is None:
            return False
        if current not in new:
            return True
        return self._rng.random() >= len(set(old) & set(new) | {current}) / len(new)
