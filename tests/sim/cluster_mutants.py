"""Ensembles with one thing broken each: what the checkers of the protocol must see.

Most are bugs that ZooKeeper had (their numbers stand with them); tests/sim/test_known_bugs.py says
which. Each is put back by replacing one function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from zoo.sim.zab_disk import ZabDisk
from zoo.sim.zab_replica import ZabReplica
from zoo.sim.zab_server import ZabServer
from zoo.zab import learner_handler
from zoo.zab.election import Election
from zoo.zab.leader import Leader
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.learner import Learner
from zoo.zab.learner_log import LearnerLog
from zoo.zab.log_queue import LogQueue
from zoo.zab.packet_runs import committed_proposals
from zoo.zab.packets import Packet, PacketType, bare
from zoo.zab.ping_rounds import PingRounds
from zoo.zab.quorum import Majority
from zoo.zab.ready import Ready
from zoo.zab.sync_plan import SyncPlan, plan_sync

Patch = pytest.MonkeyPatch


# --- acknowledging


def acks_before_the_disk(patch: Patch) -> None:
    """A follower acknowledges proposals that its disk has not yet."""

    def all_of_them(self: LearnerLog) -> list[int]:
        acks = list(self._unacked)
        self._unacked.clear()
        return acks

    patch.setattr(LearnerLog, "take_acks", all_of_them)


def new_leader_acked_at_once(patch: Patch) -> None:
    """ZOOKEEPER-3911, 4646: NEWLEADER is acknowledged while its history is on its way."""
    new_leader = Learner._new_leader

    def hasty(self: Learner, packet: Packet) -> None:
        new_leader(self, packet)
        self._awaits_current, self._is_in_epoch = False, True
        self._send(bare(PacketType.ACK, self.epoch << 32))

    patch.setattr(Learner, "_new_leader", hasty)


def epoch_before_its_history(patch: Patch) -> None:
    """ZOOKEEPER-4643: currentEpoch is written before the transactions of the synchronisation."""
    steps = ZabServer._steps

    def reordered(self: ZabServer, ready: Ready) -> Any:
        return sorted(steps(self, ready), key=lambda step: step[0] != "follow")

    patch.setattr(ZabServer, "_steps", reordered)


def promises_before_the_disk(patch: Patch) -> None:
    """ACKEPOCH leaves before acceptedEpoch is written."""
    leader_info = Learner._leader_info

    def hasty(self: Learner, packet: Packet) -> None:
        leader_info(self, packet)
        if self._awaits_accepted:
            self._awaits_accepted = False
            self._ack_epoch(self._context.epochs.current)

    patch.setattr(Learner, "_leader_info", hasty)


def promises_are_forgotten(patch: Patch) -> None:
    """acceptedEpoch is renamed into place and the directory not synced: hazard 3."""
    power_failure = ZabDisk.power_failure

    def forgetful(self: ZabDisk, rng: Any) -> None:
        power_failure(self, rng)
        self.accepted = self.current

    patch.setattr(ZabDisk, "power_failure", forgetful)


# --- deciding


def half_is_a_quorum(patch: Patch) -> None:
    patch.setattr(
        Majority,
        "contains_quorum",
        lambda self, acks: sum(sid in self.voters for sid in acks) >= len(self.voters) / 2,
    )


def one_ack_commits(patch: Patch) -> None:
    patch.setattr(Majority, "quorum_zxid", lambda self, acked: max(acked.values()))


def acks_outlive_their_link(patch: Patch) -> None:
    """What a follower acknowledged counts after it was cut back."""
    drop = Broadcast.drop

    def keeping(self: Broadcast, learner: Any) -> None:
        acked = self._acked.copy()
        drop(self, learner)
        self._acked.update(acked)

    patch.setattr(Broadcast, "drop", keeping)


def the_same_epoch_again(patch: Patch) -> None:
    """A leader takes an epoch that was promised before."""
    init = Leader.__init__

    def modest(self: Leader, context: Any) -> None:
        context.epochs.accepted -= 1
        init(self, context)
        context.epochs.accepted += 1

    patch.setattr(Leader, "__init__", modest)
    introduced = Leader.introduced
    patch.setattr(Leader, "introduced", lambda self, h, accepted: introduced(self, h, accepted - 1))


def who_is_ahead_is_ignored(patch: Patch) -> None:
    """A leader takes promises of those who have what it lacks."""
    promised = Leader.promised

    def deaf(self: Leader, handler: Any, current: int) -> None:
        last, handler.last_zxid = handler.last_zxid, 0
        promised(self, handler, min(current, 0))
        handler.last_zxid = last

    patch.setattr(Leader, "promised", deaf)


def served_before_the_quorum(patch: Patch) -> None:
    """UPTODATE goes to who acknowledges NEWLEADER, quorum or not."""
    in_step = Leader.in_step

    def eager(self: Leader, handler: Any) -> None:
        in_step(self, handler)
        if not self.is_established:
            handler.up_to_date()

    patch.setattr(Leader, "in_step", eager)


def deposed_leaders_answer_syncs(patch: Patch) -> None:
    """ZooKeeper's leader answers a sync without asking whether it leads still."""
    patch.setattr(PingRounds, "after_this", lambda self, sid: 0)


