"""Expiry at ZooKeeper's moments, a clock that forgives stalls, and who may use a session."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import Code, KeeperError
from zoo.session.tracker import SessionTracker, negotiate

TICK = 100


def run_until(tracker: SessionTracker, start: int, end: int, step: int = 10) -> dict[int, int]:
    """Ask for expired sessions every `step` ms; returns session id -> when it expired."""
    return {
        session.id: now for now in range(start, end + 1, step) for session in tracker.expired(now)
    }


def make(now: int = 1000) -> SessionTracker:
    return SessionTracker(TICK, now)


@pytest.mark.parametrize(("asked", "granted"), [(-5, 40), (39, 40), (100, 100), (401, 400)])
def test_negotiate(asked: int, granted: int) -> None:
    assert negotiate(asked, 40, 400) == granted


def test_a_silent_session_expires_once_rounded_up_to_the_tick() -> None:
    tracker = make()
    tracker.advance(1030)
    session = tracker.track(7, 250)
    assert run_until(tracker, 1030, 1299) == {}
    assert tracker.expired(1300) == [session]  # 1280 rounded up
    assert session.closing
    assert run_until(tracker, 1300, 5000) == {}
    assert tracker.get(7) is session  # until its closeSession is applied


def test_a_timeout_on_the_edge_gets_the_next_bucket_as_in_java() -> None:
    tracker = make()
    tracker.track(7, 200)
    assert run_until(tracker, 1000, 2000) == {7: 1300}


def test_one_store_keeps_a_session_alive() -> None:
    tracker = make()
    session = tracker.track(7, 200)
    for now in range(1000, 4001, 50):
        assert tracker.expired(now) == []
        session.seen = tracker.clock
    assert run_until(tracker, 4000, 5000) == {7: 4300}


def test_sessions_of_one_bucket_expire_in_the_order_they_began() -> None:
    tracker = make()
    for session_id in (9, 3, 5):
        tracker.track(session_id, 200)
    run_until(tracker, 1000, 1290)
    assert [session.id for session in tracker.expired(1300)] == [9, 3, 5]


def test_a_stall_of_the_server_expires_nobody_but_silence_after_it_does() -> None:
    tracker = make()
    tracker.track(7, 200)
    assert run_until(tracker, 1000, 1100) == {}
    assert tracker.expired(61_100) == []  # a minute in which the server did not run
    assert tracker.clock == 1150  # of which half a tick counts
    assert run_until(tracker, 61_100, 62_000) == {7: 61_250}


def test_stall_upon_stall_charges_no_more_than_a_step_each() -> None:
    tracker = make()
    tracker.track(7, 1000)
    assert run_until(tracker, 11_000, 200_000, step=10_000) == {}
    assert tracker.clock == 1000 + 19 * 50


def test_a_clock_that_steps_back_is_no_time() -> None:
    tracker = make()
    assert tracker.advance(1040) == 1040
    assert tracker.advance(500) == 1040
    assert tracker.advance(510) == 1050


def test_next_due_is_early_enough_to_lose_no_time() -> None:
    tracker = make()
    assert tracker.next_due() is None
    tracker.track(7, 200)
    assert tracker.next_due() == 1025  # half of max_step
    run_until(tracker, 1000, 1290)
    assert tracker.next_due() == 1300
    tracker.remove(7)
    assert tracker.next_due() is None


def test_following_next_due_expires_in_time_though_each_wake_is_late() -> None:
    tracker = make()
    tracker.track(7, 200)
    now, ended = 1000, []
    while not ended:
        due = tracker.next_due()
        assert due is not None
        assert due > now
        now = due + 1 + now % 3
        ended = tracker.expired(now)
    assert 1300 <= now <= 1303


def test_touch_by_id() -> None:
    tracker = make()
    tracker.track(7, 200)
    run_until(tracker, 1000, 1190)
    assert tracker.touch(7)
    assert not tracker.touch(8)
    assert run_until(tracker, 1190, 2000) == {7: 1400}
    assert not tracker.touch(7)  # closing


def test_closing_sessions_expire_no_more_and_removed_ones_are_gone() -> None:
    tracker = make()
    tracker.track(7, 200)
    tracker.track(8, 200)
    tracker.mark_closing(7)
    tracker.mark_closing(99)
    removed = tracker.remove(8)
    assert removed is not None
    assert removed.id == 8
    assert tracker.remove(8) is None
    assert run_until(tracker, 1000, 5000) == {}
    assert len(tracker) == 1
    assert 7 in tracker
    assert 8 not in tracker


def test_tracking_again_takes_the_new_timeout_and_hears_the_client() -> None:
    tracker = make()
    session = tracker.track(7, 5000)
    run_until(tracker, 1000, 1090)
    assert tracker.track(7, 200) is session
    assert run_until(tracker, 1090, 9000) == {7: 1300}
    tracker.track(7, 200)
    assert session.closing  # to be heard of again does not undo it
    assert run_until(tracker, 9000, 9900) == {}


def test_check_gives_the_session_to_its_first_owner_and_refuses_others() -> None:
    tracker = make()
    mine, other = object(), object()
    session = tracker.track(7, 200)
    assert tracker.check(7, mine) is session
    assert tracker.check(7, mine) is session
    with pytest.raises(KeeperError) as moved:
        tracker.check(7, other)
    assert moved.value.code is Code.SESSIONMOVED
    tracker.set_owner(7, other)
    assert tracker.check(7, other) is session


def test_check_and_set_owner_refuse_closing_and_unknown_sessions() -> None:
    tracker = make()
    tracker.track(-7, 200)
    tracker.mark_closing(-7)
    for session_id, why in ((-7, "0xfffffffffffffff9 is closing"), (8, "0x8 is unknown")):
        for refuse in (tracker.check, tracker.set_owner):
            with pytest.raises(KeeperError, match=why) as expired:
                refuse(session_id, object())
            assert expired.value.code is Code.SESSIONEXPIRED


def test_snapshot_and_load() -> None:
    tracker = make()
    tracker.track(9, 300)
    tracker.track(7, 200)
    tracker.mark_closing(9)
    assert list(tracker.items()) == [(9, 300), (7, 200)]
    later = make(5000)
    later.track(1, 100)
    later.load(tracker.items())
    assert list(later.items()) == [(9, 300), (7, 200)]
    assert run_until(later, 5000, 9000) == {7: 5300, 9: 5400}


def test_a_new_leader_gives_everyone_the_whole_timeout_again() -> None:
    tracker = make()
    tracker.track(7, 200).owner = object()
    tracker.track(8, 200)
    tracker.mark_closing(8)
    run_until(tracker, 1000, 1290)
    tracker.restart_clocks(90_000)
    session = tracker.get(7)
    assert session is not None
    assert session.owner is None
    assert run_until(tracker, 90_000, 99_000) == {7: 90_210, 8: 90_210}  # clock 1290 there


def test_expiry_map_shows_true_moments_not_lazy_buckets() -> None:
    tracker = make()
    session = tracker.track(7, 200)
    tracker.track(8, 300)
    tracker.track(9, 300)
    tracker.mark_closing(9)
    run_until(tracker, 1000, 1150)
    session.seen = tracker.clock
    assert tracker.expiry_map() == {1400: [7, 8]}
    tracker.touch(8)
    assert tracker.expiry_map() == {1400: [7], 1500: [8]}


class EagerQueue:
    """The plain rule, without buckets: each time a session is heard its moment is computed anew."""

    def __init__(self, timeouts: list[int], now: int) -> None:
        self.timeouts = timeouts
        self.moment = {n: self.round_up(now + t) for n, t in enumerate(timeouts)}

    def round_up(self, moment: int) -> int:
        return (moment // TICK + 1) * TICK

    def hear(self, session_id: int, now: int) -> None:
        if session_id in self.moment:
            self.moment[session_id] = self.round_up(now + self.timeouts[session_id])

    def expired(self, now: int) -> set[int]:
        ended = {session_id for session_id, moment in self.moment.items() if moment <= now}
        for session_id in ended:
            del self.moment[session_id]
        return ended


@settings(max_examples=200, deadline=None)
@given(
    timeouts=st.lists(st.integers(0, 600), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 5)), max_size=60),
)
def test_lazy_buckets_expire_whom_eager_ones_expire(
    timeouts: list[int], steps: list[tuple[int, int]]
) -> None:
    now = 1000
    tracker = SessionTracker(TICK, now, max_step=10_000)
    for session_id, timeout in enumerate(timeouts):
        tracker.track(session_id, timeout)
    model = EagerQueue(timeouts, now)
    for gap, heard in steps:
        now += gap
        assert {session.id for session in tracker.expired(now)} == model.expired(now)
        tracker.touch(heard)
        model.hear(heard, now)
    alive = [session_id for ids in tracker.expiry_map().values() for session_id in ids]
    assert sorted(alive) == sorted(model.moment)


def test_ten_thousand_sessions_heard_often_are_seldom_moved() -> None:
    tracker = make()
    sessions = [tracker.track(session_id, 1000) for session_id in range(10_000)]
    moved = 0
    for now in range(1000, 6000, 25):
        before = [session.due for session in sessions]
        assert tracker.expired(now) == []
        moved += sum(old != session.due for old, session in zip(before, sessions, strict=True))
        for session in sessions:
            session.seen = tracker.clock
    assert moved <= 10_000 * 5  # 200 requests each in 5 timeouts
