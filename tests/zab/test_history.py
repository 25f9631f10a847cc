from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.zab.history import CHUNK_TXNS, History, follows

E1 = 1 << 32
E2 = 2 << 32


def filled(*zxids: int, committed: int | None = None, last: int = E1) -> History:
    history = History(last)
    for zxid in zxids:
        history.append(zxid, b"%x" % zxid)
    if committed is not None:
        history.commit_to(committed)
    return history


def test_the_tail_is_what_is_not_committed() -> None:
    history = filled(E1 + 1, E1 + 2, E2 + 1)
    assert (history.floor, history.committed, history.last_zxid) == (E1, E1, E2 + 1)
    history.commit_to(E1 + 1)
    assert list(history.tail()) == [(E1 + 2, b"100000002"), (E2 + 1, b"200000001")]
    history.commit_to(E2 + 1)
    assert list(history.tail()) == []
    assert len(history) == 3


def test_a_run_is_the_same_as_its_transactions() -> None:
    single, run = History(), History()
    for zxid in range(1, 2 * CHUNK_TXNS):
        single.append(zxid, b"%d" % zxid)
    run.append_run(1, [b"1"])
    run.append_run(2, [b"%d" % zxid for zxid in range(2, 2 * CHUNK_TXNS)])
    assert list(single.after(0)) == list(run.after(0))
    assert single.last_zxid == run.last_zxid == 2 * CHUNK_TXNS - 1


def test_the_callers_list_stays_the_callers() -> None:
    history, entries = History(), [b"a"]
    history.append_run(1, entries)
    history.append(2, b"b")
    assert entries == [b"a"]


@pytest.mark.parametrize("zxid", [E1 + 2, E1, E1 + 4, E2 + 2, 5])
def test_a_gap_is_an_error(zxid: int) -> None:
    history = filled(E1 + 1, E1 + 2)
    with pytest.raises(AssertionError, match="cannot follow"):
        history.append(zxid, b"")
    with pytest.raises(AssertionError, match="cannot follow"):
        history.append_run(zxid, [b""])


def test_a_run_stays_in_its_epoch() -> None:
    with pytest.raises(AssertionError, match="leaves its epoch"):
        History(0xFFFFFFFE).append_run(0xFFFFFFFF, [b"", b""])


def test_commits_do_not_go_back_or_beyond_the_end() -> None:
    history = filled(E1 + 1, E1 + 2, committed=E1 + 1)
    with pytest.raises(AssertionError, match="commit of"):
        history.commit_to(E1)
    with pytest.raises(AssertionError, match="commit of"):
        history.commit_to(E1 + 3)


def test_cut_drops_the_end_of_the_tail() -> None:
    history = filled(E1 + 1, E1 + 2, E1 + 3, E2 + 1, committed=E1 + 1)
    history.cut(E1 + 2)
    assert (history.last_zxid, list(history.tail())) == (E1 + 2, [(E1 + 2, b"100000002")])
    history.append(E1 + 3, b"other")
    assert history.entry(E1 + 3) == b"other"
    with pytest.raises(AssertionError, match="committed already"):
        history.cut(E1)


def test_rewind_goes_below_what_was_taken_for_committed() -> None:
    history = filled(E1 + 1, E1 + 2, committed=E1 + 2)
    history.rewind(E1 + 1)
    assert (history.floor, history.committed, history.last_zxid) == (E1, E1 + 1, E1 + 1)
    history.rewind(E1 - 7)
    assert (history.floor, history.committed, history.last_zxid) == (E1 - 7,) * 3
    assert len(history) == 0


def test_rewind_to_what_is_no_transaction() -> None:
    history = filled(E1 + 1, E2 + 1)
    with pytest.raises(AssertionError, match="no transaction of this history"):
        history.rewind(E1 + 5)
    with pytest.raises(AssertionError, match="behind the end"):
        history.rewind(E2 + 5)


def test_a_snapshot_takes_the_place_of_everything() -> None:
    history = filled(E1 + 1)
    history.reset(E2)
    assert (history.floor, history.committed, history.last_zxid) == (E2, E2, E2)
    assert list(history.after(E2)) == []
    history.append(E2 + 1, b"x")
    assert list(history.tail()) == [(E2 + 1, b"x")]


def test_recovery_forgets_what_lies_before_a_gap() -> None:
    history = History(5)
    history.load(6, b"6")
    history.load(E1 + 1, b"e")
    assert (history.floor, history.committed, history.last_zxid) == (5, E1 + 1, E1 + 1)
    history.load(E1 + 9, b"gap")
    assert (history.floor, history.committed, history.last_zxid) == (E1 + 9,) * 3


