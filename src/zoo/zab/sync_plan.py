"""How a learner's log is made a prefix of the leader's history, with the least to send.

Theory of operation. A zxid names one transaction, since an epoch has one leader and a leader gives
a zxid once; and whoever logged it had logged all that lay before it in that leader's history. So
the learner's last zxid tells how far the two histories agree:

- It is in ours: what follows is sent (DIFF).
- It is not: the learner has transactions of an old epoch that never were committed, or of our own
  that it will get again. The last of our zxids below it is where the histories part; the learner
  cuts back to there and gets the rest from there on (TRUNC). It does have that zxid: a leader
  proposes nothing before a quorum has its history, so what it began with is part of ours.
- It lies before all that we remember, or means nothing: the state as a whole (SNAP).

A Java learner that is cut back may still keep what lies behind, in a snapshot (ZOOKEEPER-4837).
Where our history goes on beyond its last zxid it gets our snapshot instead, which supersedes all it
has, and which a Java leader would send it, too. Where ours ends before, only cutting helps.

A zxid with counter 0 is no transaction's. A Java server says so of a history that an established
leader of that epoch gave it, or that it had itself when it was established: all of that is
committed, therefore ours, and nothing of the epoch itself is there. It is never cut.
"""

from __future__ import annotations

from typing import NamedTuple

from zoo.zab.history import History
from zoo.zab.packets import PacketType
from zoo.zxid import MAX_COUNTER

NO_HISTORY = MAX_COUNTER
"""What a learner presents that must have a snapshot: the last zxid of epoch 0, which nobody has."""


class SyncPlan(NamedTuple):
    """`kind` with `zxid` is the packet to begin with: DIFF to where, TRUNC to where, or SNAP.

    Then all of the history behind `after` follows. For SNAP both are those of the snapshot, and
    only known when it is taken: they are the end of the history here.
    """

    kind: PacketType
    zxid: int
    after: int


def plan_sync(history: History, end: int, theirs: int, cuts_exactly: bool = True) -> SyncPlan:
    """For a learner whose log ends with `theirs`; our history counts up to `end`. `cuts_exactly`:
    it is none of Java's (zoo.zab.packets.EXACT_CUT).

    `end` is the last committed zxid of an established leader. For one that is not established yet
    all that it has logged is history.
    """
    if theirs == end:
        return SyncPlan(PacketType.DIFF, end, end)
    common = None if theirs == NO_HISTORY else history.preceding(theirs)
    if common is not None:
        common = min(common, end)
        if common == theirs or not theirs & MAX_COUNTER:
            return SyncPlan(PacketType.DIFF, end, common)
        if cuts_exactly or theirs > end:
            return SyncPlan(PacketType.TRUNC, common, common)
    return SyncPlan(PacketType.SNAP, end, end)
