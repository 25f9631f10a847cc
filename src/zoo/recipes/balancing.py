"""Which instance of a service gets the next request: balancers, small and without IO.

A balancer sees the instances that may be chosen, never none, ordered by id, and picks one of
them; the list may be another at each call. It is told of requests under way by `started` and
`finished` (`ServiceCache.use` does that). One balancer belongs to one event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

from zoo.recipes.ring import HashRing


class Candidate(Protocol):
    """What a balancer needs to know of an instance."""

    @property
    def id(self) -> str: ...

    @property
    def weight(self) -> float:
        """Positive; 2 is to get twice what 1 gets."""


C = TypeVar("C", bound=Candidate)


class Balancer:
    """Picks the first: the base of the others, and a way to prefer one instance to the rest."""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """One of the candidates; `key` is what consistent hashing goes by."""
        return candidates[0]

    def started(self, candidate: Candidate) -> None:
        """A request to it is under way."""

    def finished(self, candidate: Candidate) -> None:
        """It was answered, or failed."""


class RoundRobin(Balancer):
    """One after the other, by id: of n picks among the same n each gets one."""

    def __init__(self) -> None:
        self._last = ""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        chosen = next((each for each in candidates if each.id > self._last), candidates[0])
        self._last = chosen.id
        return chosen


class Weighted(Balancer):
    """Round robin by weight, interleaved: with weights 2 and 1 it goes a b a, not a a b.

    Each pick credits everybody with its weight, and the chosen one pays for all.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        credit = {each.id: self._credit.get(each.id, 0.0) + each.weight for each in candidates}
        chosen = max(candidates, key=lambda each: credit[each.id])
        credit[chosen.id] -= sum(each.weight for each in candidates)
        self._credit = credit
        return chosen


class LeastUsed(Balancer):
    """The one with the fewest requests under way for its weight; of equals the longest unused."""

    def __init__(self) -> None:
        self._in_use: Counter[str] = Counter()
        self._picked: dict[str, int] = {}
        self._picks = 0

    def in_use(self, candidate: Candidate) -> int:
        """Requests under way to it."""
        return self._in_use[candidate.id]

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        def load(each: Candidate) -> tuple[float, int]:
            return (self._in_use[each.id] + 1) / each.weight, self._picked.get(each.id, 0)

        chosen = min(candidates, key=load)
        self._picks += 1
        self._picked[chosen.id] = self._picks
        return chosen

    def started(self, candidate: Candidate) -> None:
        self._in_use[candidate.id] += 1

    def finished(self, candidate: Candidate) -> None:
        self._in_use[candidate.id] -= 1
        if self._in_use[candidate.id] <= 0:
            del self._in_use[candidate.id]


class ConsistentHash(Balancer):
    """The same key, the same instance, in every client; few keys move when instances come and go.

    The ring is kept between picks, and changed by those who came and went.
    """

    def __init__(self) -> None:
        self._ring = HashRing()
        self._weights: dict[str, float] = {}

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        if not key:
            raise ValueError("consistent hashing needs a key to go by")
        weights = {each.id: each.weight for each in candidates}
        if weights != self._weights:
            for gone in self._weights.keys() - weights.keys():
                self._ring.remove(gone)
            for name, weight in weights.items():
                if self._weights.get(name) != weight:
                    self._ring.add(name, weight)
            self._weights = weights
        owner = self._ring.owner(key)
        return next(each for each in candidates if each.id == owner)