def test_entry_and_preceding() -> None:
    history = filled(E1 + 1, E1 + 2, E2 + 1)
    assert history.entry(E1 + 2) == b"100000002"
    assert [history.entry(zxid) for zxid in (0, E1, E1 + 3, E2, E2 + 2)] == [None] * 5
    assert history.preceding(E1 - 1) is None
    assert history.preceding(E1) == E1
    assert history.preceding(E1 + 2) == history.preceding(E1 + 77) == history.preceding(E2)
    assert history.preceding(E2 + 9) == E2 + 1
    assert History(7).preceding(9) == 7


def test_reading_goes_on_while_the_window_moves() -> None:
    history = History(0, max_txns=10)
    history.append_run(1, [b"%d" % zxid for zxid in range(1, CHUNK_TXNS + 1)])
    runs = history.runs(5)
    history.append_run(CHUNK_TXNS + 1, [b"x"] * 20)
    history.commit_to(CHUNK_TXNS)
    assert history.floor == CHUNK_TXNS
    assert list(runs) == [(6, [b"%d" % zxid for zxid in range(6, CHUNK_TXNS + 1)])]
    with pytest.raises(AssertionError, match="not in the window"):
        history.runs(5)


def test_the_window_is_bounded_in_number_and_bytes_but_keeps_its_tail() -> None:
    history = History(0, max_txns=3 * CHUNK_TXNS, max_bytes=1 << 30)
    for zxid in range(1, 10 * CHUNK_TXNS + 1):
        history.append(zxid, b"x")
    assert len(history) == 10 * CHUNK_TXNS
    history.commit_to(8 * CHUNK_TXNS)
    assert history.floor == 7 * CHUNK_TXNS
    big = History(0, max_bytes=10 << 20)
    for zxid in range(1, 100):
        big.append(zxid, bytes(1 << 20))
        big.commit_to(zxid)
    assert 8 <= len(big) <= 10


def test_what_follows_what() -> None:
    assert follows(E1 + 2, E1 + 1)
    assert follows(E2, E1 + 7)
    assert follows(E2 + 1, E1 + 7)
    assert not follows(E2 + 2, E1 + 7)
    assert not follows(E1 + 1, E1 + 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("epoch"), st.integers(1, 2)),
        st.tuples(st.just("commit"), st.integers(0, 5)),
        st.tuples(st.just("cut"), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(STEPS)
def test_against_a_plain_list(steps: list[tuple[str, int]]) -> None:
    history, model, committed = History(max_txns=6), [(0, b"")], 0
    for number, (step, amount) in enumerate(steps):
        last = model[-1][0]
        if step in ("append", "epoch"):
            first = last + 1 if step == "append" else ((last >> 32) + amount << 32) + 1
            entries = [b"%d.%d" % (number, index) for index in range(amount)]
            history.append_run(first, entries)
            model += list(enumerate(entries, first))
        else:
            tail = [zxid for zxid, _ in model if zxid >= committed]
            zxid = tail[min(amount, len(tail) - 1)]
            if step == "commit":
                history.commit_to(zxid)
                committed = zxid
            else:
                history.cut(zxid)
                model = [pair for pair in model if pair[0] <= zxid]
    known = [pair for pair in model if pair[0] > history.floor]
    assert history.floor <= history.committed == committed
    assert history.last_zxid == model[-1][0]
    assert list(history.after(history.floor)) == known
    assert list(history.tail()) == [pair for pair in model if pair[0] > committed]
    assert len(history) == len(known)
    assert all(history.entry(zxid) == entry for zxid, entry in known)
    for (zxid, _), (later, _) in pairwise(known):
        assert history.preceding(later - 1) == zxid


def test_how_much_lies_behind() -> None:
    history = History()
    last = 2 * CHUNK_TXNS
    for zxid in range(1, last + 1):
        history.append(zxid, b"12345")
    history.commit_to(last)
    assert history.size_behind(0) == 5 * last
    assert history.size_behind(last) == 0
    assert 5 * 10 <= history.size_behind(last - 10) <= 5 * CHUNK_TXNS


def test_what_is_about_to_be_read_is_not_forgotten() -> None:
    history = History(max_txns=CHUNK_TXNS)
    history.unread = 0
    for zxid in range(1, 3 * CHUNK_TXNS + 1):
        history.append(zxid, b"x")
    history.commit_to(history.last_zxid - 1)
    assert history.floor == 0
    history.unread = 2 * CHUNK_TXNS
    history.commit_to(history.last_zxid)
    assert history.floor == 2 * CHUNK_TXNS
    assert [first for first, _ in history.runs(history.unread)] == [2 * CHUNK_TXNS + 1]
