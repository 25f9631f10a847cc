from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.zab.history import CHUNK_TXNS, History
from zoo.zab.packets import PacketType
from zoo.zab.sync_plan import NO_HISTORY, SyncPlan, plan_sync

E1, E2, E3, E5 = (epoch << 32 for epoch in (1, 2, 3, 5))
DIFF, TRUNC, SNAP = PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP


def known(*zxids: int, floor: int = 0) -> History:
    history = History(floor)
    for zxid in zxids:
        history.append(zxid, b"%x" % zxid)
    return history


# A window from 1:3 on: 1:4 1:5 | 3:1 3:2
WINDOW = (E1 + 4, E1 + 5, E3 + 1, E3 + 2)


@pytest.mark.parametrize(
    ("theirs", "plan"),
    [
        pytest.param(E3 + 2, SyncPlan(DIFF, E3 + 2, E3 + 2), id="in step"),
        pytest.param(E3 + 1, SyncPlan(DIFF, E3 + 2, E3 + 1), id="one behind"),
        pytest.param(E1 + 5, SyncPlan(DIFF, E3 + 2, E1 + 5), id="an epoch behind"),
        pytest.param(E1 + 3, SyncPlan(DIFF, E3 + 2, E1 + 3), id="at the floor of the window"),
        pytest.param(E1 + 2, SyncPlan(SNAP, E3 + 2, E3 + 2), id="before the window"),
        pytest.param(0, SyncPlan(SNAP, E3 + 2, E3 + 2), id="nothing, and our window is not all"),
        pytest.param(-1, SyncPlan(SNAP, E3 + 2, E3 + 2), id="nonsense"),
        pytest.param(E3 + 3, SyncPlan(TRUNC, E3 + 2, E3 + 2), id="ahead of us in our epoch"),
        pytest.param(E5 + 1, SyncPlan(TRUNC, E3 + 2, E3 + 2), id="ahead of us in a later epoch"),
        pytest.param(E1 + 6, SyncPlan(TRUNC, E1 + 5, E1 + 5), id="uncommitted in an old epoch"),
        pytest.param(E2 + 9, SyncPlan(TRUNC, E1 + 5, E1 + 5), id="an epoch that we never saw"),
        pytest.param(E3, SyncPlan(DIFF, E3 + 2, E1 + 5), id="began our epoch"),
        pytest.param(E2, SyncPlan(DIFF, E3 + 2, E1 + 5), id="began an epoch without transactions"),
        pytest.param(E5, SyncPlan(DIFF, E3 + 2, E3 + 2), id="began an epoch after all of ours"),
        pytest.param(E1, SyncPlan(SNAP, E3 + 2, E3 + 2), id="began an epoch before the window"),
        pytest.param(NO_HISTORY, SyncPlan(SNAP, E3 + 2, E3 + 2), id="asks for a snapshot"),
    ],
)
def test_where_a_learner_stands(theirs: int, plan: SyncPlan) -> None:
    assert plan_sync(known(*WINDOW, floor=E1 + 3), E3 + 2, theirs) == plan


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        (E1 + 6, SNAP),
        (E2 + 9, SNAP),
        (E3 + 3, TRUNC),
        (E5 + 1, TRUNC),
        (E1 + 5, DIFF),
        (E2, DIFF),
        (E3 + 2, DIFF),
    ],
)
def test_a_java_learner_is_cut_only_where_nothing_else_helps(theirs: int, kind: PacketType) -> None:
    plan = plan_sync(known(*WINDOW, floor=E1 + 3), E3 + 2, theirs, cuts_exactly=False)
    assert plan.kind is kind


def test_what_an_established_leader_has_not_committed_is_no_history_yet() -> None:
    history = known(*WINDOW, floor=E1 + 3)
    assert plan_sync(history, E3 + 1, E3 + 2) == SyncPlan(TRUNC, E3 + 1, E3 + 1)
    assert plan_sync(history, E3 + 1, E3 + 1) == SyncPlan(DIFF, E3 + 1, E3 + 1)
    assert plan_sync(history, E3 + 1, E1 + 5) == SyncPlan(DIFF, E3 + 1, E1 + 5)


def test_a_complete_history_serves_an_empty_learner() -> None:
    assert plan_sync(known(1, 2), 2, 0) == SyncPlan(DIFF, 2, 0)
    assert plan_sync(known(1, 2), 2, NO_HISTORY) == SyncPlan(SNAP, 2, 2)
    assert plan_sync(known(), 0, 0) == SyncPlan(DIFF, 0, 0)
    assert plan_sync(known(), 0, E1 + 1) == SyncPlan(TRUNC, 0, 0)


