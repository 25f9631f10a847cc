"""HashRing: which member is responsible for a key; few keys move when members come and go.

Guarantee: the answer depends on the members, their weights and the key alone, on every machine and
in every run. When a member is added, keys move only to it; when one is removed, only its keys move.
`assign` spreads a known list of keys with bounded load: no member gets more than `ceil(keys /
members * balance)` of them (by weight); there a few more keys move, from members that are full.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping

DEFAULT_POINTS = 128


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class HashRing:
    """Consistent hashing; `points` per member of weight 1: more of them spread more evenly."""

    def __init__(
        self, members: Iterable[str] | Mapping[str, float] = (), points: int = DEFAULT_POINTS
    ) -> None:
        if points < 1:
            raise ValueError(f"a member has at least one point, not {points}")
        self._points = points
        self._ring: list[tuple[int, str]] = []
        self._weights: dict[str, float] = {}
        weights = members if isinstance(members, Mapping) else dict.fromkeys(members, 1.0)
        for name, weight in weights.items():
            self.add(name, weight)

    def __repr__(self) -> str:
        return f"<HashRing {self.members}>"

    @property
    def members(self) -> list[str]:
        return sorted(self._weights)

    def add(self, member: str, weight: float = 1.0) -> None:
        """Replaces one of the same name."""
        if not weight > 0:
            raise ValueError(f"the weight of {member!r} must be positive, not {weight}")
        self.remove(member)
        self._weights[member] = weight
        count = max(1, round(self._points * weight))
        self._ring += ((_hash(f"{member}#{n}"), member) for n in range(count))
        self._ring.sort()

    def remove(self, member: str) -> None:
        if self._weights.pop(member, None) is not None:
            self._ring = [point for point in self._ring if point[1] != member]

    def owner(self, key: str) -> str:
        """Raises LookupError when there is no member."""
        return self.owners(key, 1)[0]

    def owners(self, key: str, count: int) -> list[str]:
        """The first `count` different members for a key (all, when there are fewer)."""
        if not self._ring:
            raise LookupError("the ring has no member")
        start = bisect_right(self._ring, (_hash(key), "\U0010ffff"))
        found: dict[str, None] = {}
        for n in range(len(self._ring)):
            found[self._ring[(start + n) % len(self._ring)][1]] = None
            if len(found) >= count:
                break
        return list(found)

    def assign(self, keys: Iterable[str], balance: float = 1.25) -> dict[str, str]:
        """Key -> member with bounded load; the order of the keys does not matter."""
        if balance < 1:
            raise ValueError(f"balance {balance} leaves keys without a member")
        wanted = sorted(set(keys), key=lambda key: (_hash(key), key))
        total = sum(self._weights.values())
        room = {
            member: math.ceil(len(wanted) * weight / total * balance)
            for member, weight in self._weights.items()
        }
        result = {}
        for key in wanted:
            member = next(m for m in self.owners(key, len(self._weights)) if room[m] > 0)
            room[member] -= 1
            result[key] = member
        return result