# --- synchronising


def old_tails_stay(patch: Patch) -> None:
    """ZOOKEEPER-1154, 2832: DIFF for a learner whose log has a tail that nobody committed."""

    def plan(history: Any, end: int, theirs: int, *how: Any) -> SyncPlan:
        found = plan_sync(history, end, theirs, *how)
        if found.kind is PacketType.TRUNC:
            return SyncPlan(PacketType.DIFF, max(end, theirs), found.after)
        return found

    patch.setattr(learner_handler, "plan_sync", plan)


def commits_apply_in_sync(patch: Patch) -> None:
    """ZOOKEEPER-2845: what comes in synchronisation is applied before its leader is established."""
    init = LearnerLog.__init__

    def eager(self: LearnerLog, context: Any) -> None:
        init(self, context)
        self._serving = True

    patch.setattr(LearnerLog, "__init__", eager)


def commits_in_sync_are_dropped(patch: Patch) -> None:
    """ZOOKEEPER-4394, 3023: COMMIT between NEWLEADER and UPTODATE gets lost."""
    commit = LearnerLog.commit

    def deaf(self: LearnerLog, zxid: int) -> None:
        if self._serving or not self._acking:
            commit(self, zxid)
        elif self._uncommitted and self._uncommitted[0][0] == zxid:
            self._uncommitted.popleft()

    patch.setattr(LearnerLog, "commit", deaf)


def diffs_miss_the_history(patch: Patch) -> None:
    """ZOOKEEPER-4925: what came in synchronisation is not remembered for other learners."""
    append = LearnerLog.append

    def forgetful(self: LearnerLog, zxid: int, entry: bytes) -> None:
        if self._acking or self._serving:
            append(self, zxid, entry)
            return
        history, end = self._history, self._log.appended
        append(self, zxid, entry)
        if history.last_zxid == zxid and history.committed <= end:
            history.reset(zxid)
            history.floor = end  # as if nothing lay between

    patch.setattr(LearnerLog, "append", forgetful)


def diffs_miss_the_log(patch: Patch) -> None:
    """ZOOKEEPER-4785: what came in synchronisation is not logged."""
    append = LearnerLog.append

    def lossy(self: LearnerLog, zxid: int, entry: bytes) -> None:
        if self._acking or self._serving:
            append(self, zxid, entry)
        else:
            self._log.appended = zxid
            self._history.append(zxid, entry)
            self._uncommitted.append((zxid, entry))

    patch.setattr(LearnerLog, "append", lossy)


def cut_states_stay(patch: Patch) -> None:
    """ZOOKEEPER-5094: the log is cut back, the state in memory is not."""
    patch.setattr(ZabReplica, "reload", lambda self, prefix: None)


def new_leader_before_the_state(patch: Patch) -> None:
    """ZOOKEEPER-3104: NEWLEADER goes out ahead of what it stands for."""

    def early(head: Iterator[bytes], history: Any, new_leader: bytes) -> Iterator[bytes]:
        yield from head
        yield new_leader
        for first, entries in history:
            yield committed_proposals(first, entries)

    patch.setattr(learner_handler, "_sync_packets", early)


def cuts_do_nothing(patch: Patch) -> None:
    """ZOOKEEPER-3701: cutting the log fails and is reported done."""
    patch.setattr(ZabDisk, "truncate", lambda self, zxid: None)


# --- electing


def votes_before_the_disk(patch: Patch) -> None:
    """ZOOKEEPER-4712: what an earlier role has given to the disk gets there during an election."""
    patch.setattr(LogQueue, "is_idle", True)


def elections_forget_epochs(patch: Patch) -> None:
    """Votes count zxids alone."""
    begin = Election.begin
    patch.setattr(Election, "begin", lambda self, zxid, epoch, now, _: begin(self, 0, 0, now))
