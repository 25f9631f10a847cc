from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.zab.log_queue import LogQueue
from zoo.zab.ready import Install, Ready


def drain(queue: LogQueue) -> list[Ready]:
    done = []
    while (ready := queue.ready()) is not None:
        queue.on_persisted(ready)
        done.append(ready)
    return done


def test_what_is_appended_while_a_ready_is_out_shares_the_next() -> None:
    queue = LogQueue(5)
    queue.append(6, b"six")
    first = queue.ready()
    assert first == Ready([b"six"], 6, 6, False)
    queue.append(7, b"seven")
    queue.append_run(8, [b"eight", b"nine"])
    assert queue.ready() is None
    assert (queue.persisted, queue.handed, queue.appended) == (5, 6, 9)
    queue.on_persisted(first)
    assert queue.persisted == 6
    assert queue.ready() == Ready([b"seven", b"eight", b"nine"], 7, 9, False)


def test_steps_in_their_order_share_a_ready() -> None:
    queue = LogQueue(5)
    queue.accept_epoch(1)
    queue.append(6, b"six")
    queue.set_current_epoch(1)
    assert drain(queue) == [Ready([b"six"], 6, 6, False, 1, None, None, 1)]
    assert queue.is_idle


def test_nothing_shares_a_ready_behind_a_cut() -> None:
    """The state may be rebuilt from what is left of the log before more is in it."""
    queue = LogQueue(5)
    queue.accept_epoch(1)
    queue.truncate(3)
    queue.append(4, b"four")
    queue.set_current_epoch(1)
    assert drain(queue) == [
        Ready([], 3, 3, False, 1, 3),
        Ready([b"four"], 4, 4, False, None, None, None, 1),
    ]


def test_the_backlog_is_what_waits_behind_the_ready_that_is_out() -> None:
    queue = LogQueue(5)
    for number in range(3):
        queue.install(Install(9, [b"piece"], number == 0, number == 2))
    assert queue.backlog == 3
    assert queue.ready() is not None
    assert queue.backlog == 2


def test_a_step_out_of_order_waits_for_the_next_ready() -> None:
    queue = LogQueue(5)
    queue.append(6, b"six")
    queue.truncate(5)
    queue.append(6, b"another six")
    queue.accept_epoch(2)
    assert drain(queue) == [
        Ready([b"six"], 6, 6, False),
        Ready([], 5, 5, False, None, 5),
        Ready([b"another six"], 6, 6, False),
        Ready([], 6, 6, False, 2),
    ]


def test_pieces_of_a_snapshot_come_one_by_one_and_end_the_log_there() -> None:
    queue = LogQueue(5)
    pieces = [
        Install(0x200000000, [b"a"], True, False),
        Install(0x200000000, [b"b"], False, True),
    ]
    for piece in pieces:
        queue.install(piece)
    queue.append(0x200000001, b"one")
    done = drain(queue)
    assert [ready.install for ready in done] == pieces
    assert [ready.last_zxid for ready in done] == [5, 0x200000001]
    assert queue.persisted == 0x200000001


def test_the_log_rolls_with_the_next_entries() -> None:
    queue = LogQueue(0)
    queue.roll_log()
    queue.set_current_epoch(1)
    queue.append(1, b"one")
    queue.append(2, b"two")
    assert [ready.roll for ready in drain(queue)] == [False, True]


@pytest.mark.parametrize("zxid", [5, 7, 0x100000000 - 1, 4])
def test_a_gap_is_our_mistake(zxid: int) -> None:
    queue = LogQueue(5)
    with pytest.raises(AssertionError, match="cannot follow"):
        queue.append(zxid, b"")
    with pytest.raises(AssertionError, match="cannot follow"):
        queue.append_run(zxid, [b"", b""])


def test_only_the_ready_that_is_out_can_be_reported() -> None:
    queue = LogQueue(0)
    queue.append(1, b"one")
    ready = queue.ready()
    assert ready is not None
    with pytest.raises(AssertionError, match="not the one"):
        queue.on_persisted(ready._replace(last_zxid=9))


@given(st.lists(st.sampled_from(["append", "accept", "truncate", "current", "take"]), max_size=40))
def test_whatever_the_order_all_work_comes_out_in_it(steps: list[str]) -> None:
    queue = LogQueue(0)
    asked: list[tuple[str, int]] = []
    for number, step in enumerate(steps):
        if step == "append":
            asked.append((step, queue.appended + 1))
            queue.append(queue.appended + 1, b"%d" % number)
        elif step == "truncate":
            asked.append((step, max(0, queue.appended - 1)))
            queue.truncate(max(0, queue.appended - 1))
        elif step == "accept":
            asked.append((step, number))
            queue.accept_epoch(number)
        elif step == "current":
            asked.append((step, number))
            queue.set_current_epoch(number)
    done: list[tuple[str, int]] = []
    for ready in drain(queue):
        if ready.accepted_epoch is not None:
            done.append(("accept", ready.accepted_epoch))
        if ready.truncate is not None:
            done.append(("truncate", ready.truncate))
        first = ready.last_zxid - len(ready.entries) + 1
        done += [("append", zxid) for zxid in range(first, ready.last_zxid + 1)]
        if ready.current_epoch is not None:
            done.append(("current", ready.current_epoch))
    assert done == asked


def test_epochs_are_durable_when_their_ready_is() -> None:
    queue = LogQueue(5)
    assert queue.epochs_are_durable
    queue.append(6, b"6")
    queue.set_current_epoch(2)
    queue.append(7, b"7")
    assert not queue.epochs_are_durable
    first = queue.ready()
    assert first is not None
    assert not queue.epochs_are_durable, "handed over is not durable"
    queue.on_persisted(first)
    assert queue.epochs_are_durable
    assert (queue.persisted, queue.appended) == (6, 7)
