"""HashRing: which member is responsible for a key; few keys move when members come and go.

Guarantee: the answer depends on the members, their weights and the key alone, on every machine and
in every run. When a member is added, keys move only to it; when one is removed, only its keys move.
`assign` spreads a known list of keys with bounded load: no member gets more than `ceil(keys /
members * balance)` of them (by weight); there a few more keys move, from members that are full.
`rebalance` starts from who has which key now: afterwards each member has its share, rounded down or
up, and of what was balanced before keys move only to members that came and from those that left
(with weights, which shift every share, now and then one more).
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping

DEFAULT_POINTS = 128
MAX_WEIGHT = 1_000
"""A ring has `points` for each unit of weight: more would take seconds to build."""
_BAND = 1e-9  # a share of 3.0000000000000004 is 3


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def check_weight(weight: float, of: str) -> None:
    """Raises ValueError."""
    if not 0 < weight <= MAX_WEIGHT:
        raise ValueError(f"the weight of {of} must be positive, {MAX_WEIGHT} at most, not {weight}")


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
        check_weight(weight, repr(member))
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

    def rebalance(self, keys: Iterable[str], previous: Mapping[str, str]) -> dict[str, str]:
        """Key -> member, level, and as few moves from `previous` (key -> member) as that takes."""
        wanted = sorted(set(keys), key=lambda key: (_hash(key), key))
        if wanted and not self._ring:
            raise LookupError("the ring has no member")
        level = _Level(self, wanted)
        homeless = []
        for key in wanted:
            if (member := previous.get(key)) in self._weights:
                level.give(key, member)
            else:
                homeless.append(key)
        for key in homeless:
            level.give(key, level.nearest_with_room(key))
        while (move := level.next_move()) is not None:
            level.give(*move)
        return {key: level.owner[key] for key in wanted}


class _Level:
    """Loads of members beside their shares; every member shall have its share, down or up."""

    def __init__(self, ring: HashRing, keys: list[str]) -> None:
        total = sum(ring._weights.values())
        self._ring = ring
        self._share = {m: len(keys) * ring._weights[m] / total for m in ring.members}
        self._least = {m: math.floor(share + _BAND) for m, share in self._share.items()}
        self._most = {m: math.ceil(share - _BAND) for m, share in self._share.items()}
        self._load = dict.fromkeys(self._share, 0)
        self.owner: dict[str, str] = {}

    def give(self, key: str, member: str) -> None:
        if (former := self.owner.get(key)) is not None:
            self._load[former] -= 1
        self._load[member] += 1
        self.owner[key] = member

    def nearest_with_room(self, key: str) -> str:
        """The first along the ring that has less than its share."""
        along = self._ring.owners(key, len(self._share))
        for bound in (self._least, self._most):
            for member in along:
                if self._load[member] < bound[member]:
                    return member
        return min(along, key=self._excess)

    def _excess(self, member: str) -> float:
        return self._load[member] - self._share[member]

    def next_move(self) -> tuple[str, str] | None:
        """The key to move next and to whom; None: everybody has a share."""
        fullest = max(self._share, key=self._excess, default=None)
        emptiest = min(self._share, key=self._excess, default=None)
        if fullest is None or emptiest is None:
            return None
        if (
            self._load[fullest] <= self._most[fullest]
            and self._load[emptiest] >= self._least[emptiest]
        ):
            return None
        theirs = [key for key, member in self.owner.items() if member == fullest]
        everybody = len(self._share)
        return (
            min(theirs, key=lambda key: self._ring.owners(key, everybody).index(emptiest)),
            emptiest,
        )
