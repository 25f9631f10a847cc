"""Known bugs whose gate is a test of one part: the bug is put back, and that test must fail.

These show on one disk or in one object already, so no world is needed to see them. The gates that
need a whole ensemble are in test_known_bugs.py; docs/CORRECTNESS.md lists all.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import test_config as config
from tests.persistence import test_installing as installing
from tests.persistence import test_recovery as recovery
from tests.persistence import test_truncation as truncation
from tests.persistence.crashes import disk_with, recovered
from tests.server import test_member as member
from tests.zab import test_election as election
from tests.zab import test_election_outcomes as outcomes
from tests.zab import test_leader as leader
from tests.zab import test_learner_log as learner_log
from tests.zab import test_log_queue as log_queue
from tests.zab import test_observer as observer
from zoo import config as config_module
from zoo.persistence import installing as installing_module
from zoo.persistence import recovery as recovery_module
from zoo.persistence import redo
from zoo.persistence import truncation as truncation_module
from zoo.server.member import Member
from zoo.sim.disk import Disk, MemorySnapshotWriter, MemoryStorage
from zoo.zab.election import Election
from zoo.zab.leader_broadcast import Broadcast
from zoo.zab.learner_log import LearnerLog
from zoo.zab.log_queue import LogQueue
from zoo.zab.observer import Observer
from zoo.zab.packets import Packet

Patch = pytest.MonkeyPatch
E1 = 1 << 32


# --- the bugs


def cuts_are_not_synced(patch: Patch) -> None:
    def cut(self: MemoryStorage, name: str, size: int) -> None:
        del self.disk.files[name].data[size:]

    patch.setattr(MemoryStorage, "truncate_log", cut)


def failed_cuts_are_reported_done(patch: Patch) -> None:
    def careless(self: MemoryStorage, operation: str, name: str, file: Any) -> None:
        file.sync()

    patch.setattr(MemoryStorage, "_sync_file", careless)


def snapshots_beyond_the_cut_stay(patch: Patch) -> None:
    base = truncation_module._base
    patch.setattr(truncation_module, "_base", lambda *args: (base(*args)[0], []))


def snapshots_are_not_synced(patch: Patch) -> None:
    sync_file = MemoryStorage._sync_file

    def lazy(self: MemoryStorage, operation: str, name: str, file: Any) -> None:
        if "snapshot" not in name:
            sync_file(self, operation, name, file)

    patch.setattr(MemoryStorage, "_sync_file", lazy)


def names_are_not_synced(patch: Patch) -> None:
    patch.setattr(Disk, "sync_directory", lambda self, *, of_logs: None)


def partial_snapshots_are_published(patch: Patch) -> None:
    write = MemorySnapshotWriter.write

    def eager(self: MemorySnapshotWriter, chunk: bytes) -> None:
        write(self, chunk[: len(chunk) // 2])
        self.commit()
        write(self, chunk[len(chunk) // 2 :])

    patch.setattr(MemorySnapshotWriter, "write", eager)


def changes_have_no_note(patch: Patch) -> None:
    """Old history and new one are exchanged file by file, and nobody knows how far it came."""

    def steps(storage: Any, kind: str, zxid: int, change: redo.Change) -> Any:
        if change.publish is not None:
            storage.publish(change.publish)
            yield "published"
        for name in change.remove:
            storage.remove(name)
            storage.sync_names()
            yield f"removed {name}"
        if change.cut is not None:
            storage.truncate_log(*change.cut)

    patch.setattr(installing_module, "change_steps", steps)
    patch.setattr(truncation_module, "change_steps", steps)


def lost_snapshots_do_not_matter(patch: Patch) -> None:
    patch.setattr(recovery_module, "_require_whole_history", lambda snapshots, logs: None)


def gaps_do_not_matter(patch: Patch) -> None:
    patch.setattr(recovery_module, "follows", lambda previous, zxid: True)


def counters_run_over(patch: Patch) -> None:
    patch.setattr(Broadcast, "is_exhausted", property(lambda self: False))


def the_deserted_wait(patch: Patch) -> None:
    patch.setattr(Election, "is_deserted", property(lambda self: False))


def epochs_in_votes_stay_old(patch: Patch) -> None:
    patch.setattr(Election, "established", lambda self, epoch: None)


def any_append_goes(patch: Patch) -> None:
    def append(self: LogQueue, zxid: int, entry: bytes) -> None:
        self.appended = zxid

    patch.setattr(LogQueue, "append", append)


def any_commit_goes(patch: Patch) -> None:
    def commit(self: LearnerLog, zxid: int) -> None:
        while self._uncommitted and self._uncommitted[0][0] <= zxid:
            self._uncommitted.popleft()

    patch.setattr(LearnerLog, "commit", commit)


def failed_applies_are_passed_over(patch: Patch) -> None:
    commit = LearnerLog.commit

    def careless(self: LearnerLog, zxid: int) -> None:
        with contextlib.suppress(AssertionError):
            commit(self, zxid)

    patch.setattr(LearnerLog, "commit", careless)


def digests_are_not_compared(patch: Patch) -> None:
    patch.setattr(Member, "_check_digest", lambda self, zxid, entry, agrees: None)


def nothing_is_refused(patch: Patch) -> None:
    patch.setattr(config_module._Builder, "notice", lambda self, key, setting: None)


def informs_need_a_proposal(patch: Patch) -> None:
    def take(self: Observer, packet: Packet, entry: bytes | None) -> None:
        self._received.commit(packet.zxid)

    patch.setattr(Observer, "_take", take)
    patch.setattr(Observer, "_take_runs", lambda self, data, pos: pos)


# --- what guards against them

Disks = Callable[[Path], None]


def on_a_disk(test: Callable[[recovery.Disk], None]) -> Disks:
    def run(path: Path) -> None:
        disk = recovery.Disk(path)
        try:
            test(disk)
        finally:
            disk.storage.close()

    return run


def without_one(test: Callable[[], None]) -> Disks:
    return lambda path: test()


def cut_that_survives_the_power() -> None:
    for seed in range(20):
        disk = disk_with(truncation.LOGS, [0])
        truncation.cut(disk, E1 + 1)
        disk.power_failure(Random(seed))
        assert recovered(disk) == (0, [zxid for zxid in truncation.ALL if zxid <= E1 + 1])


every_cut = without_one(
    lambda: truncation.test_every_crash_leaves_the_whole_history_or_the_cut_one(E1 + 2)
)
every_install = without_one(
    lambda: installing.test_every_crash_leaves_the_old_history_or_the_snapshot_alone(E1 + 2)
)


def parted_data_are_told() -> None:
    told = Told()
    logging.getLogger("zoo").addHandler(told)
    try:
        member.test_data_that_part_from_the_leaders_are_told_loudly(told)
    finally:
        logging.getLogger("zoo").removeHandler(told)


class Told(logging.Handler):
    """The messages of a log."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


