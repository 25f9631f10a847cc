from __future__ import annotations

from zoo.sim.schedule import Schedule


def test_events_happen_in_order_of_time_then_of_planning() -> None:
    schedule, seen = Schedule(), list[tuple[int, str]]()

    def note(name: str) -> None:
        seen.append((schedule.now, name))
        if name == "b":
            schedule.after(0, lambda: note("at once"))

    schedule.after(20, lambda: note("late"))
    schedule.after(10, lambda: note("a"))
    schedule.after(10, lambda: note("b"))
    schedule.after(99, lambda: note("never"))
    schedule.run_until(50)
    assert seen == [(10, "a"), (10, "b"), (10, "at once"), (20, "late")]
    assert (schedule.now, schedule.now_ms, schedule.count) == (50, 0, 4)
