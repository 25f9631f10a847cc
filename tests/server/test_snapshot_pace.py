from __future__ import annotations

from random import Random

from zoo.server.snapshot_pace import SnapshotPace


def test_a_snapshot_is_due_between_half_and_all_of_the_count() -> None:
    drawn = set()
    for seed in range(50):
        pace = SnapshotPace(100, 0, Random(seed))
        logged = 0
        while not pace.due(rested=True):
            pace.note_logged(1, 1000)
            logged += 1
        assert 50 < logged <= 100
        drawn.add(logged)
    assert len(drawn) > 10


def test_bytes_count_too() -> None:
    pace = SnapshotPace(1_000_000, 1000, Random(1))
    pace.note_logged(1, 499)
    assert not pace.due(rested=True)
    pace.note_logged(1, 501)
    assert pace.due(rested=True)


def test_without_rest_ten_times_as_much_is_waited_for() -> None:
    pace = SnapshotPace(2, 0, Random(1))
    pace.note_logged(10, 0)
    assert pace.due(rested=True)
    assert not pace.due(rested=False)
    pace.note_logged(1, 0)
    assert pace.due(rested=False)


def test_it_counts_anew_from_the_beginning_of_a_snapshot() -> None:
    pace = SnapshotPace(2, 0, Random(1))
    pace.note_logged(5, 0)
    pace.begun()
    assert not pace.due(rested=True)