GUARDS: dict[str, tuple[Callable[[Patch], None], Disks]] = {
    "1277 the counter runs into the epoch": (
        counters_run_over,
        without_one(leader.test_the_counter_is_never_used_up),
    ),
    "1732-1818 votes keep an old epoch": (
        epochs_in_votes_stay_old,
        without_one(election.test_an_established_epoch_is_told),
    ),
    "2325 a server without its snapshots starts empty": (
        lost_snapshots_do_not_matter,
        on_a_disk(recovery.test_logs_alone_that_begin_later_are_refused),
    ),
    "2355 an apply that failed is passed over": (
        failed_applies_are_passed_over,
        without_one(learner_log.test_what_cannot_be_applied_is_not_passed_over),
    ),
    "2872 a partial snapshot is trusted": (partial_snapshots_are_published, every_install),
    "3642 a state half old": (changes_have_no_note, every_install),
    "3109 a deserted leader waits": (
        the_deserted_wait,
        without_one(outcomes.test_a_deserted_leader_knows),
    ),
    "3701 a failed cut is reported done": (
        failed_cuts_are_reported_done,
        without_one(lambda: truncation.test_a_failing_fsync_is_a_failure(1)),
    ),
    "4837 a snapshot beyond the cut": (
        snapshots_beyond_the_cut_stay,
        without_one(lambda: truncation.test_the_history_ends_at_the_zxid(E1 + 2, [0, 3, E1 + 4])),
    ),
    "startup gap": (gaps_do_not_matter, on_a_disk(recovery.test_a_gap_between_logs)),
    "hazard 1 a cut is not synced": (
        cuts_are_not_synced,
        without_one(cut_that_survives_the_power),
    ),
    "hazard 1 a cut in steps that nobody finishes": (changes_have_no_note, every_cut),
    "hazard 2 an installed snapshot is not synced": (snapshots_are_not_synced, every_install),
    "hazard 3 names are not synced": (names_are_not_synced, every_install),
    "hazard 5 append takes anything": (
        any_append_goes,
        without_one(lambda: log_queue.test_a_gap_is_our_mistake(7)),
    ),
    "hazard 6 a commit of another zxid": (
        any_commit_goes,
        without_one(
            lambda: learner_log.test_a_commit_that_skips_ends_the_link(learner_log.NEW[1][0])
        ),
    ),
    "hazard 7 data part from the leader's, and nobody is told": (
        digests_are_not_compared,
        without_one(parted_data_are_told),
    ),
    "hazard 9 one line of zoo.cfg turns syncing off": (
        nothing_is_refused,
        without_one(
            lambda: config.test_what_would_cost_data_or_safety_is_refused_with_reason(
                "forceSync=no", "a crash would lose them"
            )
        ),
    ),
    "hazard 10 an INFORM in synchronisation finds nothing to commit": (
        informs_need_a_proposal,
        without_one(observer.test_synchronisation_mixes_proposals_and_informs),
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_known_bug_that_is_put_back_fails_its_guard(
    name: str, monkeypatch: Patch, tmp_path: Path
) -> None:
    bug, guard = GUARDS[name]
    sound, broken = tmp_path / "sound", tmp_path / "broken"
    sound.mkdir()
    broken.mkdir()
    guard(sound)
    bug(monkeypatch)
    with pytest.raises((Exception, pytest.fail.Exception)):
        guard(broken)