def test_a_history_that_begins_with_a_snapshot_at_the_beginning_of_an_epoch() -> None:
    history = known(E3 + 1, floor=E3)
    assert plan_sync(history, E3 + 1, E3) == SyncPlan(DIFF, E3 + 1, E3)
    assert plan_sync(history, E3 + 1, E2 + 7).kind is SNAP
    assert plan_sync(known(floor=E3), E3, E3 + 4) == SyncPlan(TRUNC, E3, E3)


Log = list[tuple[int, bytes]]


class Epoch(NamedTuple):
    """`skipped` epochs before it had a leader who proposed nothing. Of the `proposed` transactions
    `kept` became history of the next epoch, all that were committed among them.
    """

    skipped: int
    proposed: int
    kept: int


def numbered(epoch: int, count: int) -> Log:
    first = (epoch << 32) + 1
    return [(zxid, b"%x" % zxid) for zxid in range(first, first + count)]


def all_logs(epochs: list[Epoch]) -> tuple[Log, list[Log]]:
    """The history of the next leader, and every log that some server may have by now.

    A leader proposes once a quorum has its history; so whoever comes later has that history, too.
    A server may have stopped within any epoch, and within any synchronisation.
    """
    initial: Log = []
    logs = [initial]
    epoch = 0
    for skipped, proposed, kept in epochs:
        epoch += 1 + skipped
        mine = numbered(epoch, proposed)
        logs += [initial + mine[:count] for count in range(proposed + 1)]
        initial = initial + mine[: min(kept, proposed)]
    return initial, logs + [initial[:count] for count in range(len(initial) + 1)]


def carried_out(plan: SyncPlan, history: History, theirs: Log, ours: Log) -> Log:
    """What the learner has after it did as it was told."""
    if plan.kind is SNAP:
        return ours
    log = list(theirs)
    if plan.kind is TRUNC:
        log = [pair for pair in theirs if pair[0] <= plan.zxid]
        assert (log[-1][0] if log else 0) == plan.zxid, "cut to what the learner does not have"
    return log + list(history.after(plan.after))


EPOCHS = st.lists(
    st.builds(Epoch, st.integers(0, 2), st.integers(0, 4), st.integers(0, 4)), max_size=5
)


@given(epochs=EPOCHS, window=st.integers(0, 20), data=st.data())
def test_any_learner_ends_with_the_leaders_history(
    epochs: list[Epoch], window: int, data: st.DataObject
) -> None:
    """ZOOKEEPER-1154, 2832: nothing that the leader does not have survives on a learner."""
    ours, logs = all_logs(epochs)
    theirs = data.draw(st.sampled_from(logs))
    forgotten = ours[: max(0, len(ours) - window)]
    history = History(forgotten[-1][0] if forgotten else 0)
    for zxid, entry in ours[len(forgotten) :]:
        history.append(zxid, entry)
    plan = plan_sync(history, history.last_zxid, theirs[-1][0] if theirs else 0)
    assert carried_out(plan, history, theirs, ours) == ours
    if window >= len(ours):
        assert plan.kind is not SNAP


@given(count=st.integers(0, 30), end=st.integers(0, 30), theirs=st.integers(0, 30))
def test_a_learner_of_our_own_epoch_is_brought_to_what_is_committed(
    count: int, end: int, theirs: int
) -> None:
    history = known(*(zxid for zxid, _ in numbered(1, count)))
    end, theirs = min(end, count), min(theirs, count)
    committed, has = (E1 + n if n else 0 for n in (end, theirs))
    plan = plan_sync(history, committed, has)
    entries = [zxid for zxid, _ in history.after(plan.after, committed)]
    assert plan.kind is (TRUNC if theirs > end else DIFF)
    assert min(theirs, end) + len(entries) == end


def test_epochs_without_transactions_of_ours_in_between() -> None:
    """A survivor of an old epoch is cut, however far we have come since."""
    log = numbered(1, 5) + numbered(4, CHUNK_TXNS) + numbered(9, 3)
    history = known(*(zxid for zxid, _ in log))
    for epoch in (1, 2, 3):
        plan = plan_sync(history, history.last_zxid, (epoch << 32) + 7)
        assert plan == SyncPlan(TRUNC, E1 + 5, E1 + 5)
    late = (4 << 32) + CHUNK_TXNS
    assert plan_sync(history, history.last_zxid, late + 1) == SyncPlan(TRUNC, late, late)
