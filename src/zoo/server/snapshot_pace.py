"""When to take the next snapshot.

ZooKeeper's rule: when so many transactions, or so many bytes of them, have been logged since the
last one began, a number drawn anew each time between half and all of what is configured, so that
members do not take theirs together.

A server that writes a lot over a big tree would do little else than take snapshots. So the driver
says whether it has rested for long enough since the last one; if not, the next one waits until ten
times as much is logged, which bounds what a restart replays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_DELAY_FACTOR = 10


class SnapshotPace:
    def __init__(self, snap_count: int, size_limit: int, rng: Random) -> None:
        """`size_limit` in bytes; 0 for none."""
        self._snap_count = snap_count
        self._size_limit = size_limit
        self._rng = rng
        self._logged = 0
        self._logged_bytes = 0
        self.begun()

    def note_logged(self, count: int, size: int) -> None:
        """So many transactions with so many bytes have been logged."""
        self._logged += count
        self._logged_bytes += size

    def due(self, rested: bool) -> bool:
        """Has enough been logged since the last snapshot was begun?"""
        factor = 1 if rested else _DELAY_FACTOR
        return self._logged > self._at * factor or (
            0 < self._at_bytes * factor < self._logged_bytes
        )

    def begun(self) -> None:
        """A snapshot begins: count anew."""
        self._logged = self._logged_bytes = 0
        half = self._snap_count // 2
        self._at = half + self._rng.randrange(half) if half else 1
        half = self._size_limit // 2
        self._at_bytes = half + self._rng.randrange(half) if half else 0
