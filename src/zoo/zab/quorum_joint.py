"""Between two configurations: what decides has to have a quorum of the old and one of the new.

Theory of operation. While a change of configuration is proposed and not known to be committed,
nobody can tell which of the two holds. Whoever needs a quorum therefore needs both, and any such
pair meets every quorum of either: two leaders, one by each configuration, cannot be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zoo.zab.quorum import QuorumVerifier


class Joint(QuorumVerifier):
    """`voters` are those of either, `observers` those of the old one: an observer that is to vote
    goes on observing until the change is committed, but its vote is needed before that.
    """

    def __init__(self, old: QuorumVerifier, new: QuorumVerifier) -> None:
        self.old = old
        self.new = new
        self.voters = tuple(sorted({*old.voters, *new.voters}))
        self.observers = old.observers
        self.version = old.version

    def __repr__(self) -> str:
        return f"Joint({self.old}, {self.new})"

    def contains_quorum(self, acks: Collection[int]) -> bool:
        return self.old.contains_quorum(acks) and self.new.contains_quorum(acks)

    def quorum_zxid(self, acked: Mapping[int, int]) -> int:
        return min(self.old.quorum_zxid(acked), self.new.quorum_zxid(acked))

    def has_weight_for_all(self, sid: int) -> bool:
        return self.old.weight(sid) > 0

    def weight(self, sid: int) -> int:
        """Who counts in one may have to lead: nobody else can, if it has the longest log and either
        quorum needs it (seed 2098).
        """
        return max(self.old.weight(sid), self.new.weight(sid))
