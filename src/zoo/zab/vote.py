"""Votes of leader election and their order.

A vote names a leader and the history it stands for: its last logged zxid and the epoch it last
followed (`peer_epoch`, currentEpoch on disk). It is cast in a round (`election_epoch`, the logical
clock). Within a round everybody ends with the greatest vote: the latest epoch, then the longest
history in it, then the largest server id. The epoch comes first since a zxid of an older epoch may
be larger only by transactions that no quorum had (ZOOKEEPER-335). While a change of the
configuration is under way, who weighs something already may come first (`succeeds`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from zoo.zab.quorum import QuorumVerifier

NOBODY = -(1 << 63)
"""Leader, zxid and epoch in the vote of a server that does not vote, as on the wire."""
UNKNOWN_ZXID = -1
"""The zxid of a server that does not know its history and may not be counted or elected."""


class ServerState(IntEnum):
    """What a server does, by its number in notifications."""

    LOOKING = 0
    FOLLOWING = 1
    LEADING = 2
    OBSERVING = 3


class Vote(NamedTuple):
    """One server's choice. `config_version` is that of the configuration it was made under."""

    leader: int
    zxid: int
    election_epoch: int
    peer_epoch: int
    config_version: int = 0

    def __str__(self) -> str:
        return (
            f"{self.leader} with 0x{self.zxid & (1 << 64) - 1:x} of epoch {self.peer_epoch} "
            f"in round {self.election_epoch}"
        )


class Ballot(NamedTuple):
    """A vote as it came from a peer: its state then, and the format of its message."""

    vote: Vote
    state: ServerState
    version: int


def succeeds(new: Vote, old: Vote, quorum: QuorumVerifier) -> bool:
    """Whether `new` is the better choice of the two. Rounds are not compared here.

    Who weighs nothing cannot lead (ZOOKEEPER-1419), so anybody else is better: otherwise such a
    server with the longest history would go on voting for itself and never see an end.

    Not all may know of a change yet, and who does not votes for nobody who weighs something only by
    that: so in even rounds others come first (seed 5208), and who has the longer history does not
    count for their discovery. Where no quorum is to be had without it, it has to lead: so in odd
    rounds others come first only of equals (seed 2098). One kind of round follows the other.
    """
    if not quorum.weight(new.leader):
        return False
    if not quorum.weight(old.leader):
        return True
    return _rank(new, quorum) > _rank(old, quorum)


def _rank(vote: Vote, quorum: QuorumVerifier) -> tuple[bool, int, int, bool, int]:
    for_all = quorum.has_weight_for_all(vote.leader)
    comes_first = for_all and vote.election_epoch % 2 == 0
    return comes_first, vote.peer_epoch, vote.zxid, for_all, vote.leader


def agrees(one: Ballot, other: Ballot, one_round: bool = False) -> bool:
    """Whether two ballots are for the same leader in the same place of history.

    While one of the two is looking everything must be equal. Of servers that have settled only the
    leader and its epoch are compared: their zxid and round are of the time when they voted, which
    was not the same for all (ZOOKEEPER-1805). The epoch is left out too before message version 1,
    which did not keep it up to date (ZOOKEEPER-1732), and between votes of `one_round`: there a
    leader stands for one history, and who has synchronised already has a later epoch.
    """
    mine, theirs = one.vote, other.vote
    if ServerState.LOOKING in (one.state, other.state):
        return mine[:4] == theirs[:4]
    if one_round or (one.version > 0) != (other.version > 0):
        return mine.leader == theirs.leader
    return mine.leader == theirs.leader and mine.peer_epoch == theirs.peer_epoch
