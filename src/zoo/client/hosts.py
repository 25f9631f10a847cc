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
    """Raises ValueError that names the part at fault, TypeError for what is no str."""
    if not isinstance(text, str):
        raise TypeError(f"a connect string is a str such as 'host:2181,host/app', not {text!r}")
    names, slash, rest = text.partition("/")
    chroot = (slash + rest).rstrip("/")
    if chroot and (reason := paths.invalid_reason(chroot.encode("utf-8", "surrogatepass"))):
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
            self._queue = self._shuffled(self.servers)
        return self._queue.pop(), first

    def _shuffled(self, servers: Iterable[Server]) -> list[Server]:
        some = list(servers)
        self._rng.shuffle(some)
        return some

    def update(self, servers: Iterable[Server], current: Server | None = None) -> bool:
        """A new list. True when the connection to `current` should be given up for a new one.

        Each client decides by itself, and the load of all evens out (ZOOKEEPER-1355): when there
        are more servers than before just so many clients move to those that were added; otherwise
        only those move whose server is gone, to added and kept ones in due proportion.
        """
        new = tuple(dict.fromkeys(servers))
        if not new:
            raise ValueError("a client needs at least one server")
        old, self.servers = self.servers, new
        self._queue = self._shuffled(new)
        if current is None:
            return False
        kept = [server for server in new if server in old]
        added = [server for server in new if server not in old]
        if current in new and self._rng.random() >= 1 - len(old) / len(new):
            return False
        if current in new or self._rng.random() >= _share_of_kept(len(old), len(new), len(kept)):
            self._queue = self._shuffled(kept) + self._shuffled(added)
        else:
            self._queue = self._shuffled(added) + self._shuffled(kept)
        return True


def _share_of_kept(old: int, new: int, kept: int) -> float:
    """How many of the clients whose server is gone go to those that stay; the rest goes to the
    added ones. Then all have the same number, if all of `old` had."""
    gone = old - kept
    return kept * (old - new) / (new * gone) if new < old and gone else 0.0
