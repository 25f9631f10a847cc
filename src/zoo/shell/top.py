"""top: the members of an ensemble, over and over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from zoo.client.errors import ClientError
from zoo.client.following import listed
from zoo.client.hosts import Server, parse
from zoo.shell.extras import extra
from zoo.shell.members import Look, lag, leader_of, look, member_json
from zoo.shell.problems import Problem
from zoo.shell.session import Shell
from zoo.shell.values import iso

_DISCOVERY_SECONDS = 3.0
HEADS = (
    *("server", "role", "zxid", "lag", "req/s", "avg ms", "max ms", "clients"),
    *("sessions", "queued", "znodes", "watches"),
)
_FIRST_TO_GO = ("watches", "znodes", "sessions", "queued", "max ms", "clients", "zxid")
_LONGEST_TROUBLE = 20
"""Characters; in place of a role, and it may take several lines."""
Row = tuple[str, ...]


async def top(shell: Shell, *, once: bool, interval: float) -> None:
    """The servers of the connect string; of a single one, all members that its ensemble has."""
    view = _View(shell, await _members(shell), interval)
    if shell.out.as_json or once or not shell.out.is_terminal:
        await view.look()
        while True:
            await asyncio.sleep(interval)
            await view.look()
            view.print()
            if once:
                break
        if all(not seen.role for seen in view.looks):
            raise Problem(f"no server of {shell.link.hosts} serves")
        return
    await view.live()


async def _members(shell: Shell) -> list[Server]:
    given = list(parse(shell.link.hosts).servers)
    if len(given) > 1:
        return given
    was_connected = shell.client is not None
    try:
        async with asyncio.timeout(_DISCOVERY_SECONDS):
            if not was_connected:
                await shell.connect()
            found = listed((await shell.zk.get_config()).data)
    except (ClientError, TimeoutError, OSError, ValueError):
        return given
    finally:
        if not was_connected:
            await shell.close()
    return given if found.silent or not found.servers else list(found.servers)


class _View:
    def __init__(self, shell: Shell, members: list[Server], interval: float) -> None:
        self._shell = shell
        self._members = members
        self._interval = interval
        self._before: dict[Server, Look] = {}
        self.looks: list[Look] = []

    async def look(self) -> None:
        self._before = {seen.server: seen for seen in self.looks}
        timeout = max(2.0, self._interval)
        ssl = self._shell.link.ssl()
        self.looks = await asyncio.gather(*(look(each, timeout, ssl) for each in self._members))

    def print(self) -> None:
        leader = leader_of(self.looks)
        if self._shell.out.as_json:
            members = [member_json(s, self._before.get(s.server), leader) for s in self.looks]
            self._shell.out.show({"time": iso(int(time.time() * 1000)), "members": members})
        else:
            rows = [HEADS, *self.rows()]
            widths = _widths(rows)
            for row in rows:
                line = "  ".join(text.ljust(width) for text, width in zip(row, widths))
                self._shell.out.show(None, line.rstrip())

    def rows(self) -> list[Row]:
        leader = leader_of(self.looks)
        return [row(seen, self._before.get(seen.server), leader) for seen in self.looks]

    async def live(self) -> None:
        """Until Ctrl-C."""
        with extra("zoo top on a terminal"):
            from zoo.shell import display
        await self.look()
        with display.Display() as screen:
            while True:
                screen.show(self.rows(), self._shell.link.hosts)
                await asyncio.sleep(self._interval)
                await self.look()


def row(seen: Look, before: Look | None, leader: Look | None) -> Row:
    name = str(seen.server)
    if not seen.role:
        return (name, seen.trouble, *[""] * (len(HEADS) - 2))
    behind = lag(seen, leader)
    rate = seen.rate(before)
    return (
        name,
        seen.role,
        f"0x{seen.zxid:x}",
        "?" if behind is None else str(behind),
        "" if rate is None else f"{rate:.0f}",
        seen.facts.get("avg_latency", ""),
        seen.facts.get("max_latency", ""),
        seen.facts.get("num_alive_connections", ""),
        seen.facts.get("global_sessions", ""),
        seen.facts.get("outstanding_requests", ""),
        seen.facts.get("znode_count", ""),
        seen.facts.get("watch_count", ""),
    )


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(len(each[n]) for each in rows) for n in range(len(HEADS))]


def columns_for(rows: Sequence[Row], width: int, gap: int) -> list[int]:
    """The indices of those that fit on a screen so wide: who serves as what outlives the counts."""
    widths = _widths([HEADS, *rows])
    widths[1] = min(widths[1], _LONGEST_TROUBLE)
    fitting = list(range(len(HEADS)))
    for name in _FIRST_TO_GO:
        if sum(widths[n] + gap for n in fitting) - gap <= width:
            break
        fitting.remove(HEADS.index(name))
    return fitting


def style_of(shown: Row) -> str:
    """How a row is shown, in rich's words."""
    if not any(shown[2:]):
        return "red"
    return "bold green" if shown[1] in ("leader", "standalone") else ""
