"""What the members of an ensemble say of themselves: srvr and mntr."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
import time
from dataclasses import dataclass, field
from typing import Any

from zoo.client.hosts import Server

_ENOUGH = 1 << 20


async def ask(
    server: Server, word: str, timeout: float, ssl: ssl_module.SSLContext | None = None
) -> str:
    """A four-letter word's answer. Raises OSError: no connection, no answer in time.

    With `ssl` by TLS, or else in the open: the ports that a configuration lists rarely speak TLS.
    """
    async with asyncio.timeout(timeout):
        if ssl is not None:
            try:
                return await _exchange(server, word, ssl)
            except ssl_module.SSLCertVerificationError:
                raise  # somebody else's
            except (ssl_module.SSLError, ConnectionError):
                pass
        return await _exchange(server, word, None)


async def _exchange(server: Server, word: str, ssl: ssl_module.SSLContext | None) -> str:
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=ssl)
    try:
        writer.write(word.encode())
        answer = b""
        while len(answer) < _ENOUGH and (part := await reader.read(65536)):
            answer += part
        return answer.decode("utf-8", "replace")
    finally:
        writer.transport.abort()


@dataclass
class Look:
    """One member at one time. Without `role` it does not serve, and `trouble` says why."""

    server: Server
    at: float
    """Of time.monotonic()."""
    role: str = ""
    trouble: str = ""
    zxid: int = -1
    received: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    """By the names of mntr without zk_; srvr gives the few that mntr has not or may not tell."""

    def number(self, name: str) -> float | None:
        try:
            value = float(self.facts[name])
            return int(value) if value.is_integer() else value
        except (KeyError, ValueError):
            return None

    def rate(self, before: Look | None) -> float | None:
        """Requests per second since the look before; None without one, or after a restart."""
        if before is None or not (self.role and before.role) or self.received < before.received:
            return None
        return (self.received - before.received) / max(1e-3, self.at - before.at)


async def look(
    server: Server, timeout: float = 2.0, ssl: ssl_module.SSLContext | None = None
) -> Look:
    seen = Look(server, time.monotonic())
    try:
        srvr, mntr = await asyncio.gather(
            ask(server, "srvr", timeout, ssl), ask(server, "mntr", timeout, ssl)
        )
    except TimeoutError:
        seen.trouble = "no answer"
        return seen
    except OSError as error:
        seen.trouble = "no connection" if error.strerror is None else error.strerror.lower()
        return seen
    read_answers(seen, srvr, mntr)
    return seen


def read_answers(seen: Look, srvr: str, mntr: str) -> None:
    """mntr may be forbidden (Java's 4lw.commands.whitelist): then srvr has to do."""
    told = {}
    for line in srvr.splitlines():
        key, colon, value = line.partition(": ")
        if colon:
            told[key] = value
    if "Mode" not in told:
        seen.trouble = srvr.strip().splitlines()[0] if srvr.strip() else "does not serve"
        return
    seen.role = told["Mode"]
    seen.zxid = int(told.get("Zxid", "-0x1"), 16)
    seen.received = int(told.get("Received", "0"))
    lowest, average, highest = (told.get("Latency min/avg/max", "//") + "//").split("/")[:3]
    seen.facts = {
        "min_latency": lowest,
        "avg_latency": average,
        "max_latency": highest,
        "num_alive_connections": told.get("Connections", ""),
        "outstanding_requests": told.get("Outstanding", ""),
        "znode_count": told.get("Node count", ""),
    }
    rows = (line.partition("\t") for line in mntr.splitlines())
    seen.facts |= {key.removeprefix("zk_"): value for key, tab, value in rows if tab}


def lag(seen: Look, leader: Look | None) -> int | None:
    """Transactions behind the leader; None when that cannot be said (other epochs, no leader)."""
    if leader is None or not seen.role or seen.zxid >> 32 != leader.zxid >> 32:
        return None
    return max(0, leader.zxid - seen.zxid)


def leader_of(looks: list[Look]) -> Look | None:
    return next((seen for seen in looks if seen.role in ("leader", "standalone")), None)


def member_json(seen: Look, before: Look | None, leader: Look | None) -> dict[str, Any]:
    told: dict[str, Any] = {"server": str(seen.server), "role": seen.role or None}
    if not seen.role:
        return {**told, "trouble": seen.trouble}
    rate = seen.rate(before)
    return {
        **told,
        "zxid": f"0x{seen.zxid:x}",
        "lag": lag(seen, leader),
        "requestsPerSecond": None if rate is None else round(rate, 1),
        "latencyMs": {
            "min": seen.number("min_latency"),
            "avg": seen.number("avg_latency"),
            "max": seen.number("max_latency"),
            "readP99": seen.number("p99_readlatency"),
            "updateP99": seen.number("p99_updatelatency"),
        },
        "connections": seen.number("num_alive_connections"),
        "sessions": seen.number("global_sessions"),
        "outstanding": seen.number("outstanding_requests"),
        "znodes": seen.number("znode_count"),
        "watches": seen.number("watch_count"),
        "syncedFollowers": seen.number("synced_followers"),
        "version": seen.facts.get("version"),
    }
