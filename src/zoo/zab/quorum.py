"""Which sets of servers decide: any two quorums of one configuration have a member in common.

Theory of operation. A `QuorumVerifier` answers two questions: is this set of servers a quorum
(votes, epochs, NEWLEADER), and up to which zxid has a quorum acknowledged (commits). `Majority`
counts; `Hierarchical` splits the voters into groups and asks for a majority of the groups, each won
by more than half of its weight. Only voters ever count: whoever else is in a set is ignored.

The second question is a median, not a search: with the zxids of n voters in falling order, the one
in place n // 2 is reached by a majority. For groups it is a weighted median in each and the median
of those. A change of configuration, where the old and the new one must both agree, is one more
verifier over two: `contains_quorum` is `and`, `quorum_zxid` is `min`, the voters are the union.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping

from zoo.config_ensemble import Ensemble


class QuorumVerifier(ABC):
    """One configuration. `voters` and `observers` are server ids in rising order."""

    voters: tuple[int, ...]
    observers: tuple[int, ...]
    version: int
    """Of the configuration: the zxid of the change that made it, 0 for the one in zoo.cfg."""

    @abstractmethod
    def contains_quorum(self, acks: Collection[int]) -> bool:
        """Whether the voters among `acks` (no server twice) are a quorum."""

    @abstractmethod
    def quorum_zxid(self, acked: Mapping[int, int]) -> int:
        """The highest zxid that a quorum has reached; `acked` is server id -> its last zxid.

        A voter without an entry has reached 0, and so has a quorum at least.
        """

    @abstractmethod
    def weight(self, sid: int) -> int:
        """How much a server's vote counts; 0 for those that may not lead."""

    def has_weight_for_all(self, sid: int) -> bool:
        """Of one that weighs something: whether it does for whoever has not seen a change, too."""
        return True


class Majority(QuorumVerifier):
    """More than half of the voters."""

    def __init__(
        self, voters: Iterable[int], observers: Iterable[int] = (), version: int = 0
    ) -> None:
        self.voters = tuple(sorted(voters))
        self.observers = tuple(sorted(observers))
        self.version = version
        self._half = len(self.voters) // 2

    def __repr__(self) -> str:
        return f"Majority({self.voters}, version={self.version:#x})"

    def contains_quorum(self, acks: Collection[int]) -> bool:
        return sum(sid in self.voters for sid in acks) > self._half

    def quorum_zxid(self, acked: Mapping[int, int]) -> int:
        reached = [acked.get(sid, 0) for sid in self.voters]
        if not reached:
            return 0
        reached.sort(reverse=True)
        return reached[self._half]

    def weight(self, sid: int) -> int:
        return int(sid in self.voters)


class Hierarchical(QuorumVerifier):
    """A majority of the groups, each with more than half of its weight.

    `groups` is voter -> group, `weights` voter -> weight (1 if not given). A group whose voters all
    weigh nothing does not exist as far as quorums go.
    """

    def __init__(
        self,
        groups: Mapping[int, int],
        weights: Mapping[int, int],
        observers: Iterable[int] = (),
        version: int = 0,
    ) -> None:
        self.voters = tuple(sorted(groups))
        self.observers = tuple(sorted(observers))
        self.version = version
        self._group = {sid: groups[sid] for sid in self.voters}
        self._weight = {sid: weights.get(sid, 1) for sid in self.voters}
        self._total: dict[int, int] = {}
        for sid, group in self._group.items():
            if self._weight[sid]:
                self._total[group] = self._total.get(group, 0) + self._weight[sid]

    def __repr__(self) -> str:
        return f"Hierarchical({self._group}, {self._weight}, version={self.version:#x})"

    def contains_quorum(self, acks: Collection[int]) -> bool:
        missing = dict(self._total)
        for sid in acks:
            if self.weight(sid):
                missing[self._group[sid]] -= self._weight[sid]
        won = sum(2 * left < self._total[group] for group, left in missing.items())
        return won > len(self._total) // 2

    def quorum_zxid(self, acked: Mapping[int, int]) -> int:
        if not self._total:
            return 0
        missing = dict(self._total)
        won: list[int] = []
        for zxid, sid in sorted(((acked.get(sid, 0), sid) for sid in self.voters), reverse=True):
            weight = self._weight[sid]
            if not weight:
                continue
            group = self._group[sid]
            total = self._total[group]
            was_won = 2 * missing[group] < total
            missing[group] -= weight
            if not was_won and 2 * missing[group] < total:
                won.append(zxid)
        return won[len(self._total) // 2]

    def weight(self, sid: int) -> int:
        return self._weight.get(sid, 0)


def quorum_of(ensemble: Ensemble) -> QuorumVerifier:
    """The verifier that a configuration asks for: by groups if it lists any."""
    voters = [server.id for server in ensemble.voters]
    observers = [server.id for server in ensemble.observers]
    if not (ensemble.groups or ensemble.weights):
        return Majority(voters, observers, ensemble.version)
    # Groups may name servers that do not vote: they are left out, and so is their weight.
    groups = {sid: ensemble.groups[sid] for sid in voters}
    return Hierarchical(groups, ensemble.weights, observers, ensemble.version)
