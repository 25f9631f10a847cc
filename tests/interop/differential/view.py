"""What two servers must agree on: one side's ids, zxids and times made comparable.

Session ids become their order of appearance. A zxid becomes its distance from the zxid at the start
of the stream: exact, because ZooKeeper spends a zxid on a failed write too. A time becomes its
relation to the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

STAT_FIELDS = (
    *("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion"),
    *("ephemeralOwner", "dataLength", "numChildren", "pzxid"),
)
COUNTERS = ("version", "cversion", "aversion")
CLOCK_SLACK_MS = 60_000


class View:
    """The normalisation of one side during one stream."""

    def __init__(self) -> None:
        self.base = 0
        self._sessions: dict[int, str] = {}
        # Counters of nodes that outlive a stream ("/", "/zookeeper"...), as they were at its start.
        self._shared: dict[str, dict[str, int]] = {}

    def begin(self, base: int, shared: Mapping[str, tuple[int, ...]]) -> None:
        """Zxids count from `base`; versions of the `shared` nodes from these Stats."""
        self.base = base
        for path, stat in shared.items():
            values = dict(zip(STAT_FIELDS, stat))
            self._shared[path] = {field: values[field] for field in COUNTERS}

    def session(self, session_id: int) -> str:
        if session_id == 0:
            return "none"
        return self._sessions.setdefault(session_id, f"session{len(self._sessions)}")

    def zxid(self, zxid: int) -> str:
        if zxid <= 0:
            return str(zxid)
        return "old" if zxid < self.base else f"+{zxid - self.base}"

    def real_zxid(self, value: int | str) -> int:
        """An int counts from the start of the stream; text is the number itself."""
        return int(value) if isinstance(value, str) else self.base + value

    def stat(self, raw: tuple[int, ...], path: str | None) -> dict[str, Any]:
        stat: dict[str, Any] = dict(zip(STAT_FIELDS, raw))
        stat["ctime"], stat["mtime"] = self._times(stat)
        for field in ("czxid", "mzxid", "pzxid"):
            stat[field] = self.zxid(stat[field])
        owner = stat["ephemeralOwner"]
        stat["ephemeralOwner"] = self._sessions.get(owner, hex(owner & (1 << 64) - 1))
        for field, value in self._shared.get(path or "", {}).items():
            stat[field] -= value
        return stat

    def _times(self, stat: Mapping[str, int]) -> tuple[str, str]:
        created, modified = stat["ctime"], stat["mtime"]
        if stat["czxid"] == stat["mzxid"] and modified != created:
            relation = "differs from ctime of the same zxid"
        elif modified < created:
            relation = "before ctime"
        else:
            relation = "ok"
        return self._time(
            stat["czxid"], created
        ), f"{self._time(stat['mzxid'], modified)} {relation}"

    def _time(self, zxid: int, ms: int) -> str:
        if zxid < self.base:
            return "old" if ms else "0"
        off = ms - time.time() * 1000
        return "now" if abs(off) < CLOCK_SLACK_MS else f"off by {off:.0f} ms"
